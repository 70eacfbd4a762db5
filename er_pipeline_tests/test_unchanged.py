"""How Dagster shows a step that need not run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from er_pipeline.blocking.changes.pair_changes import pair_changes_facts
from er_pipeline.blocking.tables.publications import Published
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline.orchestration.progress import is_unchanged
from er_pipeline.orchestration.unchanged import FULL_TAG, UNCHANGED_SINCE
from er_pipeline_tests.conftest import Dataset, Rows, write_csv
from er_pipeline_tests.test_definitions import shown

PEOPLE: Rows = [
    {"id": "1", "last": "Smith", "first": "John", "email": "john@acme.org"},
    {"id": "2", "last": "Smyth", "first": "Jon", "email": "john@acme.org"},
    {"id": "3", "last": "Jones", "first": "Ann", "email": "ann@acme.org"},
    {"id": "4", "last": "Jones", "first": "Ann", "email": None},
    {"id": "5", "last": "Miller", "first": "Eve", "email": "eve@acme.org"},
]


# Table and check -> whether it passed, and what was said.
Verdicts = dict[tuple[str, str], tuple[bool, str | None]]
PAIRS = ["people", "unified_pairs"]


class Graph:
    """A dataset and the instance that its runs are seen in."""

    def __init__(self, folder: Path) -> None:
        self.people = Dataset(
            folder,
            [PEOPLE],
            fields={"last": "person_name", "first": "person_name", "email": "email"},
            strategies={"soundex": "soundex(last)", "email_exact": "email"},
            training_rules={"same_last": "last", "same_email": "email"},
        )
        self.instance = dg.DagsterInstance.ephemeral()
        self.first: Verdicts = {}

    def job(self) -> dg.JobDefinition:
        """The job of the declaration as it is now."""
        component = BlockingPipeline(self.people.spec)
        job: dg.JobDefinition = component.definitions(self.people.root).resolve_job_def(
            "people_nightly"
        )
        return job

    def run(self, **how: Any) -> dg.ExecuteInProcessResult:
        """Run the whole job."""
        return self.job().execute_in_process(instance=self.instance, raise_on_error=False, **how)

    def declare(self, **settings: Any) -> None:
        """Change settings."""
        self.people = Dataset.of(self.people.spec.changed(settings), self.people.root)

    def stale(self) -> list[str]:
        """Name the tables that Dagster calls stale."""
        from dagster._core.definitions.data_version import CachingStaleStatusResolver
        from dagster._core.loader import LoadingContextForTest

        graph = self.job().asset_layer.asset_graph
        resolver = CachingStaleStatusResolver(
            self.instance, graph, LoadingContextForTest(self.instance)
        )
        return [
            key.path[-1]
            for key in graph.materializable_asset_keys
            if resolver.get_status(key).value != "FRESH"
        ]


def made(result: dg.ExecuteInProcessResult) -> set[str]:
    return {e.asset_key.path[-1] for e in result.get_asset_materialization_events() if e.asset_key}


def observed(result: dg.ExecuteInProcessResult) -> list[str]:
    return sorted(
        e.asset_key.path[-1]
        for e in result.get_asset_observation_events()
        if e.asset_key and is_unchanged(e)
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    graph = Graph(tmp_path_factory.mktemp("unchanged"))
    first = graph.run()
    assert first.success
    assert observed(first) == []
    graph.first = verdicts(first)
    return graph


@pytest.fixture
def graph(ran: Graph) -> Iterator[Graph]:
    """Five people after a run; what a test declares or writes is taken back, and run."""
    people = ran.people
    yield ran
    ran.people = people
    write_csv(people.spec.resolved("people.csv"), PEOPLE)
    ran.run()
    if pair_changes_facts(people.lake)["causes"]:
        ran.run()  # lists none, as nothing has changed since


def verdicts(result: dg.ExecuteInProcessResult) -> Verdicts:
    return {
        (check.asset_key.path[-1], check.check_name): (check.passed, check.description)
        for check in result.get_asset_check_evaluations()
    }


def test_unchanged_tables_are_observed_and_what_follows_them_runs(graph: Graph) -> None:
    tables = {key.path[-1] for key in graph.job().asset_layer.asset_graph.materializable_asset_keys}
    note: Published = graph.people.lake.published()
    again = graph.run()
    assert again.success
    assert made(again) == set()
    assert set(observed(again)) == tables
    assert len(observed(again)) == len(tables)  # each once
    assert graph.stale() == []
    assert graph.people.lake.published() == note
    assert verdicts(again) == graph.first  # as they were noted
    (event,) = [
        e for e in again.get_asset_observation_events() if e.asset_key == dg.AssetKey(PAIRS)
    ]
    seen = event.asset_observation_data.asset_observation
    assert seen.tags["dagster/data_version"] == graph.people.lake.stamp("unified_pairs")
    assert str(seen.metadata[UNCHANGED_SINCE].value).endswith("UTC")
    assert "full: true" in str(seen.description)
    full = graph.run(tags={FULL_TAG: "true"})
    assert observed(full) == []
    assert made(full) == tables


def test_a_changed_strategy_is_made_with_what_hangs_on_it_alone(graph: Graph) -> None:
    graph.declare(strategies={"soundex": "soundex(first)", "email_exact": "email"})
    assert "blocks_soundex" in graph.stale()
    result = graph.run()
    assert result.success
    assert {"blocks_soundex", "filtered_blocks", "unified_pairs", "catalog"} <= made(result)
    assert {"cleaned_records", "rejected_records", "blocks_email_exact"} <= set(observed(result))
    assert not made(result) & set(observed(result))
    assert graph.stale() == []


def test_records_that_come_out_as_they_were_make_nothing_else(graph: Graph) -> None:
    write_csv(graph.people.spec.resolved("people.csv"), PEOPLE[::-1])
    result = graph.run()
    assert result.success
    assert made(result) == {"cleaned_records", "rejected_records", "catalog"}
    assert "unified_pairs" in observed(result)
    assert graph.stale() == []


def test_changed_limits_are_judged_anew_and_no_table_is_made(graph: Graph) -> None:
    graph.declare(checks={"max_cleaned_away": 0.9})
    before = verdicts(graph.run())
    text = before["cleaned_records", "cleaning_keeps_values"][1]
    assert "90%" in str(text)
    graph.declare(checks={"max_cleaned_away": 0.8})
    result = graph.run()
    assert made(result) == set()
    assert "80%" in str(verdicts(result)["cleaned_records", "cleaning_keeps_values"][1])


def test_one_step_is_made_again_by_its_config(graph: Graph) -> None:
    config = {"ops": {"people__blocks_soundex": {"config": {"full": True}}}}
    result = graph.run(run_config=config)
    assert made(result) == {"blocks_soundex", "catalog"}


def test_an_instance_that_has_not_seen_the_tables_made_sees_them_as_made(graph: Graph) -> None:
    version = graph.people.lake.version("unified_pairs")
    known, graph.instance = graph.instance, dg.DagsterInstance.ephemeral()
    try:
        result = graph.run()
        assert result.success
        assert observed(result) == []
        assert "unified_pairs" in made(result)
        assert graph.people.lake.version("unified_pairs") == version
        pairs = shown(result, "unified_pairs")
        assert UNCHANGED_SINCE in pairs
        assert pairs["dagster/row_count"] == len(graph.people.rows("unified_pairs"))
        assert graph.stale() == []
        assert made(graph.run()) == set()
    finally:
        graph.instance = known


def test_a_failed_check_keeps_failing_and_what_it_guards_is_not_made(graph: Graph) -> None:
    graph.declare(checks={"max_pairs": 1})
    for _ in range(2):
        result = graph.run()
        assert not result.success
        assert not verdicts(result)["filtered_blocks", "pairs_within_budget"][0]
        assert "filtered_blocks" in observed(result)
        assert "unified_pairs" not in {*made(result), *observed(result)}
