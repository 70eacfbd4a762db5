import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.pairs.ranked_pairs import judge_ranking
from er_pipeline.blocking.tables.contract import judge_contract
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BudgetError, SpecError
from er_pipeline.flow import flow, run
from er_pipeline.matching.matches import judge_matches, matches_facts
from er_pipeline_tests.conftest import Dataset, Rows, made_up_people

# a is the key of the first pass, b that of the second.
ROWS: Rows = [
    {"id": "0", "a": "x", "b": "p"},
    {"id": "1", "a": "x", "b": "p"},
    {"id": "2", "a": "y", "b": "p"},
    {"id": "3", "a": "z", "b": "p"},
    {"id": "4", "a": "w", "b": "q"},
    {"id": "5", "a": None, "b": None},
]
FIRST = {"strategies": {"a": "a"}}


def made(people: Dataset) -> list[tuple[int, int, int]]:
    return people.rows("second_pass_pairs", "left_no, right_no, strategy_mask")


def test_only_pairs_with_a_lonely_record_are_made(dataset: Callable[..., Dataset]) -> None:
    people = dataset(ROWS, **FIRST, second_pass={"strategies": {"b": "b"}})
    facts = people.second()
    # 0 and 1 have each other already, so they are not paired again.
    assert made(people) == [(0, 2, 2), (0, 3, 2), (1, 2, 2), (1, 3, 2), (2, 3, 2)]
    assert facts["records_without"] == 4
    assert facts["records_given_a_candidate"] == 2
    assert facts["records_still_without"] == 2
    assert facts["pairs"] == facts["planned_pairs"] == 5


def test_linking_pairs_across_sources_only(dataset: Callable[..., Dataset]) -> None:
    people = dataset(ROWS[:3], ROWS[3:], **FIRST, second_pass={"strategies": {"b": "b"}})
    facts = people.second()
    # 0 and 1 stand in one source, so they are no candidates of each other.
    assert made(people) == [(0, 3, 2), (1, 3, 2), (2, 3, 2)]
    assert (facts["records_without"], facts["planned_pairs"]) == (6, 3)


def test_too_many_pairs_are_an_error_before_one_is_made(dataset: Callable[..., Dataset]) -> None:
    settings = {"strategies": {"b": "b", "start": "left(b, 1)"}, "max_pairs": 9}
    people = dataset(ROWS, **FIRST, second_pass=settings)
    with pytest.raises(BudgetError, match=r"10 pairs for 4 records, more than 9; .* start with 5"):
        people.second()
    assert not people.lake.has("second_pass_pairs")
    dataset(ROWS, **FIRST, second_pass={**settings, "max_pairs": 10}).second()


def test_blocks_above_the_cap_are_left_out(dataset: Callable[..., Dataset]) -> None:
    people = dataset(ROWS, **FIRST, second_pass={"strategies": {"b": "b"}, "max_size": 3})
    assert people.second()["planned_pairs"] == 0
    assert made(people) == []


NAMES: Rows = [
    {"id": "0", "name": "ann lee", "town": "leeds"},
    {"id": "1", "name": "ann lea", "town": "leeds"},
    {"id": "2", "name": "ann leek", "town": "york"},
    {"id": "3", "name": "bob ray", "town": "bath"},
    {"id": "4", "name": "bob rays", "town": "hull"},
    {"id": "5", "name": "zoe", "town": None},
]


def test_neighbours_help_the_lonely_only(dataset: Callable[..., Dataset]) -> None:
    near = {"k": 3, "fields": ["name"], "min_similarity": 0.2}
    people = dataset(NAMES, strategies={"town": "town"}, second_pass={"embedding": near})
    facts = people.second()
    assert made(people) == [(0, 2, 2), (1, 2, 2), (3, 4, 2)]
    assert facts["records_without"] == 4
    assert facts["records_still_without"] == 1
    people.pair()
    pairs = people.rows("unified_pairs", "left_no, right_no, strategy_mask, similarity is not null")
    assert pairs == [(0, 1, 1, True), (0, 2, 2, True), (1, 2, 2, True), (3, 4, 2, True)]
    bits = people.lake.facts("unified_pairs")["strategy_bits"]
    assert bits == {"town": 0, "second_embedding": 1}


@pytest.mark.parametrize("k", [1, 2, 3])
def test_neighbours_of_the_lonely_are_k_others(dataset: Callable[..., Dataset], k: int) -> None:
    # Record 9 is lonely; the others are one block, and their vectors lie on one side of it.
    rows = [{"id": str(i), "a": "x", "v": f"[1, {i / 20}]"} for i in range(9)]
    rows.append({"id": "9", "a": "y", "v": "[1, 0.5]"})
    vectors = {"encoder": "column", "column": "v", "k": k}
    people = dataset(
        rows, fields={"a": "text"}, strategies={"a": "a"}, second_pass={"embedding": vectors}
    )
    people.second()
    assert made(people) == [(i, 9, 2) for i in range(9 - k, 9)]


def test_the_second_pass_looks_where_neighbours_of_the_first_found_none(
    dataset: Callable[..., Dataset],
) -> None:
    near = {"fields": ["name"], "min_similarity": 0.99, "whole_record": False}
    people = dataset(
        NAMES,
        strategies={},
        embedding=near,
        second_pass={
            "strategies": {"first_name": "first_word(name)"},
            "embedding": {**near, "min_similarity": 0.2},
        },
    )
    facts = people.second()
    assert facts["records_without"] == 6
    # proposers: embedding, first_name, second_embedding
    assert made(people) == [(0, 1, 6), (0, 2, 6), (1, 2, 6), (3, 4, 6)]
    assert people.spec.proposers == ["embedding", "first_name", "second_embedding"]
    facts = people.pair()
    assert facts["proposed_pairs"] == {"embedding": 0, "first_name": 4, "second_embedding": 4}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"second_pass": {"strategies": {"A": "b"}}}, "'A' is taken"),
        ({"second_pass": {"strategies": {"embedding": "b"}}}, "'embedding' is taken"),
        ({"second_pass": {"strategies": {"second_embedding": "b"}}}, "is taken"),
        ({"strategies": {"embedding": "b"}}, "is the name of neighbours"),
        ({"second_pass": {}}, "needs strategies, or embedding, or both"),
        (
            {
                "embedding": {"fields": ["a"]},
                "second_pass": {"embedding": {"fields": ["b"]}},
            },
            "both passes must use the same vectors",
        ),
        ({"second_pass": {"embedding": {"fields": ["c"]}}}, "unknown field 'c'"),
    ],
)
def test_settings_that_do_not_fit_are_named(
    dataset: Callable[..., Dataset], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises((SpecError, ValueError), match=words):
        dataset(ROWS, **{**FIRST, **settings})


LETTERS = st.sampled_from(["k", "l", "m", None])


def lonely_pairs(
    rows: Sequence[tuple[str | None, str | None]], source_of: Sequence[int], mode: str
) -> Iterator[tuple[int, int]]:
    """Compare every record with every other one."""
    pairs = [
        (i, j)
        for i, j in combinations(range(len(rows)), 2)
        if mode != "link" or source_of[i] != source_of[j]
    ]
    same = [(i, j) for i, j in pairs if rows[i][0] is not None and rows[i][0] == rows[j][0]]
    busy = {record for pair in same for record in pair}
    for i, j in pairs:
        if rows[i][1] is not None and rows[i][1] == rows[j][1] and not {i, j} <= busy:
            yield i, j


@settings(max_examples=7, deadline=None)
@given(
    rows=st.lists(st.tuples(LETTERS, LETTERS), min_size=2, max_size=12),
    n_first=st.integers(1, 11),
    mode=st.sampled_from(["dedupe", "link", "link_and_dedupe"]),
)
def test_the_pairs_and_their_count_before_are_those_of_brute_force(
    rows: list[tuple[str | None, str | None]], n_first: int, mode: str
) -> None:
    records: Rows = [{"id": f"{i:02}", "a": a, "b": b} for i, (a, b) in enumerate(rows)]
    n_first = min(n_first, len(rows) - 1)
    sources = [records] if mode == "dedupe" else [records[:n_first], records[n_first:]]
    source_of = [int(mode != "dedupe" and i >= n_first) for i in range(len(rows))]
    expected = list(lonely_pairs(rows, source_of, mode))
    with tempfile.TemporaryDirectory() as folder:
        people = Dataset(
            Path(folder), sources, mode=mode, **FIRST, second_pass={"strategies": {"b": "b"}}
        )
        facts = people.second()
        assert made(people) == [(i, j, 2) for i, j in expected]
        assert facts["planned_pairs"] == facts["pairs"] == len(expected)


def scored_passes(folder: Path, rows: Sequence[Rows], **settings: Any) -> Dataset:
    """Run every step of a dataset whose second pass comes after the first one's matches."""
    people = Dataset(
        folder,
        rows,
        fields={
            "first_name": "person_name",
            "last_name": "person_name",
            "email": "email",
            "birth_date": "date",
            "city": "text",
        },
        strategies={"email": "email", "city": ["city", "left(last_name, 2)"]},
        second_pass={"strategies": {"sound": ["soundex(last_name)", "left(first_name, 1)"]}},
        training_rules={"sound": "soundex(last_name)", "birth_date": "birth_date"},
        matching={"max_u_pairs": 50_000, "min_probability": 0.0, "recall": False},
        truth={"cluster_column": "person_id"},
        **settings,
    )
    for _ in run(flow(people.spec), people.lake, threads=2):
        pass
    return people


@pytest.fixture(scope="module", params=["dedupe", "link"])
def scored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp(request.param)
    rows = made_up_people(folder, 1_200)
    # Linked, both sources use the same ids.
    sides = [rows] if request.param == "dedupe" else [rows[::2], rows[1::2]]
    sides = [[{**row, "id": str(i)} for i, row in enumerate(side)] for side in sides]
    return scored_passes(folder, sides, budget={"pairs_per_record": 2})


def pairs_of(people: Dataset, table: str, likely: float | None = None) -> set[tuple[int, int]]:
    query = "left_no, right_no" + (", match_probability" if likely is not None else "")
    return {row[:2] for row in people.rows(table, query) if likely is None or row[2] >= likely}


@pytest.mark.parametrize("weights", [True, False])
def test_an_encoder_of_the_second_pass_alone_compares_the_pairs_of_the_first(
    dataset: Callable[..., Dataset], weights: bool
) -> None:
    people = dataset(
        NAMES,
        strategies={"town": "town"},
        second_pass={"embedding": {"fields": ["name"], "min_similarity": 0.2}},
        matching={"teaches_blocking": False},
        weights=weights,
    )
    people.make("first_pass_pairs")
    (similarity,) = [row[3] for row in people.rows("first_pass_pairs")]
    assert similarity == (pytest.approx(0.6, abs=0.4) if weights else None)
    (step,) = [step for step in flow(people.spec) if step.name == "first_pass_pairs"]
    with DuckDBEngine(threads=2) as engine:
        contract = judge_contract(engine, people.lake, step.writes)
    assert contract.passed, contract.text


def test_the_second_pass_is_for_records_without_a_match(scored: Dataset) -> None:
    assert scored.spec.matching
    threshold = scored.spec.matching.threshold
    first = pairs_of(scored, "first_pass_pairs")
    second = pairs_of(scored, "second_pass_pairs")
    matched = {no for pair in pairs_of(scored, "first_pass_matches", threshold) for no in pair}
    with DuckDBEngine(threads=2) as engine:
        scored.lake.open(engine, "cleaned_records")
        (second_strategy,) = scored.spec.second_conjunctions
        keyed = second_strategy.keyed_records(engine, "cleaned_records")
        keys = dict(engine.rows(f"select record_no, block_key from ({keyed})"))
    source = dict(scored.rows("cleaned_records", "record_no, source_no"))
    linked = scored.spec.link_mode == "link"
    expected = {
        (left, right)
        for left, right in combinations(sorted(keys), 2)
        if keys[left] == keys[right] and not (linked and source[left] == source[right])
        if left not in matched or right not in matched
    }
    assert second == expected - first
    assert len(second) > 50
    assert expected & first
    assert pairs_of(scored, "unified_pairs") == first | second
    facts = scored.lake.facts("second_pass_pairs")
    assert facts["records_without"] == len(source) - len(matched)
    assert facts["looked_for"] == "a match"


def test_pairs_of_both_passes_are_scored_once(scored: Dataset) -> None:
    assert scored.spec.matching
    facts = matches_facts(scored.lake)
    pairs = pairs_of(scored, "unified_pairs")
    rows = scored.rows("matches", "left_no, right_no")
    assert facts["candidates"] == facts["scored"] == len(rows) == len(pairs)
    assert set(rows) == pairs
    assert all(verdict.passed for verdict in judge_matches(facts))
    threshold = scored.spec.matching.threshold
    before, after = (
        {no for pair in pairs_of(scored, table, threshold) for no in pair}
        for table in ("first_pass_matches", "matches")
    )
    assert facts["second_pass_records_given_a_match"] == len(after - before) > 0


def test_the_report_of_both_passes_adds_up(scored: Dataset) -> None:
    figures = scored.lake.facts("blocking_report")
    pairs, true = pairs_of(scored, "unified_pairs"), pairs_of(scored, "true_pairs")
    assert figures["run"]["pairs"] == len(pairs)
    assert figures["run"]["second_pass_pairs"] == len(pairs_of(scored, "second_pass_pairs"))
    assert figures["run"]["pairs_completeness"] == pytest.approx(len(pairs & true) / len(true))
    assert figures["strategies"]["sound"]["pairs"] > 0
    missed = scored.lake.facts("missed_matches")
    assert missed["found"] + missed["missed"] == len(true)
    unified = scored.lake.facts("unified_pairs")
    assert all(
        verdict.passed
        for verdict in judge_ranking(unified, scored.spec)
        if verdict.severity == "error"
    )
    with DuckDBEngine(threads=2) as engine:
        for step in flow(scored.spec):
            contract = judge_contract(engine, scored.lake, step.writes)
            assert contract.passed, (step.name, contract.text)
