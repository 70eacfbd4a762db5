"""Truth files: pairs of ids that a user knows to match, as csv or parquet."""

import glob
from pathlib import Path

import duckdb

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import OWN_COLUMNS, parquet_file
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.sql import literal


def check_truth_file(engine: Engine, spec: PipelineSpec) -> None:
    """Find out before the work begins that the file of true pairs is there and has its columns.

    Raises InputError if not.
    """
    if spec.truth is None or spec.truth.path is None:
        return
    file = spec.resolved(spec.truth.path)
    if not file.is_file():
        raise InputError(f"truth: {file}: no such file; correct truth: {{path: ...}}")
    try:
        described = engine.described(f"select * from {truth_reader(file)}")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"truth: {file} cannot be read: {reason}") from error
    present = [name for name, _ in described]
    truth = spec.truth
    wanted = [truth.left_id, truth.right_id, truth.left_source, truth.right_source]
    missing = [name for name in wanted if name and name not in present]
    if missing:
        raise InputError(
            f"truth: {file} has no column {', '.join(map(repr, missing))}; it has"
            f" {', '.join(map(repr, present))}. Correct truth: left_id and right_id"
        )


def truth_reader(file: Path) -> str:
    """Write the call that reads a file of true pairs."""
    if file.suffix in (".parquet", ".pq"):
        return parquet_file(file)
    return (
        f"read_csv({literal(glob.escape(str(file)))}, all_varchar = true, header = true,"
        f" {OWN_COLUMNS})"
    )
