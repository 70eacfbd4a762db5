import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.records.true_pairs import number_true_pairs
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation.missed_matches import MissedFacts, explain_missed, judge_missed
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
) -> tuple[MissedFacts, Missed]:
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
    return facts, {(left, right): (cause, *shown) for left, right, cause, *shown in rows}


def causes(missed: Missed) -> dict[tuple[int, int], str]:
    return {pair: cause for pair, (cause, _, _) in missed.items()}


TRUTH: dict[str, Any] = {"truth": {"cluster_column": "person_id"}}


def many(*names: str) -> Rows:
    """Records of these names; every second one is the same person as the one before it."""
    return [
        {"id": f"{i:03}", "name": name, "no": f"n{i}", "person_id": f"p{i // 2}"}
        for i, name in enumerate(names)
    ]


def test_a_score_below_the_threshold_is_shown(dataset: Callable[..., Dataset]) -> None:
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
    dataset = Dataset.__new__(Dataset)
    dataset.folder, dataset.spec, dataset.lake = tmp_path, spec, Lake(tmp_path / "lake", name)
    facts, missed = explained(dataset)
    assert facts["found"] + len(missed) == facts["true_pairs"] > 1_000
    assert all(detail and remedy for _, detail, remedy in missed.values())
