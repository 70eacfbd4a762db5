from collections.abc import Callable
from typing import Any

import pytest

from er_pipeline.blocking.pairs import pair_verdicts
from er_pipeline.blocking.pairs.pair_verdicts import judge_pairs, judge_ranking
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline_tests.conftest import Dataset, Rows

TWO: Rows = [
    {"id": "1", "last": "lee", "city": "york"},
    {"id": "2", "last": "lee", "city": "york"},
]


def judge_written(people: Dataset, pairs: str) -> dict[str, Verdict]:
    """Put other pairs in the place of unified_pairs and judge them."""
    facts = people.lake.facts("unified_pairs")
    with DuckDBEngine(threads=2) as engine:
        with people.lake.writing("unified_pairs", facts) as draft:
            engine.write(
                "select l::int as left_no, r::int as right_no, m::bigint as strategy_mask"
                f" from (values {pairs}) as t(l, r, m)",
                draft.file(),
            )
        return {v.check: v for v in judge_pairs(engine, people.lake, people.spec)}


@pytest.mark.parametrize(
    ("pairs", "broken"),
    [
        ("(0, 2, 1), (1, 3, 1)", []),
        ("(0, 2, 1), (0, 2, 1)", ["every_pair_once"]),
        ("(2, 0, 1)", ["every_pair_canonical"]),
        ("(1, 1, 1)", ["every_pair_canonical"]),
        ("(0, 1, 1)", ["every_pair_canonical"]),  # both of the first source
        ("(0, 4, 1)", ["every_id_exists"]),
        ("(-1, 3, 1)", ["every_id_exists"]),
        ("(0, 2, 0)", ["every_id_exists"]),  # no strategy proposed it
    ],
)
def test_pairs_are_once_canonical_and_of_known_records(
    dataset: Callable[..., Dataset], pairs: str, broken: list[str]
) -> None:
    both = dataset(TWO, TWO, strategies={"last": "last"})
    both.pair()
    verdicts = judge_written(both, pairs)
    assert [name for name, verdict in verdicts.items() if not verdict.passed] == broken


def test_a_record_is_no_pair_with_itself(dataset: Callable[..., Dataset]) -> None:
    people = dataset(TWO, strategies={"last": "last"})
    people.pair()
    assert not judge_written(people, "(1, 1, 1)")["every_pair_canonical"].passed
    assert judge_written(people, "(0, 1, 1)")["every_pair_canonical"].passed


@pytest.mark.parametrize(
    ("pairs_checked", "text"),
    [
        (6, "1 of 6 pairs looked at are stored twice (every pair)."),
        (3, "1 of 3 pairs looked at are stored twice (the pairs of every 2nd left record)."),
        (2, "1 of 3 pairs looked at are stored twice (the pairs of every 3rd left record)."),
        (1, "1 of 2 pairs looked at are stored twice (the pairs of every 6th left record)."),
    ],
)
def test_repeats_are_sought_among_evenly_spread_records(
    dataset: Callable[..., Dataset],
    monkeypatch: pytest.MonkeyPatch,
    pairs_checked: int,
    text: str,
) -> None:
    monkeypatch.setattr(pair_verdicts, "PAIRS_CHECKED_FOR_REPEATS", pairs_checked)
    people = dataset([{**TWO[0], "id": str(i)} for i in range(6)], strategies={"last": "last"})
    people.pair()
    pairs = "(0, 1, 1), (0, 1, 1), (1, 2, 1), (2, 3, 1), (3, 4, 1), (1, 5, 1)"
    assert judge_written(people, pairs)["every_pair_once"].text == text


@pytest.mark.parametrize(
    ("n_pairs", "ordinal"),
    [
        *[(4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st"), (22, "22nd")],
        *[(23, "23rd"), (101, "101st"), (111, "111th")],
    ],
)
def test_a_step_reads_as_english_does(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch, n_pairs: int, ordinal: str
) -> None:
    monkeypatch.setattr(pair_verdicts, "PAIRS_CHECKED_FOR_REPEATS", 1)
    people = dataset(TWO, strategies={"last": "last"})
    people.pair()
    text = judge_written(people, ", ".join(["(0, 1, 1)"] * n_pairs))["every_pair_once"].text
    assert text.endswith(f"(the pairs of every {ordinal} left record).")


@pytest.mark.parametrize(
    ("facts", "broken"),
    [
        ({}, []),
        ({"pairs": 11}, ["budget_is_kept"]),  # more than the budget
        ({"pairs_cut": 91}, ["budget_is_kept"]),  # the ledger does not add up
        ({"expected_matches_cut": 0.5}, ["budget_loses_little"]),
    ],
)
def test_what_a_budget_did_is_judged(
    dataset: Callable[..., Dataset], facts: Any, broken: list[str]
) -> None:
    ledger: Any = {
        **{"pairs": 10, "budget_pairs": 10, "pairs_made": 100, "pairs_cut": 90},
        **{"expected_matches": 20.0, "expected_matches_cut": 0.2},
        "matches_per_million_more_pairs": 2222.2,
    }
    people = dataset(TWO, strategies={"last": "last"}, budget={"max_pairs": 10})
    ledger |= facts
    verdicts = {v.check: v for v in judge_ranking(ledger, people.spec)}
    assert [name for name, verdict in verdicts.items() if not verdict.passed] == broken
    assert verdicts["budget_loses_little"].severity == "warn"
    assert "a million more pairs would buy about 2,222" in verdicts["budget_loses_little"].text
    without = people.spec.model_copy(update={"budget": None})
    assert list(judge_ranking(ledger, without)) == []
