from collections.abc import Callable

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.matching.splink_linker import linker_of, model_settings, read_model
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.model_by_hand import BY_HAND, RECORDS, put_model
from er_pipeline_tests.small_spec import small_spec


def test_the_model_is_read_as_it_was_written(dataset: Callable[..., Dataset]) -> None:
    data = dataset(RECORDS, strategies={"name": "name"})
    plain = Lake(data.root, data.spec.dataset)
    with pytest.raises(LakeError, match="em_model"):
        read_model(plain)
    put_model(data)
    assert read_model(plain) == BY_HAND


def test_settings_take_the_limits_of_training_and_a_record_by_its_number() -> None:
    spec = small_spec(
        training_rules={"rule": "name"}, matching={"max_iterations": 7, "convergence": 0.01}
    )
    settings = model_settings(spec, [{"output_column_name": "name"}], 0.001, "dedupe_only")
    assert settings["comparisons"] == [{"output_column_name": "name"}]
    assert (settings["max_iterations"], settings["em_convergence"]) == (7, 0.01)
    assert settings["probability_two_random_records_match"] == 0.001
    assert settings["unique_id_column_name"] == "record_no"


def test_nothing_that_splink_made_stays_in_the_engine() -> None:
    with DuckDBEngine(threads=1) as engine:
        engine.make_table(
            "records",
            "select * from (values (0, 'ann', 'bath'), (1, 'ann', 'bath'))"
            " as t(record_no, name, town)",
        )
        listed = "select table_name from duckdb_tables() order by 1"
        before = engine.rows(listed)
        rules = {"blocking_rules_to_generate_predictions": ["l.name = r.name"]}
        with linker_of(engine, ["records"], {**BY_HAND, **rules}) as (linker, _):
            made = linker.inference.predict(warning_mode="never")
            (row,) = engine.rows(f"select match_probability from {made.physical_name}")
        assert row[0] == pytest.approx(64 / 65)
        assert engine.rows(listed) == before
