from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.parted_pair import PairLabel, why_apart
from er_pipeline_tests.linked_nights import Answers, LinkedNights, Scores, said, sure

NO = PairLabel("no_match", "max", "2026-01-02", "human", "bridge")


def reason(nights: LinkedNights, left: str, right: str, label: PairLabel | None) -> str | None:
    with DuckDBEngine(threads=1) as engine:
        for table in ("cleaned_records", "entities", "entity_links", "entity_cuts"):
            nights.lake.open(engine, table)
        ends = [
            no
            for name in (left, right)
            for (no,) in engine.rows(
                f"select record_no from cleaned_records where record_id = '{name}'"
            )
        ]
        return why_apart(engine, nights.spec, sorted(ends), label)


@pytest.mark.parametrize(
    ("scores", "answers", "label", "expected"),
    [
        (sure("a-b"), said("no_match", "a-b"), NO, "a label calls them no match (max, 2026-01-02)"),
        (
            {("a", "b"): 0.91, ("b", "c"): 0.999},
            said("no_match", "a-c"),
            None,
            "their link is cut, since a label calls a and c no match",
        ),
    ],
)
def test_an_answer_that_parts_two_is_named(
    tmp_path: Path, scores: Scores, answers: Answers, label: PairLabel | None, expected: str
) -> None:
    nights = LinkedNights(tmp_path, labels={"path": "labels.jsonl"})
    ids = nights.night("a b c", scores, answers)
    assert ids["a"] != ids["b"]
    assert reason(nights, "b", "a", label) == expected


def test_one_to_one_names_who_was_taken_instead(tmp_path: Path) -> None:
    nights = LinkedNights(
        tmp_path,
        sources=[{"path": "a.csv", "name": "a"}, {"path": "b.csv", "name": "b"}],
        mode="link",
        matching={"threshold": 0.9, "one_to_one": True},
    )
    ids = nights.night("a1 b1 b2", {("a1", "b1"): 0.95, ("a1", "b2"): 0.99}, sources="ab")
    assert ids["a1"] == ids["b2"] != ids["b1"]
    found = reason(nights, "a1", "b1", None)
    assert found
    assert found.endswith("no two records of one source: a-a1 went to b-b2 (0.9900)")


def test_where_nothing_kept_says_why_nothing_is_said(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b", {})
    assert reason(nights, "a", "b", None) is None
