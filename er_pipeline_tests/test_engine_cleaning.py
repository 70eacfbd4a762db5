"""The engine that cleans where executors may help, tried on Sail."""

from dataclasses import replace
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine_cleaning import CleaningEngine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.executors import Executors
from er_pipeline_tests.two_engines import SAIL, need_sail

VALUES = "select unnest(['b', 'ab', null, 'ab', 'abc'])"


def upper(text: str) -> str | None:
    return None if text == "b" else text.upper()


def test_values_beyond_the_bound_are_mapped_there_and_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_sail()
    found = []
    with (
        DuckDBEngine(1) as driver,
        CleaningEngine(replace(SAIL, in_executors=True, driver_values=2), tmp_path, 1) as cleaning,
    ):
        for engine in (driver, cleaning):
            engine.map_distinct("mapped", VALUES, upper, "left(value, 2)")
            found.append(sorted(engine.rows("select value, result from mapped")))
        monkeypatch.setattr(Executors, "__init__", None)  # few values need no session
        cleaning.map_distinct("few", "select 'a'", upper)
        assert cleaning.rows("from few") == [("a", "A")]
    assert found[0] == found[1] == [("ab", "AB"), ("ab", "ABC"), ("b", None)]
    assert list(tmp_path.iterdir()) == []
