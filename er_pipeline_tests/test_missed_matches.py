from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

from er_pipeline.blocking.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.truth import number_true_pairs
from er_pipeline.matching.missed_matches import explain_missed, judge_missed
from er_pipeline_tests.conftest import Dataset, Rows

Missed = dict[tuple[int, int], tuple[str, str, str]]


def explained(
    people: Dataset,
    threshold: float | None = None,
    scores: Mapping[tuple[int, int], float] | None = None,
) -> tuple[dict[str, Any], Missed]:
    """Run everything up to missed_matches; scores stand for what a model would say."""
    people.pair()
    with DuckDBEngine(threads=2) as engine:
        number_true_pairs(engine, people.lake, people.spec, people.folder)
    if scores is not None:
        fingerprint = people.lake.facts("cleaned_records")["fingerprint"]
        with (
            DuckDBEngine(threads=2) as engine,
            people.lake.writing("matches", {"fingerprint": fingerprint}) as draft,
        ):
            engine.execute(
                "create table m (left_no integer, right_no integer, match_probability double)"
            )
            for (left, right), probability in scores.items():
                engine.execute("insert into m values (?, ?, ?)", [left, right, probability])
            engine.write("select * from m", draft.file())
    with DuckDBEngine(threads=2) as engine:
        facts = explain_missed(engine, people.lake, people.spec, threshold=threshold)
    (verdict,) = judge_missed(facts)
    assert verdict.passed, verdict.text
    rows = people.rows("missed_matches", "left_no, right_no, cause, detail, remedy")
    return facts, {(left, right): (cause, *told) for left, right, cause, *told in rows}


def causes(missed: Missed) -> dict[tuple[int, int], str]:
    return {pair: cause for pair, (cause, _, _) in missed.items()}


TRUTH: dict[str, Any] = {"truth": {"cluster_column": "person_id"}}
# 1 and 2 differ in one letter; 3 has no name; 4 has nothing.
FEW: Rows = [
    {"id": "1", "first": "ann", "last": "lee", "mail": "a@b.io", "person_id": "p"},
    {"id": "2", "first": "ann", "last": "lea", "mail": "a@b.io", "person_id": "p"},
    {"id": "3", "first": None, "last": None, "mail": "a@b.io", "person_id": "p"},
    {"id": "4", "first": None, "last": None, "mail": None, "person_id": "p"},
]


def test_a_pair_whose_keys_differ_is_told_by_the_strategy_that_comes_nearest(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(FEW, strategies={"last": "upper(last)", "name": ["first", "last"]}, **TRUTH)
    facts, missed = explained(people)
    assert causes(missed) == {
        (0, 1): "keys_differ",
        **dict.fromkeys([(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], "no_key"),
    }
    # Both differ in one member; name shares another one besides.
    assert missed[0, 1][1] == "name: last is 'lee' and 'lea'"
    assert missed[0, 2][1] == "right lacks upper(last), first, last"
    assert missed[2, 3][1] == (
        "left lacks upper(last), first, last; right lacks upper(last), first, last"
    )
    assert facts["causes"] == {
        "no_key": 5,
        "keys_differ": 1,
        "below_similarity": 0,
        "block_dropped": 0,
        "cut_by_budget": 0,
        "below_threshold": 0,
    }
    assert (facts["true_pairs"], facts["found"], facts["missed"]) == (6, 0, 6)


def test_a_remedy_costs_what_its_blocks_hold(dataset: Callable[..., Dataset]) -> None:
    people = dataset(FEW, strategies={"last": "last"}, **TRUTH)
    facts, missed = explained(people)
    # The mail finds all pairs of the first three: three pairs for three matches, nothing more.
    for pair in combinations(range(3), 2):
        assert missed[pair][2] == "add strategy mail: costs 3 pairs"
    assert missed[0, 3][2] == "no key of one or two fields finds it; try embedding: true"
    assert facts["remedies"] == [
        {
            "remedy": "add strategy mail: costs 3 pairs",
            "pairs": 3,
            "finds": 3,
            "mends": 3,
            "pairs_per_match": 1.0,
        }
    ]


def many(*names: str) -> Rows:
    """Records of these names; every second one is the same person as the one before it."""
    return [
        {"id": f"{i:03}", "name": name, "no": f"n{i}", "person_id": f"p{i // 2}"}
        for i, name in enumerate(names)
    ]


def test_a_dropped_block_is_told_with_its_size_and_what_raising_the_cap_costs(
    dataset: Callable[..., Dataset],
) -> None:
    rows = many(*["lee"] * 4, *["may"] * 6, "ray", "ray")
    people = dataset(rows, strategies={"name": "name"}, blocks={"max_size": 3}, **TRUTH)
    facts, missed = explained(people)
    assert missed[0, 1] == (
        "block_dropped",
        "name: block 'lee' of 4 records is over the cap of 3",
        "raise blocks: max_size to 4 (+6 pairs)",
    )
    assert missed[4, 5] == (
        "block_dropped",
        "name: block 'may' of 6 records is over the cap of 3",
        "raise blocks: max_size to 6 (+21 pairs)",
    )
    assert len(missed) == 5
    found = {row["remedy"]: (row["finds"], row["mends"]) for row in facts["remedies"]}
    # A cap of 6 finds the pairs of the block of 4, too.
    assert found == {
        "raise blocks: max_size to 4 (+6 pairs)": (2, 2),
        "raise blocks: max_size to 6 (+21 pairs)": (5, 3),
    }


def test_what_raising_the_cap_is_said_to_cost_is_what_it_costs(
    dataset: Callable[..., Dataset],
) -> None:
    rows = many(*["lee"] * 4, *["may"] * 6, "ray", "ray")
    kept = [
        dataset(rows, strategies={"name": "name"}, blocks={"max_size": cap}, **TRUTH).pair()
        for cap in (3, 4, 6)
    ]
    assert [facts["pairs"] - kept[0]["pairs"] for facts in kept] == [0, 6, 21]


def test_a_divided_block_is_told_with_the_key_that_parts_the_pair(
    dataset: Callable[..., Dataset],
) -> None:
    rows = [
        {"id": f"{i}", "name": "lee", "town": town, "street": street, "person_id": person}
        for i, (town, street, person) in enumerate(
            [
                ("bath", "a", "p"),
                ("york", "b", "p"),
                ("york", "c", "q"),
                ("york", "d", "q"),
                ("bath", "e", "r"),
            ]
        )
    ]
    people = dataset(
        rows,
        strategies={"name": "name"},
        blocks={"max_size": 2, "oversized": "refine", "refine_by": ["town", "street"]},
        **TRUTH,
    )
    _, missed = explained(people)
    assert causes(missed) == {(0, 1): "block_dropped", (2, 3): "block_dropped"}
    assert missed[0, 1][1] == (
        "name: block 'lee' of 5 records was divided by town, which the two do not share"
    )
    # The smallest part that still holds both.
    assert missed[2, 3][1] == (
        "name: block 'lee > york' of 3 records was divided by street, which the two do not share"
    )
    assert missed[2, 3][2] == "raise blocks: max_size to 3 (+3 pairs)"


def test_a_block_below_the_least_size_is_told(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        many("lee", "lee"), strategies={"name": "name"}, blocks={"min_size": 3}, **TRUTH
    )
    _, missed = explained(people)
    assert missed[0, 1][1] == "name: block 'lee' of 2 records is below min_size 3"


def test_a_many_valued_key_shares_nothing(dataset: Callable[..., Dataset]) -> None:
    people = dataset(many("ann lee", "bo may"), strategies={"words": "tokens(name)"}, **TRUTH)
    _, missed = explained(people)
    assert missed[0, 1][:2] == (
        "keys_differ",
        "words: tokens(name) shares nothing: 'ann lee' and 'bo may'",
    )


def test_a_score_below_the_threshold_is_told(dataset: Callable[..., Dataset]) -> None:
    people = dataset(many(*["lee"] * 4, "may", "may"), strategies={"name": "name"}, **TRUTH)
    scores = {(0, 1): 0.95, (2, 3): 0.876, (0, 2): 0.88, (0, 3): 0.2}
    facts, missed = explained(people, 0.9, scores)
    assert missed == {
        (2, 3): (
            "below_threshold",
            "the model gives it 0.8760, the threshold is 0.9",
            "matching: threshold 0.87 (+2 matches)",
        ),
        (4, 5): (
            "below_threshold",
            "the model gives it less than the least probability kept, the threshold is 0.9",
            missed[4, 5][2],
        ),
    }
    assert (facts["found"], facts["missed"]) == (1, 2)


def test_what_a_budget_cut_is_told_with_its_weight(dataset: Callable[..., Dataset]) -> None:
    rows: Rows = [
        {"id": "1", "name": "lee", "town": "bath", "person_id": "p"},
        {"id": "2", "name": "lee", "town": "bath", "person_id": "p"},
        {"id": "3", "name": "may", "town": "york", "person_id": "q"},
        {"id": "4", "name": "mai", "town": "york", "person_id": "q"},
        {"id": "5", "name": "ray", "town": "hull", "person_id": "r"},
        {"id": "6", "name": "rae", "town": "deal", "person_id": "s"},
    ]
    people = dataset(
        rows, strategies={"name": "name", "town": "town"}, budget={"max_pairs": 1}, **TRUTH
    )
    facts, missed = explained(people)
    assert causes(missed) == {(2, 3): "cut_by_budget"}
    whole = dataset(rows, strategies={"name": "name", "town": "town"}, **TRUTH)
    whole.pair()
    weights = {row[:2]: row[2] for row in whole.rows("unified_pairs", "left_no, right_no, weight")}
    assert missed[2, 3][1] == (
        f"weight {weights[2, 3]:.4f}, the least one kept has {weights[0, 1]:.4f}"
    )
    assert missed[2, 3][2] == "budget: max_pairs 2 (+1 pairs)"
    assert facts["remedies"][0]["finds"] == 1
