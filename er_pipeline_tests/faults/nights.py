"""Nights: a dataset whose records change from night to night, run by the command, and judged.

Every id ends with its night, so that tables of two nights side by side show in any view.
"""

import contextlib
import csv
import io
import multiprocessing
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import duckdb
import yaml

from er_pipeline.blocking.records.generated_people import write_people
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.publications import moments_shown, read_published
from er_pipeline.blocking.tables.sql import quoted

FIELDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "city": "text",
}
SETTINGS: dict[str, Any] = {
    "fields": FIELDS,
    "strategies": {"last": "last_name", "mail": "email", "first": "left(first_name, 3)"},
    "training_rules": {"name": ["first_name", "last_name"], "mail": "email"},
    "truth": {"cluster_column": "person_id"},
    "checks": {"max_coverage_lost": 1, "min_key_coverage": 0, "match_share_fail": [0, 1]},
    "threads": 1,
}
WITH_MATCHING: dict[str, Any] = {"embedding": True, "matching": {"recall": False}}
# What a night never leaves behind; {temporary} is the system's folder of the trial.
LEFTOVERS = ("**/*.tmp", "**/*.tmp.*", "**/*.link", "**/*.old", ".spill/*", "**/*.wal")
# What changed names records of other nights, and ids of entities follow from all nights.
OF_HISTORY = ("pair_changes", "match_changes", "entities", "entity_events", "entity_history")
# Vectors and kept searches stand for texts, whatever the night.
OF_TEXTS = ("text_vectors", "whole_vectors", "neighbour_candidates")
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["er_pipeline_tests.faults.warm"])


class Night:
    """One dataset in a folder of its own, in a lake that others share."""

    def __init__(
        self,
        folder: Path,
        lake: Path,
        dataset: str,
        n_records: int = 120,
        *,
        few_changes: bool = False,
    ) -> None:
        self.folder, self.lake, self.dataset = folder, lake, dataset
        self.few_changes = few_changes
        self.defs = folder / "defs.yaml"
        folder.mkdir(parents=True)
        write_people(folder / "all.csv", n_records=n_records, seed=7)

    def declare(self, **settings: Any) -> None:
        """Write the defs.yaml."""
        attributes = {
            "dataset": self.dataset,
            "sources": [{"path": "people.csv", "record_id": "id"}],
            **SETTINGS,
            **settings,
        }
        document = {"type": "er_pipeline.BlockingPipeline", "attributes": attributes}
        self.defs.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")

    def records(self, night: int) -> None:
        """Write the records of a night: some are others, and all ids are.

        With few changes one in twenty has another id, and one in twenty another city.
        """
        with (self.folder / "all.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        every = 20 if self.few_changes else 1
        kept = rows
        if not self.few_changes:
            kept = [row for place, row in enumerate(rows) if place % 10 != night % 10]
        for row in kept[::every]:
            row["id"] = f"{row['id']}-night{night}"
        for row in kept[every - 1 :: every]:
            row["city"] = f"{row['city']} {night}"
        with (self.folder / "people.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(kept[0]))
            writer.writeheader()
            writer.writerows(kept)

    def begin(self, *arguments: str) -> ForkServerProcess:
        """Start a run as a process group of its own."""
        given = ["run", str(self.defs), "--lake", str(self.lake), *arguments]
        process = FORK.Process(target=_run, args=(given, str(self.folder)), daemon=False)
        process.start()
        return process

    def run(self, *arguments: str) -> int:
        """Run to the end; give the exit code."""
        process = self.begin(*arguments)
        process.join(600)
        assert process.exitcode is not None, f"{arguments}: no end"
        return process.exitcode

    @property
    def said(self) -> str:
        """What the last run wrote."""
        return (self.folder / "said.txt").read_text("utf-8")


def _run(arguments: Sequence[str], folder: str) -> None:
    os.setsid()
    os.chdir(folder)
    tempfile.tempdir = f"{folder}/temporary"
    os.environ["TMPDIR"] = tempfile.tempdir
    Path(tempfile.tempdir).mkdir(exist_ok=True)
    os.environ.pop("DAGSTER_HOME", None)
    said = os.open("said.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(said, 1)
    os.dup2(said, 2)
    import sys

    from er_pipeline.terminal.cli import entry

    sys.argv = ["er-pipeline", *arguments]
    entry()


def wrong_views(catalog: Path) -> list[tuple[str, str]]:
    """Read every view of a catalog to its end; list what is wrong, as (kind, note)."""
    wrong: list[tuple[str, str]] = []
    shown: dict[str, set[str]] = {}
    try:
        with duckdb.connect(str(catalog), read_only=True) as con:
            for name, rows in _views(con):
                if rows is None:
                    wrong.append(("unreadable views", name))
                if name.split(".")[1] in OF_HISTORY:
                    continue
                nights = set(re.findall(r"-(night\d+)", repr(rows or ())))
                shown.setdefault(name.split(".")[0], set()).update(nights)
    except duckdb.Error as error:
        wrong.append(("unreadable views", f"{catalog}: {error}"))
    for dataset, nights in shown.items():
        if len(nights) != 1:
            wrong.append(("mixed tables", f"{dataset} shows {sorted(nights)}"))
    return wrong


def ask_views(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Read every view of an open catalog to its end; name those that fail."""
    return [name for name, rows in _views(con) if rows is None]


def _views(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, Any]]:
    listed = con.execute(
        "select schema_name, view_name from duckdb_views() where not internal order by all"
    ).fetchall()
    for schema, view in listed:
        rows = None
        with contextlib.suppress(duckdb.Error):
            rows = con.execute(f"from {quoted(schema)}.{quoted(view)}").fetchall()
        yield f"{schema}.{view}", rows


def checksums(lake: Path, dataset: str) -> dict[str, str]:
    """Sum up every table that is shown, whatever the order of its rows; figures of runs aside."""
    sums = {}
    with DuckDBEngine(threads=1) as engine:
        for current in sorted((lake / dataset).glob("*/current")):
            table = current.parent.name
            if table in ("run_metrics", *OF_TEXTS, *OF_HISTORY):
                continue
            engine.read_folder(current, "summed")
            found = engine.row(
                "select count(*), bit_xor(md5_number_lower(summed::text)) from summed"
            )
            sums[table] = str(found)
    return sums


def leftovers(lake: Path, temporary: Path) -> list[str]:
    """List the files in a lake, and in the system's temporary folder, that no run needs."""
    found = [path for pattern in LEFTOVERS for path in lake.glob(pattern)]
    found += temporary.glob("er_pipeline_*")
    found += [
        p
        for p in lake.glob("*/.shown/*")
        if not p.is_symlink() and p.name not in moments_shown(read_published(p.parents[1]))
    ]
    return sorted({str(path.relative_to(lake.parent)) for path in found})


def in_process_of_its_own(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process that has opened no database before."""
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_call, args=(sender, call, arguments))
    process.start()
    answer = receiver.recv()
    process.join()
    return answer


def _call(sender: Any, call: Callable[..., Any], arguments: Sequence[Any]) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        sender.send(call(*arguments))
