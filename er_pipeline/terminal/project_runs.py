"""Runs from the terminal as the project's own: the UI lists them under their job.

Dagster's timeline leaves out a run that does not say which code location its job is of.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from er_pipeline.terminal.demo import DEMO_DEFS

if TYPE_CHECKING:
    from dagster._core.remote_origin import CodeLocationOrigin, RemoteJobOrigin

WORKSPACE = Path("workspace.yaml")  # of the working directory, as `dagster dev` reads it
DEFINITIONS = "er_pipeline.definitions"
REPOSITORY = "__repository__"  # the name of all that a code location defines


def execute_in_project(
    job: Any,
    defs_yaml: Path,
    instance: Any,
    *,
    selected: Sequence[Any],
    tags: Mapping[str, str],
) -> Any:
    """Run some assets of a job, with a line per event; return Dagster's result.

    job: reconstructable. defs_yaml: where its dataset is declared. As `dagster.execute_job`, but
    the run is one of the project's, if the project loads that declaration.
    """
    from dagster._core.execution.api import execute_run

    from er_pipeline.orchestration.run_tags import FROM_TERMINAL

    definition = job.get_definition()
    run = instance.create_run_for_job(
        job_def=definition,
        run_config={"loggers": {"progress": {}}},
        tags={**tags, FROM_TERMINAL: "true"},
        asset_selection=frozenset(selected),
        remote_job_origin=origin_of(definition.name, defs_yaml),
        job_code_origin=job.get_python_origin(),
    )
    return execute_run(job, run, instance)


def origin_of(job: str, defs_yaml: Path) -> "RemoteJobOrigin | None":
    """Say which code location of the project a job is of; None if there is no such project."""
    from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin

    location = _location_of(defs_yaml.absolute())
    if location is None:
        return None
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job)


def _location_of(defs_yaml: Path) -> "CodeLocationOrigin | None":
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    if not WORKSPACE.is_file():
        return None
    locations: Sequence[Any] = WorkspaceFileTarget([str(WORKSPACE)]).create_origins()
    if defs_yaml.is_relative_to(DEMO_DEFS.parents[1].absolute()):
        locations = [found for found in locations if _module(found) == DEFINITIONS]
    elif not defs_yaml.is_relative_to(Path.cwd()):
        return None
    return locations[0] if len(locations) == 1 else None


def _module(location: Any) -> str | None:
    target = getattr(location, "loadable_target_origin", None)
    return target.module_name if target else None
