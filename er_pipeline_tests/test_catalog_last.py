from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest

from er_pipeline.orchestration.catalog_last import RUN_LAST, catalog_step
from er_pipeline.orchestration.jobs import executor_of

PEOPLE = "people"


def few_assets(lake: str, executor: str) -> dg.JobDefinition:
    """Make a dataset of an asset that the catalog shows, an end of the graph, and the catalog."""

    def asset(name: str, upstream: list[str], **more: object) -> dg.AssetsDefinition:
        @dg.multi_asset(
            name=f"{PEOPLE}__{name}",
            specs=[dg.AssetSpec([PEOPLE, name], deps=[[PEOPLE, dep] for dep in upstream])],
            **more,  # type: ignore[arg-type]
        )
        def made(context: dg.AssetExecutionContext) -> None:
            if name == context.run.tags.get("fails"):
                raise dg.Failure("as wanted")

        return made

    @dg.multi_asset_check(
        name=f"{PEOPLE}__zone__checks",
        specs=[dg.AssetCheckSpec("is_looked_at", asset=[PEOPLE, "zone"])],
    )
    def looked_at() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    assets = [
        asset("zone", []),
        asset("end", ["zone"]),
        asset("catalog", ["end"], op_tags=RUN_LAST),
    ]
    job = dg.define_asset_job("few", executor_def=executor_of(executor, Path(lake)))
    return dg.Definitions(assets=assets, asset_checks=[looked_at], jobs=[job]).resolve_job_def(
        "few"
    )


def steps_of(lake: Path, executor: str, fails: str = "") -> dict[str, str]:
    """Run the table and the catalog, not the end between; return step -> how it ended, in order."""
    job = dg.build_reconstructable_job(
        few_assets.__module__, few_assets.__name__, cast(Any, (str(lake), executor))
    )
    with dg.DagsterInstance.local_temp() as instance:
        result = dg.execute_job(
            job,
            instance,
            asset_selection=[dg.AssetKey([PEOPLE, name]) for name in ("catalog", "zone")],
            tags={"fails": fails},
        )
        ended = [e for e in result.all_events if e.is_step_success or e.is_step_failure]
        return {str(e.step_key): "done" if e.is_step_success else "failed" for e in ended}


@pytest.mark.parametrize("executor", ["in_process", "multiprocess"])
def test_the_catalog_comes_after_all_that_is_run_though_no_line_joins_them(
    tmp_path: Path, executor: str
) -> None:
    steps = steps_of(tmp_path, executor)
    assert list(steps) == ["people__zone", "people__zone__checks", "people__catalog"]


def test_the_catalog_comes_after_a_failure_too_to_publish_what_is_good(tmp_path: Path) -> None:
    steps = steps_of(tmp_path, "in_process", fails="zone")
    assert list(steps.items()) == [("people__zone", "failed"), ("people__catalog", "done")]


def test_any_executor_of_one_process_runs_the_catalog_last(tmp_path: Path) -> None:
    job = few_assets(str(tmp_path), "in_process")
    keys = [dg.AssetKey([PEOPLE, name]) for name in ("catalog", "zone")]
    result = job.execute_in_process(asset_selection=keys)
    ended = [str(e.step_key) for e in result.all_events if e.is_step_success]
    assert ended[-1] == catalog_step(PEOPLE)
