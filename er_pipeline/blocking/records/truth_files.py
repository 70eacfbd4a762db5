"""Truth files: pairs of ids that a user knows to match, read as the sources are."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from er_pipeline.blocking.records.parts import Into
from er_pipeline.blocking.records.raw_records import rejects_error
from er_pipeline.blocking.records.source_files import files_of, read_files
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.outside import files_outside
from er_pipeline.blocking.tables.sql import literal, quoted

PATH_SETTING = "truth: {path: ...}"
_CURE = "Correct truth: left_id and right_id"


def check_truth_file(engine: Engine, spec: PipelineSpec) -> None:
    """Find out before the work begins that the file of true pairs can be read.

    Raises InputError if not.
    """
    if spec.truth and spec.truth.path:
        read_truth(engine, spec, "checked_truth")
        engine.drop("checked_truth")


def read_truth(engine: Engine, spec: PipelineSpec, table: str) -> Sequence[str]:
    """Read the file of true pairs into a table (left_id, right_id, left_source, right_source).

    Without columns that say so, the left id is of the first source and the right one of the last.
    Returns sentences on what was assumed while reading.
    Raises InputError if the file is missing, unreadable or lacks a column, or if more of its rows
    are unreadable than `max_reject_rate` allows.
    """
    truth = spec.truth
    assert truth is not None
    assert truth.path
    given = {
        "left_id": truth.left_id,
        "right_id": truth.right_id,
        "left_source": truth.left_source,
        "right_source": truth.right_source,
    }
    wanted = [column for column in given.values() if column]
    into = Into(f"{table}_texts", f"{table}_rejects")
    into.make_empty(engine, wanted)
    try:
        found = files_of(truth.path, spec.folder, PATH_SETTING)
        with tempfile.TemporaryDirectory(prefix="er_pipeline_") as scratch:
            read_files(
                engine,
                found,
                truth.format,
                truth.csv,
                wanted,
                into,
                scratch=Path(scratch),
                needed=wanted,
                cure=_CURE,
            )
        _check_rejects(engine, into, found.origin, spec.cleaning.max_reject_rate)
    except InputError as error:
        raise InputError(f"truth: {error}") from error
    fallback = {"left_source": spec.source_labels[0], "right_source": spec.source_labels[-1]}
    columns = ", ".join(
        f"{quoted(column) if column else literal(fallback[name])} as {name}"
        for name, column in given.items()
    )
    engine.make_table(table, f"select {columns} from {into.table}")
    engine.drop(into.table)
    engine.drop(into.rejects)
    return into.notes


def truth_outside(spec: PipelineSpec, lake: Lake) -> dict[str, str]:
    """Return the fingerprints of the files of true pairs, where there are any."""
    if spec.truth is None or spec.truth.path is None:
        return {}
    return files_outside(files_of(spec.truth.path, spec.folder, PATH_SETTING).files, spec.folder)


def _check_rejects(engine: Engine, into: Into, origin: str, max_rate: float) -> None:
    n_read, n_rejects = engine.row(
        f"select (select count(*) from {into.table}), (select count(*) from {into.rejects})"
    )
    if n_rejects > max_rate * (n_read + n_rejects):
        raise rejects_error(engine, into.rejects, origin, n_rejects, n_read + n_rejects)
