import logging
from collections.abc import Callable
from typing import Any

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.run_metrics import (
    INBOX,
    collect_run_metrics,
    note_run_metrics,
)
from er_pipeline_tests.conftest import Dataset

PEOPLE = [{"id": "a", "name": "ann"}, {"id": "b", "name": "ann"}]


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Dataset:
    return dataset(PEOPLE, strategies={"name": "name"})


def collected(people: Dataset) -> int:
    with DuckDBEngine(threads=2) as engine:
        return collect_run_metrics(engine, people.lake)


def test_figures_of_all_runs_stand_below_each_other(people: Dataset) -> None:
    note_run_metrics(people.lake, "run-1", "unified_pairs", {"pairs": 3})
    assert collected(people) == 1
    note_run_metrics(people.lake, "run-2", "unified_pairs", {"pairs": 5, "seconds": 0.5})
    assert collected(people) == 3
    assert collected(people) == 3  # nothing twice
    assert people.rows("run_metrics", "run_id, table_name, metric, value") == [
        ("run-1", "unified_pairs", "pairs", 3.0),
        ("run-2", "unified_pairs", "pairs", 5.0),
        ("run-2", "unified_pairs", "seconds", 0.5),
    ]


@pytest.mark.parametrize(
    "broken", ["", "{", "[]", "null", '{"run_id": "x"}', '{"run_id": 1, "at": "y", "figures": 3}']
)
def test_a_note_that_cannot_be_read_is_left_out_with_a_warning(
    people: Dataset, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    note_run_metrics(people.lake, "run-1", "unified_pairs", {"pairs": 3})
    note = people.lake.folder / INBOX / "run-1-broken.json"
    note.write_text(broken)
    with caplog.at_level(logging.WARNING):
        assert collected(people) == 1
    assert "run-1-broken.json holds no figures" in caplog.text
    assert not note.exists()


@pytest.mark.parametrize("rest", [b"", b"PAR1 torn", None])
def test_a_table_that_cannot_be_read_begins_anew_with_a_warning(
    people: Dataset, rest: Any, caplog: pytest.LogCaptureFixture
) -> None:
    note_run_metrics(people.lake, "run-1", "unified_pairs", {"pairs": 3})
    collected(people)
    (file,) = people.lake.path("run_metrics").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:-20] if rest is None else rest)
    note_run_metrics(people.lake, "run-2", "unified_pairs", {"pairs": 5})
    with caplog.at_level(logging.WARNING):
        assert collected(people) == 1
    assert "begins anew" in caplog.text
    assert people.rows("run_metrics", "run_id") == [("run-2",)]
