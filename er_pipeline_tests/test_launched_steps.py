"""Steps of the cluster as commands of their own, as Dagster starts them."""

from typing import Any

import dagster as dg
import pytest

from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import SMALL, Project
from er_pipeline_tests.test_definitions import shown
from er_pipeline_tests.two_engines import need_sail

asked: list[list[str]] = []


def in_this_process(context: dg.AssetExecutionContext, command: list[str]) -> None:
    """Stand for a platform that runs a job and says no more than whether it ended well."""
    asked.append(command)
    if main(command[1:]):
        raise RuntimeError("job 17 ended with code 1")


def doing_nothing(context: dg.AssetExecutionContext, command: list[str]) -> None:
    pass


def run(
    project: Project, launch: str, instance: dg.DagsterInstance | None = None, more: str = ""
) -> Any:
    project.declare(f"{SMALL}  engine: spark\n  spark: {{local: true, launch: '{launch}'}}\n{more}")
    definitions = BlockingPipeline(read_spec(project.defs)).definitions(project.lake)
    names = ["cleaned_records", "rejected_records", "blocks_same_last"]
    return definitions.resolve_job_def("people_nightly").execute_in_process(
        raise_on_error=False,
        instance=instance,
        asset_selection=[dg.AssetKey(["people", name]) for name in names],
    )


def failure_of(result: Any) -> str:
    (failed,) = result.filter_events(lambda event: event.is_step_failure)
    return str(failed.step_failure_data.user_failure_data.description)


def test_a_step_runs_as_a_process_and_its_lines_come_back(project: Project) -> None:
    need_sail()
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(project, "subprocess", instance)
        assert result.success
        said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert "blocks_same_last: made" in said
    assert shown(result, "blocks_same_last")["dagster/row_count"] == 4
    # The driver's own steps stay in Dagster's process.
    assert "cleaned_records: made" not in said


def test_a_function_starts_the_command_and_why_it_failed_is_shown(project: Project) -> None:
    need_sail()
    asked.clear()
    launch = f"{__name__}:in_this_process"
    assert run(project, launch).success
    lake = str(project.lake)
    step = ["er-pipeline", "step", str(project.defs), "--table", "blocks_same_last"]
    assert asked == [[*step, "--lake", lake]]
    assert run(project, launch).success
    assert len(asked) == 1, "nothing has changed, so no job is started"
    project.records("1,Ann,Smith", "2,Bob,Smith")
    broken = SMALL.replace("last_name}\n  tr", "cast(last_name as integer)}\n  tr")
    assert broken != SMALL
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(run.__globals__, "SMALL", broken)
        failed = run(project, launch)
    failure = failure_of(failed)
    assert "key 'cast(last_name as integer)' cannot be computed" in failure


def test_a_command_that_leaves_no_table_is_found_out(project: Project) -> None:
    failure = failure_of(run(project, f"{__name__}:doing_nothing"))
    assert "blocks_same_last ended well, and its table is not here" in failure
    failure = failure_of(run(project, "no_such_module:launch"))
    assert "no_such_module:launch cannot be imported" in failure
    spec = read_spec(project.defs)
    project.defs.rename(project.folder / "other.yaml")
    definitions = BlockingPipeline(spec).definitions(project.lake)
    result = definitions.resolve_job_def("people_nightly").execute_in_process(
        raise_on_error=False,
        asset_selection=[dg.AssetKey(["people", "blocks_same_last"])],
    )
    assert "defs.yaml is not there; name the file" in failure_of(result)
