"""Term frequencies: what is noted of the values, and that later records change no score."""

from pathlib import Path

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.matching.comparisons import splink_comparison
from er_pipeline.matching.scored_pairs import score_table
from er_pipeline.matching.term_frequencies import (
    counted_fields,
    frequency_sql,
    read_frequencies,
    write_frequencies,
)
from er_pipeline_tests.model_by_hand import BY_HAND

RECORDS = "select unnest([0, 1, 2, 3, 4]) as record_no, unnest(['ann', 'ann', 'bo', null, 'cy'])"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path, "people")


def learned(engine: DuckDBEngine, lake: Lake) -> str:
    engine.make_table("learned_from", f"{RECORDS} as name")
    write_frequencies(engine, lake, ["name"], "learned_from")
    return read_frequencies(engine, lake)


def test_what_two_records_have_is_noted_and_all_else_is_as_rare_as_one(lake: Lake) -> None:
    with DuckDBEngine() as engine:
        assert engine.rows(f"from {learned(engine, lake)} order by value nulls last") == [
            ("name", "ann", 0.5),
            ("name", None, 0.25),
        ]


def test_values_of_later_records_are_looked_up(lake: Lake) -> None:
    with DuckDBEngine() as engine:
        known = learned(engine, lake)
        later = "select unnest(['ann', 'bo', 'new', 'new', null]) as name"
        engine.make_table("later", later)
        found = engine.rows(f"from ({frequency_sql('name', 'later', known)}) order by name")
        assert found == [("ann", 0.5), ("bo", 0.25), ("new", 0.25)]


def test_a_field_without_a_value_is_no_error(lake: Lake) -> None:
    with DuckDBEngine() as engine:
        engine.make_table("empty", "select 1 as record_no, null::varchar as name")
        write_frequencies(engine, lake, ["name"], "empty")
        assert engine.rows(f"from {read_frequencies(engine, lake)}") == [("name", None, 1.0)]


def test_more_records_of_a_value_change_no_score(lake: Lake) -> None:
    spec = PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": [{"path": "people.csv"}],
            "fields": {"name": "person_name"},
            "strategies": {"name": "name"},
        }
    )
    comparison = splink_comparison(spec, "name")
    for level in comparison["comparison_levels"][1:]:
        level["m_probability"], level["u_probability"] = 0.5, 0.1
    model = {**BY_HAND, "comparisons": [comparison]}
    assert counted_fields(model) == ["name"]
    with DuckDBEngine() as engine:
        known = learned(engine, lake)
        engine.make_table("few", "from learned_from order by record_no")
        engine.make_table(
            "more",
            "from learned_from union all select 5 + range, 'ann' from range(50) order by record_no",
        )
        engine.make_table("pair", "select 0 as left_no, 1 as right_no")
        scores = []
        for records in ("few", "more"):
            score_table(
                engine, model, records, "pair", "scored", min_probability=0, frequencies=known
            )
            scores.append(engine.rows("from scored"))
        score_table(engine, model, "more", "pair", "scored", min_probability=0)
        assert scores[0] == scores[1] != engine.rows("from scored")
