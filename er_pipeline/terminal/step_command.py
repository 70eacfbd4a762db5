"""The command step: single steps of a dataset, as a batch job runs them for Dagster."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter

from er_pipeline.terminal.exit_codes import OK, UsageError
from er_pipeline.terminal.options import Defs, LakeOption, examples

STEP_EXAMPLES = examples(
    "er-pipeline step defs.yaml --table unified_pairs --lake /data/lake",
    "er-pipeline step defs.yaml --table blocks_name --table filtered_blocks",
)


def step(
    defs: Defs,
    /,
    *,
    table: Annotated[
        list[str],
        Parameter(name="--table", negative="", help="Make this table; may stand several times."),
    ],
    full: Annotated[
        bool,
        Parameter(
            name="--full",
            negative="",
            show_default=False,
            help="Make it also if nothing has changed; take nothing over from the last good run.",
        ),
    ] = False,
    lake: LakeOption = None,
) -> int:
    """Make single tables of what lies in the lake, without Dagster around it.

    For batch jobs: Dagster starts the command elsewhere (see the setting
    spark.launch) and checks and publishes what it made. Nothing is published
    here. On a cluster, all tables of one command share a session.
    """
    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.current import why_to_run
    from er_pipeline.blocking.tables.engine_of_step import engine_of
    from er_pipeline.blocking.tables.files import files_of_mode
    from er_pipeline.blocking.tables.locks import step_lock
    from er_pipeline.blocking.tables.runs import run_step
    from er_pipeline.flow import flow
    from er_pipeline.orchestration.assets import noting_failure
    from er_pipeline.terminal.lakes import open_lake

    spec = read_spec(defs)
    steps = flow(spec)
    made_by = {made.name: one.name for one in steps for made in one.writes}
    if unknown := [name for name in table if name not in made_by]:
        raise UsageError(
            f"no step of {spec.dataset} makes {unknown[0]!r}; there are {', '.join(made_by)}"
        )
    wanted = {made_by[name] for name in table}
    place = open_lake(spec, lake)
    if full:
        place = place.taking_nothing_over()
    with _reported_to_dagster() as logger:
        for one in (one for one in steps if one.name in wanted):
            if not full and why_to_run(one, place) is None:
                logger.info("%s: unchanged", one.name)
                continue
            logger.info("%s: at work", one.name)
            with (
                step_lock(place.folder),
                files_of_mode(spec.lake.file_mode),
                noting_failure(place, one.name),
                engine_of(one, place, spec.threads, spec.memory_limit) as engine,
            ):
                run_step(one, engine, place)
            logger.info("%s: made", one.name)
    return OK


@contextmanager
def _reported_to_dagster() -> Iterator[logging.Logger]:
    """Give a logger whose lines reach Dagster, where its Pipes have started this process."""
    from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, open_dagster_pipes

    if DAGSTER_PIPES_CONTEXT_ENV_VAR not in os.environ:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        yield logging.getLogger(__name__)
        return
    with open_dagster_pipes() as pipes:
        try:
            yield pipes.log
        except Exception as error:
            pipes.log.error("%s", error)
            raise
