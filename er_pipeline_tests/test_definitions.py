from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from er_pipeline.definitions import defs
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline.orchestration.groups import group_of
from er_pipeline_tests.conftest import Dataset

FULL = {"er_pipeline/full": "true"}
FLOW = [
    "cleaned_records",
    "rejected_records",
    "true_pairs",
    "blocks_email_exact",
    "blocks_email_domain",
    "blocks_name_key",
    "blocks_soundex",
    "blocks_company_word",
    "blocks_name_combo",
    "filtered_blocks",
    "dropped_blocks",
    "key_codes",
    "pair_weights",
    "unified_pairs",
    "pair_changes",
    "em_training_rules",
    "em_training_blocks",
    "em_model",
    "matches",
    "match_changes",
    "entities",
    "entity_links",
    "entity_cuts",
    "entity_bridges",
    "entity_events",
    "entity_history",
    "missed_matches",
    "match_quality",
    "recall_sample",
    "recall_views",
    "blocking_report",
    "catalog",
]

PEOPLE = [
    {"id": "1", "last": "Smith", "first": "John", "email": "john@acme.org", "person_id": "a"},
    {"id": "2", "last": "Smyth", "first": "Jon", "email": "john@acme.org", "person_id": "a"},
    {"id": "3", "last": "Jones", "first": "Ann", "email": "ann@acme.org", "person_id": "b"},
    {"id": "4", "last": "Jones", "first": "Ann", "email": None, "person_id": "b"},
    {"id": "5", "last": "Miller", "first": "Eve", "email": "eve@acme.org", "person_id": "c"},
]


@pytest.fixture(scope="module")
def graph() -> dg.Definitions:
    loaded: dg.Definitions = defs()
    return loaded


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Dataset:
    return dataset(
        PEOPLE,
        fields={"last": "person_name", "first": "person_name", "email": "email"},
        strategies={"soundex": "soundex(last)", "email_exact": "email"},
        training_rules={"same_last": "last", "same_email": "email"},
        truth={"cluster_column": "person_id"},
    )


def run_graph(people: Dataset, **selection: Any) -> dg.ExecuteInProcessResult:
    component = BlockingPipeline(people.spec)
    definitions = component.definitions(people.lake.root)
    job = definitions.resolve_job_def("people_nightly")
    return job.execute_in_process(raise_on_error=False, **selection)


def shown(result: dg.ExecuteInProcessResult, table: str) -> dict[str, Any]:
    (event,) = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None and event.asset_key.path == ["people", table]
    ]
    metadata = event.step_materialization_data.materialization.metadata
    return {name: value.value for name, value in metadata.items()}


def test_the_demo_shows_the_whole_flow(graph: dg.Definitions) -> None:
    keys = graph.resolve_asset_graph().materializable_asset_keys
    assert {key.path[-1] for key in keys} == set(FLOW)
    assert {key.path[0] for key in keys} == {"people"}


def test_every_asset_tells_people_what_it_is(graph: dg.Definitions) -> None:
    assets = graph.resolve_asset_graph()
    for key in assets.materializable_asset_keys:
        node = assets.get(key)
        assert node.description
        assert node.group_name == group_of("people", node.tags["er_pipeline/stage"])
        assert node.owners == ["team:data"]
        assert "duckdb" in node.kinds
        assert node.code_version
        assert "dagster/code_references" in node.metadata
        if key.path[-1] != "catalog":
            schema = node.metadata["columns"]
            columns = schema.value.columns if hasattr(schema, "value") else schema.columns
            assert all(column.description for column in columns)


def test_the_schedule_is_on_when_its_setting_says_so(graph: dg.Definitions) -> None:
    schedule = graph.resolve_schedule_def("people_nightly_schedule")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedule.cron_schedule == "0 2 * * *"
    assert schedule.execution_timezone == "UTC"


def test_the_whole_graph_runs_on_five_people(people: Dataset) -> None:
    result = run_graph(people)
    assert result.success
    assert people.rows("unified_pairs", "left_no, right_no, strategy_mask") == [
        (0, 1, 3),
        (2, 3, 1),
    ]
    report = shown(result, "blocking_report")
    assert report["pairs_completeness"] == 1.0
    assert report["pairs"] == 2
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == 17 + 25  # a contract per table, and the verdicts
    assert all(check.passed for check in evaluations)


def test_numbers_of_every_run_are_kept_in_run_metrics(people: Dataset) -> None:
    run_ids = {run_graph(people).run_id, run_graph(people, tags=FULL).run_id}
    rows = people.rows("run_metrics", "run_id, value", "run_id")
    pairs = people.rows("run_metrics", "distinct run_id, table_name, metric, value", "run_id")
    assert {run_id for run_id, _ in rows} == run_ids
    assert [row[1:] for row in pairs if row[1:3] == ("unified_pairs", "pairs")] == [
        ("unified_pairs", "pairs", 2.0)
    ] * 2


def test_the_same_input_gives_the_same_tables(people: Dataset) -> None:
    assert run_graph(people).success
    tables = [table for table in people.lake.tables() if table != "run_metrics"]
    before = {table: people.rows(table) for table in tables}
    versions = {table: people.lake.version(table) for table in tables}
    assert run_graph(people, tags=FULL).success
    assert {table: people.rows(table) for table in tables} == before
    again = {table for table in tables if people.lake.version(table) != versions[table]}
    assert again == set(tables) - {"pair_weights"}  # in force


def test_a_stale_block_table_is_refused_not_mixed_in(people: Dataset) -> None:
    assert run_graph(people).success
    (people.folder / "people.csv").write_text(
        "id,last,first,email,person_id\n0,Smith,J,,a\n1,Lee,K,,b\n2,Ray,L,,c\n"
    )
    keys = [dg.AssetKey(["people", table]) for table in ("cleaned_records", "rejected_records")]
    assert run_graph(people, asset_selection=keys).success
    keys = [dg.AssetKey(["people", table]) for table in ("filtered_blocks", "dropped_blocks")]
    result = run_graph(people, asset_selection=keys)
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert "was made from an older cleaned_records" in (data.description or "")


def test_tables_of_other_settings_are_refused_not_mixed_in(people: Dataset) -> None:
    assert run_graph(people).success
    swapped = {"email_exact": "email", "soundex": "soundex(last)"}
    people.spec = people.spec.model_copy(update={"strategies": swapped})
    for name in ("strategy_conjunctions", "second_conjunctions"):
        people.spec.__dict__.pop(name, None)
    result = run_graph(people, asset_selection=[dg.AssetKey(["people", "unified_pairs"])])
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert "was made under other settings" in (data.description or "")
    assert "materialize people/filtered_blocks again" in (data.description or "")
    assert not run_graph(people, asset_selection=[dg.AssetKey(["people", "catalog"])]).success
    assert run_graph(people).success
