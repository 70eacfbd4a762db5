"""Hostile inputs: about 290 files as strangers write them; each is read right, or refused well.

    python -m er_pipeline_tests.faults.hostile_inputs [part of a name]

Every input runs in a process of its own, on a lake that holds good tables. It holds if the records
are right; or if the run stops with one sentence that names the place and the cure, and every file
of the lake is as it was. It may take 20 s of CPU and 1 GB. The exit code is 1 if one does
not hold.
"""

import hashlib
import logging
import multiprocessing
import re
import resource
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BlockingError
from er_pipeline.flow import flow, open_lake, run
from er_pipeline_tests.faults.hostile_faults import faults
from er_pipeline_tests.faults.hostile_files import (
    CLEAN,
    PLAIN,
    Hostile,
    csv_shapes,
    encodings,
    json_shapes,
    many_files,
)
from er_pipeline_tests.faults.hostile_oddities import odd_faults, oddities
from er_pipeline_tests.faults.hostile_sizes import sizes
from er_pipeline_tests.faults.hostile_tables import databases, parquet_parts, parquet_types

MOST_SECONDS, MOST_MIB = 20, 1024  # seconds of CPU: others may use the machine
PATIENCE = 120  # seconds
SETTINGS: dict[str, Any] = {
    "dataset": "people",
    "fields": {"name": "text", "zip": "identifier"},
    "strategies": {"name": "name"},
    "training_rules": {"zip": "zip"},
}


@dataclass(frozen=True)
class Outcome:
    """What an input came to. fault: why it does not hold; said: the error, if it was refused."""

    fault: str
    said: str
    seconds: float
    mib: float


def small_inputs() -> Iterator[Hostile]:
    """Give all inputs of some kilobytes."""
    for kind in (
        csv_shapes,
        encodings,
        json_shapes,
        parquet_types,
        parquet_parts,
        databases,
        oddities,
    ):
        yield from kind()
    yield from many_files()
    yield from faults()
    yield from odd_faults()


def check(hostile: Hostile, folder: Path) -> tuple[str, str]:
    """Run an input in an empty folder; return why it does not hold, if so, and the error."""
    lake = folder / "lake"
    (folder / "good.csv").write_text(PLAIN + "4,Last Night,99999\n", "utf-8")
    _clean(_spec(folder, {"path": "good.csv"}, {}), lake)
    for name, content in hostile.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = {"path": next(iter(hostile.files), "p.csv"), "name": "people", **hostile.source}
    if "url" in source:
        source["url"] = source["url"].format(folder=folder)
    before = _digest(lake)
    try:
        spec = _spec(folder, {k: v for k, v in source.items() if v is not None}, hostile.settings)
        rows, notes = _clean(spec, lake)
    except BlockingError as error:
        said = str(error)
        if _digest(lake) != before:
            return "the last tables are gone", said
        if not hostile.error:
            return "was refused", said
        if "\n" in said or not re.search(hostile.error, said):
            return f"the error does not match {hostile.error!r}", said
        return "", said
    if hostile.error:
        return f"was read: {rows[:3]}", ""
    right = sorted(CLEAN if hostile.rows is None else hostile.rows)
    if rows != right:
        wrong = sorted(set(rows) - set(right))[:3]
        return f"{len(rows)} rows, not {len(right)}, or wrong ones: {wrong}", ""
    return ("" if notes == hostile.notes else f"{notes} notes, not {hostile.notes}"), ""


def _spec(folder: Path, source: dict[str, Any], settings: Any) -> PipelineSpec:
    declared = {**SETTINGS, "sources": [source], **settings}
    return PipelineSpec.model_validate(declared).located_in(folder)


def _clean(spec: PipelineSpec, root: Path) -> tuple[list[tuple[Any, ...]], int]:
    """Make cleaned_records; return (record_id, name, zip) and the number of notes."""
    list(run(flow(spec), open_lake(root, spec), until="cleaned_records", threads=2))
    lake = open_lake(root, spec)
    with DuckDBEngine(threads=2) as engine:
        lake.open(engine, "cleaned_records")
        rows = engine.rows("select record_id, name, zip from cleaned_records order by all")
    return rows, len(lake.facts("cleaned_records")["reading_notes"])


def _digest(lake: Path) -> str:
    """Return a hash of every file of a lake and its name."""
    digest = hashlib.sha256()
    for path in sorted(lake.rglob("*")):
        if path.is_file() and "tmp" not in path.name:
            digest.update(str(path.relative_to(lake)).encode() + path.read_bytes())
    return digest.hexdigest()


def _child(hostile: Hostile, folder: Path, answer: Connection) -> None:
    logging.disable(logging.CRITICAL)
    try:
        answer.send(check(hostile, folder))
    except BaseException as error:
        answer.send((f"raised {type(error).__name__}", str(error)))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer.send((usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))


def outcome(hostile: Hostile) -> Outcome:
    """Run an input in a process of its own."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    with tempfile.TemporaryDirectory(prefix="hostile_") as folder:
        process = context.Process(target=_child, args=(hostile, Path(folder), there))
        process.start()
        fault, said, seconds, mib = f"took more than {PATIENCE} s", "", 0.0, 0.0
        try:
            if here.poll(PATIENCE):
                fault, said = here.recv()
                seconds, mib = here.recv()
        except EOFError:
            fault = "the process died"
        process.kill()
        process.join()
    if not fault and seconds > MOST_SECONDS:
        fault = f"took {seconds:.0f} s"
    if not fault and mib > MOST_MIB:
        fault = f"took {mib:.0f} MiB"
    return Outcome(fault, said, seconds, mib)


def main(part: str = "") -> int:
    """Run all inputs whose name has a part; print a line for each, and a total."""
    inputs = [hostile for hostile in (*small_inputs(), *sizes()) if part in hostile.name]
    held = 0
    for hostile in inputs:
        found = outcome(hostile)
        held += not found.fault
        state = "FAULT" if found.fault else "refused" if found.said else "right"
        text = f"{found.fault} {found.said}".strip()
        print(
            f"{state:8}{found.seconds:5.1f} s {found.mib:5.0f} MiB  {hostile.name}  {text[:240]}",
            flush=True,
        )
    print(f"{held} of {len(inputs)} inputs held")
    return 0 if held == len(inputs) else 1


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:2]))
