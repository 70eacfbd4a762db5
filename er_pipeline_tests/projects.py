"""Datasets as a command finds them: a defs.yaml in a folder, and a lake."""

import contextlib
import io
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.terminal.cli import main

COMMAND = [sys.executable, "-m", "er_pipeline.terminal.cli"]
HEAD = "type: er_pipeline.BlockingPipeline\nattributes:\n  dataset: people\n"
SMALL = """
  sources: [{path: people.csv, record_id: id}]
  fields: {first_name: person_name, last_name: person_name}
  strategies: {same_last: last_name}
  training_rules: {first: first_name, last: last_name}
"""
GENERATED = """
  sources: [{generate: {records: 400, seed: 5}}]
  fields: {first_name: person_name, last_name: person_name, email: email, company: company}
  blocks: {max_size: 8}
  training_rules: {same_name: [first_name, last_name], same_email: email}
  truth: {cluster_column: person_id}
"""
HEADER = "id,first_name,last_name"


class Project(NamedTuple):
    """A dataset in a folder of its own, with its lake and what its first run printed."""

    folder: Path
    defs: Path
    lake: Path
    printed: str = ""

    def run(self, *arguments: str) -> int:
        return main(["run", str(self.defs), "--lake", str(self.lake), *arguments])

    def records(self, *rows: str) -> None:
        (self.folder / "people.csv").write_text("\n".join([HEADER, *rows, ""]))

    def declare(self, settings: str) -> None:
        self.defs.write_text(HEAD + settings)

    def versions(self) -> dict[str, str]:
        lake = Lake(self.lake, "people")
        return {table: lake.version(table) for table in lake.tables()}

    def catalog(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything the catalog shows, view by view."""
        with duckdb.connect(str(self.lake / "catalog.duckdb"), read_only=True) as con:
            views = con.execute(
                "select view_name from duckdb_views() where schema_name = 'people' order by 1"
            ).fetchall()
            return {
                view: con.execute(f"select * from people.{quoted(view)} order by all").fetchall()
                for (view,) in views
            }


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand where no dagster.yaml is, so that no run is written into the project's own history."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("ER_PIPELINE_LAKE", raising=False)


@pytest.fixture
def project(tmp_path: Path, elsewhere: None) -> Project:
    """Four people, declared, not run."""
    project = Project(tmp_path, tmp_path / "defs.yaml", tmp_path / "lake")
    project.declare(SMALL)
    project.records("1,Ann,Smith", "2,Bob,Smith", "3,Ann,Jones", "4,Cy,Jones")
    return project


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """400 generated people, run once; a test may run parts again."""
    folder = tmp_path_factory.mktemp("finished")
    project = Project(folder, folder / "defs.yaml", folder / "lake")
    project.declare(GENERATED + "  checks: {max_coverage_lost: 1}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DAGSTER_HOME", raising=False)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            assert project.run() == 0
    return project._replace(printed=printed.getvalue())


def environment(**variables: str) -> dict[str, str]:
    """Return the variables of a command that is run as a program: plain, at no fixed place."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DAGSTER_HOME", "ER_PIPELINE_LAKE", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
    }
    return {**kept, "PYTHONUTF8": "1", **variables}


def command(
    *arguments: str, folder: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run er-pipeline as a program, its output piped."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=300,
    )


def at_a_terminal(*arguments: str, folder: Path, **variables: str) -> tuple[int, str]:
    """Run a command at a terminal of 100 columns; return its exit code and what it wrote."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**{"TERM": "xterm", "COLUMNS": "100", **variables}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # when the other side is closed
        while more := os.read(ours, 4096):
            shown += more
    os.close(ours)
    return running.wait(timeout=60), shown.decode()
