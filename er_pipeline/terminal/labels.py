"""Labels in the terminal: a session that asks for them, and files that bring or take them."""

import getpass
import io
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from er_pipeline.blocking.labels.label_files import export_labels, import_labels
from er_pipeline.blocking.labels.labels import journal_of
from er_pipeline.blocking.labels.pair_display import show_queue
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.terminal.exit_codes import UsageError
from er_pipeline.terminal.label_session import Session, line_key, terminal_key
from er_pipeline.terminal.lakes import open_lake


def ask_for_labels(defs: Path, lake: Path | None, who: str) -> None:
    """Show the queue of a dataset pair by pair and keep every answer in its journal.

    who: name of the person who answers; "" is the user's.
    """
    spec = read_spec(defs)
    journal = journal_of(spec)
    with DuckDBEngine(spec.threads, spec.memory_limit) as engine:
        pairs = show_queue(engine, open_lake(spec, lake), spec)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has every letter
    chosen = ["--lake", str(lake)] if lake else []
    chosen += ["--who", who] if who else []
    session = Session(
        pairs,
        journal,
        who=(who or _user()).encode("utf-8", "replace").decode(),
        read_key=terminal_key if sys.stdin.isatty() else line_key,
        show=lambda line: print(line, flush=True),
        resume=shlex.join(["er-pipeline", "label", str(defs), *chosen]),
        colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
    )
    session.run()


def import_file(defs: Path, file: Path, lake: Path | None, file_format: str) -> dict[str, Any]:
    """Append the labels of a file to the journal; return the journal's path and the counts.

    Raises UsageError if there is no such file, and what `import_labels` raises.
    """
    spec = read_spec(defs)
    journal = journal_of(spec)
    if not file.exists():
        raise UsageError(f"{file}: no such file; name the file that holds the labels")
    counts = import_labels(journal, spec, file, file_format, open_lake(spec, lake))
    return {"journal": journal.path, **counts}


def export_file(defs: Path, file: Path, lake: Path | None, file_format: str) -> dict[str, Any]:
    """Write the labels in force to a file; return its path and the counts."""
    spec = read_spec(defs)
    journal = journal_of(spec)
    counts = export_labels(journal, spec, open_lake(spec, lake), file, file_format)
    return {"file": file, **counts}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may have no name for its user
        return "unknown"
