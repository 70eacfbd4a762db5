from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.engine_of_step import engine_of
from er_pipeline.blocking.tables.errors import BudgetError, LakeError
from er_pipeline.blocking.tables.standing import judge_and_note
from er_pipeline.flow import flow, open_lake
from er_pipeline_tests.conftest import Dataset, made_up_people
from er_pipeline_tests.two_engines import need_sail, on_cluster

SETTINGS: dict[str, Any] = {
    "strategies": {"name": "left(last_name, 1)"},
    "weights": False,
}


@pytest.fixture
def people(tmp_path: Path) -> Dataset:
    dataset = Dataset(tmp_path, [made_up_people(tmp_path, 60)], **SETTINGS)
    dataset.spec = on_cluster(dataset.spec)
    return dataset


def test_steps_run_at_their_place(people: Dataset) -> None:
    need_sail()
    for step in flow(people.spec):
        with engine_of(step, people.lake, 1) as engine:
            assert isinstance(engine, DuckDBEngine) == (step.place == "driver"), step.name


def test_without_a_cluster_every_step_runs_on_duckdb(people: Dataset) -> None:
    for step in flow(people.spec):
        with engine_of(replace(step, cluster=None), people.lake, 1) as engine:
            assert isinstance(engine, DuckDBEngine)


def test_more_records_than_the_driver_takes_stop_before_they_are_cleaned(people: Dataset) -> None:
    people.spec = on_cluster(people.spec, driver_records=59)
    with pytest.raises(BudgetError, match=r"cleaned_records: there are 60 records"):
        people.clean()
    assert not people.lake.has("cleaned_records")


def test_a_step_is_stopped_before_it_runs_and_so_are_checks(people: Dataset) -> None:
    people.clean()
    fewer = on_cluster(people.spec, driver_records=59, driver_rows=59)
    steps = {step.name: step for step in flow(fewer)}
    lake = open_lake(people.root, fewer)
    with (
        pytest.raises(BudgetError, match=r"blocks_name: there are 60 records"),
        engine_of(steps["blocks_name"], lake),
    ):
        raise AssertionError("not opened")
    with (
        pytest.raises(BudgetError, match=r"the checks of cleaned_records: .* has 60 rows"),
        DuckDBEngine(1) as engine,
    ):
        judge_and_note(engine, lake, steps["cleaned_records"], steps["cleaned_records"].writes[0])


def test_a_server_that_does_not_answer_is_named_without_its_token(
    people: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_sail()
    monkeypatch.setattr("er_pipeline.blocking.tables.spark_session.ANSWERS_WITHIN", 1)
    url = "sc://127.0.0.1:1/;token=secret"
    people.spec = people.spec.changed({"spark": {"url": url}})
    people.clean()
    step = next(step for step in flow(people.spec) if step.name == "blocks_name")
    with (
        pytest.raises(LakeError, match=r"no session at sc://127.0.0.1:1 ") as error,
        engine_of(step, people.lake),
    ):
        raise AssertionError("not opened")
    assert "secret" not in str(error.value)


def test_pairs_are_counted_before_they_are_made_where_the_driver_reads_them(
    people: Dataset,
) -> None:
    need_sail()
    people.filter()
    n_pairs = people.lake.facts("filtered_blocks")["pairs"]
    people.spec = on_cluster(people.spec, driver_rows=60)
    assert n_pairs > 60
    with pytest.raises(BudgetError, match=f"unified_pairs would have up to {n_pairs} pairs"):
        people.pair()
    assert not people.lake.has("unified_pairs")
