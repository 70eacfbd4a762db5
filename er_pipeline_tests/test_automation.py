from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from er_pipeline.orchestration.automation import automation_sensors, freshness_policy
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline_tests.small_spec import small_spec

BEFORE = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
AFTER = datetime(2026, 11, 26, 2, 30, tzinfo=UTC)  # the schedule's hour is 02:00


@dg.asset(key=["dbt", "people"])
def upstream() -> None: ...


@pytest.fixture
def look(tmp_path: Path) -> Iterator[Callable[..., float]]:
    """Look at the conditions of a declaration; return the share of its tables asked for."""
    with dg.DagsterInstance.ephemeral() as instance:
        cursor: Any = None

        def evaluate(
            at: datetime, automation: str, asset_key: str | None, *, upstream_runs: bool = False
        ) -> float:
            nonlocal cursor
            spec = small_spec(
                sources=[{"path": "people.csv", "asset_key": asset_key}],
                schedule={"automation": automation},
            )
            own = BlockingPipeline(spec).definitions(tmp_path)
            whole = dg.Definitions.merge(own, dg.Definitions(assets=[upstream]))
            if upstream_runs:
                instance.report_runless_asset_event(dg.AssetMaterialization(upstream.key))
            found = dg.evaluate_automation_conditions(
                whole, instance, cursor=cursor, evaluation_time=at
            )
            cursor = found.cursor
            tables = own.resolve_asset_graph().materializable_asset_keys
            return found.total_requested / len(tables)

        yield evaluate


def test_eager_makes_all_when_what_makes_the_source_has_run(look: Callable[..., float]) -> None:
    assert look(BEFORE, "eager", "dbt/people") == 0
    later = BEFORE + timedelta(minutes=1)
    assert look(later, "eager", "dbt/people", upstream_runs=True) == 1
    assert look(later + timedelta(minutes=1), "eager", "dbt/people") == 0


def test_on_cron_does_not_wait_for_files_that_nothing_makes(look: Callable[..., float]) -> None:
    assert look(BEFORE, "on_cron", None) == 0
    assert look(AFTER, "on_cron", None) == 1


def test_eager_without_an_asset_to_wait_for_is_refused() -> None:
    with pytest.raises(ValueError, match="eager waits for what makes the sources"):
        small_spec(schedule={"automation": "eager"})


def test_runs_that_conditions_start_have_the_tags_of_the_dataset() -> None:
    (sensor,) = automation_sensors(small_spec(schedule={"automation": "on_cron"}))
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
    assert sensor.run_tags["er_pipeline/dataset"] == "people"
    assert automation_sensors(small_spec()) == []


def test_the_catalog_alone_has_an_age(tmp_path: Path) -> None:
    spec = small_spec(runs={"max_age_hours": 30})
    graph = BlockingPipeline(spec).definitions(tmp_path).resolve_asset_graph()
    aged = {
        key.path[-1]: graph.get(key).freshness_policy
        for key in graph.materializable_asset_keys
        if graph.get(key).freshness_policy
    }
    assert aged == {"catalog": freshness_policy(spec)}
    assert freshness_policy(small_spec()) is None
