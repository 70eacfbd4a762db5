import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, arrow_of
from er_pipeline.evaluation.missed_matches import explain_missed, judge_missed, missed_facts
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.test_real_data import DBLP_ACM, FAKE_1000, FEBRL3, FEBRL4

ABT_BUY = """
  sources: [{path: DATA/abt_buy/left.csv}, {path: DATA/abt_buy/right.csv}]
  fields: {name: text, description: text, price: identifier}
  strategies: {name_word: tokens(name)}
  blocks: {max_size: 20}
  training_rules: {same_name: name, same_price: price}
  truth: {path: DATA/abt_buy/truth.csv}
"""
Missed = dict[tuple[int, int], tuple[str, str, str]]


def explained(
    people: Dataset,
    threshold: float | None = None,
    scores: Mapping[tuple[int, int], float] | None = None,
) -> tuple[dict[str, Any], Missed]:
    """Run everything up to missed_matches; scores stand for what a model would say."""
    people.pair()
    people.make("true_pairs")
    for table in ("dropped_blocks", "record_codes"):
        people.lake.check(table)
    plain = Lake(people.root, people.spec.dataset)
    if scores is not None:
        columns = (LEFT_NO, RIGHT_NO, Column("match_probability", "DOUBLE", ""))
        rows = [(left, right, probability) for (left, right), probability in scores.items()]
        with DuckDBEngine(threads=2) as engine, plain.writing("matches") as draft:
            engine.put("m", arrow_of(columns, rows))
            engine.write("select * from m", draft.file())
    with DuckDBEngine(threads=2) as engine:
        facts = explain_missed(engine, plain, people.spec, threshold=threshold)
    (verdict,) = judge_missed(missed_facts(plain))
    assert verdict.passed, verdict.text
    with DuckDBEngine(threads=2) as engine:
        plain.open(engine, "missed_matches")
        found = engine.rows("select left_no, right_no, cause, detail, remedy from missed_matches")
    return facts, {(left, right): (cause, *told) for left, right, cause, *told in found}


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
    assert facts["remedies"][0] == {
        "remedy": "add strategy mail: costs 3 pairs",
        "pairs": 3,
        "finds": 3,
        "mends": 3,
        "pairs_per_match": 1.0,
    }
    assert all(row["mends"] == 0 for row in facts["remedies"][1:])


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


# Vectors brought by hand: similarities are what the test says, not what an encoder makes of them.
def at(*turned: tuple[float, str]) -> Rows:
    """Records whose vectors point in these directions, in degrees, and whose they are."""
    return [
        {
            "id": f"{i:03}",
            "name": 3 * "abcdefgh"[i],
            "v": str([float(np.cos(np.radians(d))), float(np.sin(np.radians(d)))]),
            "person_id": person,
        }
        for i, (d, person) in enumerate(turned)
    ]


def by_hand(strategies: Mapping[str, Any], **encoder: Any) -> dict[str, Any]:
    cuts = {"k": 1, "min_similarity": 0.5, "min_share_of_best": 0, **encoder}
    return {
        "fields": {"name": "text"},
        "strategies": strategies,
        "embedding": {"encoder": "column", "column": "v", **cuts},
        **TRUTH,
    }


# 0 and 4 degrees are one person; 1, 2 and 5 stand between them or nearer. 80 degrees are far off.
TURNED = [(0, "p"), (4, "p"), (1, "a"), (2, "b"), (5, "c"), (80, "p")]


def test_a_pair_that_neighbours_leave_out_is_told_with_its_rank(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(at(*TURNED), **by_hand({"name": "name"}))
    _, missed = explained(people)
    # Below the floor neighbours have no chance, so the pair is one of keys.
    assert causes(missed) == {
        (0, 1): "below_similarity",
        (0, 5): "keys_differ",
        (1, 5): "keys_differ",
    }
    # Its rank is 3 in both lists: of 0 after 1 and 2 degrees, of 4 after 5 and 2.
    assert missed[0, 1][1] == "cosine 0.9976, rank 3 of lists of 1"
    assert missed[0, 1][2].startswith("embedding: k 3 (at most +")


def test_without_strategies_neighbours_are_all_there_is(dataset: Callable[..., Dataset]) -> None:
    people = dataset(at(*TURNED), **by_hand({}))
    _, missed = explained(people)
    assert set(causes(missed).values()) == {"below_similarity"}
    assert missed[0, 5][1].startswith("cosine 0.1736 is below min_similarity 0.5, rank 5 of")


def test_a_share_of_the_best_is_a_cut_of_its_own(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        at((0, "p"), (30, "p"), (1, "a"), (31, "b")),
        **by_hand({"name": "name"}, k=3, min_share_of_best=0.9),
    )
    _, missed = explained(people)
    assert missed[0, 1][:2] == (
        "below_similarity",
        "cosine 0.8660, below 0.9 of the best of either record (0.9998), rank 2 of lists of 3",
    )
    assert missed[0, 1][2].startswith("embedding: min_share_of_best 0.85 (at most +")


def test_a_shared_block_comes_before_neighbours(dataset: Callable[..., Dataset]) -> None:
    rows = [{**row, "name": "lee"} for row in at(*TURNED)]
    people = dataset(rows, **by_hand({"name": "name"}), blocks={"max_size": 2})
    _, missed = explained(people)
    assert missed[0, 1][0] == "block_dropped"


def test_the_second_pass_is_told_of_only_where_it_looked(dataset: Callable[..., Dataset]) -> None:
    rows = [
        {"id": str(i), "name": name, "town": town, "person_id": person}
        for i, (name, town, person) in enumerate(
            [
                ("lee", "bath", "p"),  # has a candidate, 1
                ("lee", "york", "q"),
                ("may", "york", "r"),  # has a candidate, 3
                ("may", "hull", "q"),
                ("ray", "bath", "p"),  # lonely: the second pass compares 0 with it, were it not
                ("roy", "bath", "s"),  # that three share the town
            ]
        )
    ]
    people = dataset(
        rows,
        strategies={"name": "name"},
        second_pass={"strategies": {"town": "town"}, "max_size": 2},
        **TRUTH,
    )
    _, missed = explained(people)
    assert missed[0, 4][:2] == (
        "block_dropped",
        "town: block 'bath' of 3 records is over the cap of 2",
    )
    assert missed[0, 4][2] == "raise second_pass: max_size to 3 (+3 pairs)"
    # Both have candidates, so the second pass never looked at the town of 1 and 3.
    assert missed[1, 3][:2] == ("keys_differ", "name: name is 'lee' and 'may'")


def test_linking_misses_pairs_between_sources_only(dataset: Callable[..., Dataset]) -> None:
    left = [
        {"id": "1", "name": "lee", "person_id": "p"},
        {"id": "2", "name": "x", "person_id": "p"},
    ]
    right = [
        {"id": "1", "name": "lea", "person_id": "p"},
        {"id": "2", "name": "x", "person_id": "q"},
    ]
    _, missed = explained(dataset(left, right, strategies={"name": "name"}, **TRUTH))
    assert causes(missed) == {(0, 2): "keys_differ", (1, 2): "keys_differ"}


class Person(NamedTuple):
    first: str | None
    last: str | None
    words: str | None
    person_id: str


# Strategies in SQL, and what they mean in Python: one list of members per key of the record.
MEANINGS: dict[str | tuple[str, ...], Callable[[Person], list[tuple[str | None, ...]]]] = {
    "first": lambda p: [(p.first,)],
    "left(last, 1)": lambda p: [(p.last and p.last[:1],)],
    ("last", "left(first, 2)"): lambda p: [(p.last, p.first and p.first[:2])],
    "tokens(words)": lambda p: [(word,) for word in sorted(set((p.words or "").split()))],
    ("last", "tokens(words)"): lambda p: [
        (p.last, word) for word in sorted(set((p.words or "").split()))
    ],
}


def keys_of(person: Person, key: str | tuple[str, ...]) -> set[tuple[str | None, ...]]:
    return {members for members in MEANINGS[key](person) if all(members)}


def cause_of(
    left: int, right: int, people: Sequence[Person], keys: Sequence[Any], cap: int, found: bool
) -> str | None:
    """Say by brute force why a pair is missed; None where it was proposed."""
    shares_any = False
    for key in keys:
        for shared in keys_of(people[left], key) & keys_of(people[right], key):
            shares_any = True
            if sum(shared in keys_of(person, key) for person in people) <= cap:
                return None if found else "cut_by_budget"
    if shares_any:
        return "block_dropped"
    both = any(keys_of(people[left], key) and keys_of(people[right], key) for key in keys)
    return "keys_differ" if both else "no_key"


persons = st.builds(
    Person,
    st.sampled_from(["ann", "anna", "bo", None]),
    st.sampled_from(["lee", "li", "may", None]),
    st.sampled_from(["x", "x y", "y z x", "z", None]),
    st.sampled_from(["p", "q", "r"]),
)


@settings(max_examples=25, deadline=None)
@given(
    sources=st.lists(st.lists(persons, min_size=2, max_size=9), min_size=1, max_size=2),
    keys=st.lists(st.sampled_from(list(MEANINGS)), min_size=1, max_size=4, unique=True),
    cap=st.sampled_from([2, 3, 500]),
    refine=st.booleans(),
    within=st.booleans(),
    budget=st.sampled_from([None, 1, 3]),
    threshold=st.sampled_from([None, 0.5]),
)
def test_every_cause_is_that_of_brute_force_and_all_add_up(
    sources: list[list[Person]],
    keys: list[str | tuple[str, ...]],
    cap: int,
    refine: bool,
    within: bool,
    budget: int | None,
    threshold: float | None,
) -> None:
    rows: list[Rows] = [
        [{"id": f"{i:02}", **person._asdict()} for i, person in enumerate(source)]
        for source in sources
    ]
    everyone = [(s, person) for s, source in enumerate(sources) for person in source]
    people = [person for _, person in everyone]
    mode = "dedupe" if len(sources) == 1 else "link_and_dedupe" if within else "link"
    true = {
        (left, right)
        for left, right in combinations(range(len(people)), 2)
        if people[left].person_id == people[right].person_id
        and (mode != "link" or everyone[left][0] != everyone[right][0])
    }
    assume(true)
    with tempfile.TemporaryDirectory() as folder:
        dataset = Dataset(
            Path(folder),
            rows,
            mode=mode,
            fields=dict.fromkeys(["first", "last", "words"], "text"),
            strategies={f"s{i}": k if isinstance(k, str) else list(k) for i, k in enumerate(keys)},
            blocks={"max_size": cap, "oversized": "refine" if refine else "drop"},
            budget={"max_pairs": budget} if budget else None,
            threads=1,
            **TRUTH,
        )
        scores = None
        if threshold is not None:
            scores = {pair: sum(pair) % 10 / 10 for pair in combinations(range(len(people)), 2)}
        facts, missed = explained(dataset, threshold, scores)
        candidates = set(dataset.rows("unified_pairs", "left_no, right_no"))
    assert facts["true_pairs"] == len(true)
    for pair in true:
        if pair in candidates:
            low = threshold is not None and scores is not None and scores[pair] < threshold
            assert (pair in missed) == low
            assert not low or missed[pair][0] == "below_threshold"
            continue
        expected = cause_of(*pair, people, keys, cap, found=False)
        if refine and expected == "block_dropped":  # a part may have been made, and cut
            assert missed[pair][0] in ("block_dropped", "cut_by_budget")
        else:
            assert missed[pair][0] == expected
    assert set(missed) <= true


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("fake_1000", FAKE_1000),
        ("febrl3", FEBRL3),
        ("febrl4", FEBRL4),
        ("dblp_acm", DBLP_ACM),
        ("abt_buy", ABT_BUY),
    ],
    ids=["fake_1000", "febrl3", "febrl4", "dblp_acm", "abt_buy"],
)
def test_found_and_missed_are_all_true_pairs_of_real_data(
    name: str, declared: str, real_data: Path, tmp_path: Path
) -> None:
    settings = yaml.safe_load(declared.replace("DATA", str(real_data)))
    for source in settings["sources"]:
        source.setdefault("record_id", "id")
    spec = PipelineSpec.model_validate(
        {"dataset": name, **settings, "budget": {"pairs_per_record": 0.8}, "embedding": True}
    )
    dataset = Dataset.of(spec, tmp_path / "lake")
    facts, missed = explained(dataset)
    assert facts["found"] + len(missed) == facts["true_pairs"] > 1_000
    assert all(detail and remedy for _, detail, remedy in missed.values())


@pytest.mark.parametrize("second", [False, True])
def test_learned_rules_are_told_of_like_strategies(
    second: bool, real_data: Path, tmp_path: Path
) -> None:
    declared = yaml.safe_load(FAKE_1000.replace("DATA", str(real_data)))
    settings = {
        **declared,
        "strategies": "auto",
        "learning": {"k": 2, "pairs_per_record": 2, "rule_pairs_per_record": 0.5},
        "blocks": {"max_size": 4},
    }
    if second:
        settings["second_pass"] = {"strategies": {"born": "dob"}, "embedding": {"k": 1}}
    spec = PipelineSpec.model_validate({"dataset": "fake_1000", **settings})
    dataset = Dataset.of(spec, tmp_path / "lake")
    facts, missed = explained(dataset)
    rules = {rule["rule"] for rule in dataset.lake.facts("learned_rules")["rules"]}
    assert facts["causes"]["keys_differ"] > 0
    named = {detail.split(":")[0] for cause, detail, _ in missed.values() if cause == "keys_differ"}
    assert named <= {*rules, "born"}
    assert second or named & rules
    assert second or not facts["causes"]["below_similarity"]
