"""Launched steps: a step of the cluster as a command of its own, such as a batch job.

The command is `er-pipeline step DEFS --table NAME`. It writes the table into the lake as a step in
Dagster's own process does; what lies there afterwards is all that counts.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.current import why_to_run
from er_pipeline.blocking.tables.errors import LakeError, SpecError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import moment
from er_pipeline.blocking.tables.printable import printable
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.verdict_notes import noted_failure

DEFS = "defs.yaml"
COMMAND = "er-pipeline"

Launcher = Callable[[dg.AssetExecutionContext, list[str]], Any]


def is_launched(spec: PipelineSpec, step: Step) -> bool:
    """Whether a step runs as a command of its own."""
    return bool(step.cluster and step.place == "cluster" and spec.spark and spec.spark.launch)


def launch(
    context: dg.AssetExecutionContext, spec: PipelineSpec, step: Step, lake: Lake, *, full: bool
) -> None:
    """Run a step as a command, and wait for it.

    full: as `er-pipeline step --full`.
    Raises dg.Failure that says why the command made nothing, SpecError if it cannot be started, and
    LakeError if it ended well and its tables are not here.
    """
    defs = spec.folder / DEFS
    if not defs.is_file():
        raise SpecError(
            f"spark: launch hands the declaration to a command, and {defs} is not there; name the"
            f" file {DEFS}, or leave launch out"
        )
    command = ["step", str(defs), "--table", step.name, "--lake", str(lake.root)]
    launcher, began = _launcher(spec), moment()
    try:
        launcher(context, [COMMAND, *command, *(["--full"] if full else [])])
    except Exception as error:
        noted = noted_failure(lake, step.name)
        if noted is None or noted.at < began:
            raise
        raise dg.Failure(printable(noted.text), allow_retries=False) from error
    reason = why_to_run(step, lake)
    if reason is not None:
        raise LakeError(
            f"the command of {step.name} ended well, and its table is not here ({reason}): does it"
            f" see the lake {lake.root} and the declaration as they are here?"
        )


def _launcher(spec: PipelineSpec) -> Launcher:
    assert spec.spark
    assert spec.spark.launch
    if spec.spark.launch == "subprocess":
        return _in_subprocess
    module, _, name = spec.spark.launch.partition(":")
    try:
        launcher: Launcher = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SpecError(
            f"spark: launch: {spec.spark.launch} cannot be imported ({error}); write"
            " module:function of a module that Dagster's process can import"
        ) from error
    return launcher


def _in_subprocess(context: dg.AssetExecutionContext, command: list[str]) -> None:
    """Run the command on this machine; what it logs comes through Dagster Pipes."""
    program = [sys.executable, "-P", "-m", "er_pipeline.terminal.cli"]
    dg.PipesSubprocessClient(cwd=str(Path.cwd())).run(
        context=context, command=[*program, *command[1:]]
    )
