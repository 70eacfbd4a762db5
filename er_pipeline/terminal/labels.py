"""Labels in the terminal: a session that asks for them, and files that bring or take them."""

import getpass
import io
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from er_pipeline.blocking.labels.label_files import export_labels, import_labels
from er_pipeline.blocking.labels.label_session import Session
from er_pipeline.blocking.labels.labels import journal_of
from er_pipeline.blocking.labels.pair_display import show_queue
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.terminal.exit_codes import UsageError
from er_pipeline.terminal.label_lines import LineFace, line_key
from er_pipeline.terminal.lakes import open_lake


def ask_for_labels(defs: Path, lake: Path | None, who: str) -> None:
    """Show the queue of a dataset pair by pair and keep every answer in its journal.

    A terminal shows them on its whole screen; a pipe is asked and answered in lines.
    who: name of the person who answers; "" is the user's.
    """
    session = _session(defs, lake, who)
    if sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from er_pipeline.terminal.label_screen import LabelScreen  # textual is slow to import

        if session.left:
            screen = LabelScreen(session)
            screen.run()
            if screen.failure:
                raise screen.failure
    else:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        LineFace(session, read_key=line_key, show=_print, colour=colour).run()
    _close(session, defs, lake, who)


def serve_labels(defs: Path, lake: Path | None, who: str, port: int, *, open_it: bool) -> None:
    """Do the same in a browser of this machine, until Ctrl-C.

    port: where it listens; 0 is any that is free.
    """
    import webbrowser

    from er_pipeline.terminal.label_server import label_server, serve_until_stopped

    session = _session(defs, lake, who)
    with label_server(session, port) as server:
        print(f"{count_of(len(session.left), 'pair')} to judge: {server.url}", flush=True)
        print("The address holds a key: whoever knows it can answer. Stop with Ctrl-C.", flush=True)
        if open_it and not webbrowser.open(server.url):
            print("No browser was found; open the address yourself.", file=sys.stderr)
        serve_until_stopped(server)
    _close(session, defs, lake, who, "--serve", *(["--port", str(port)] if port else []))


def _session(defs: Path, lake: Path | None, who: str) -> Session:
    spec = read_spec(defs)
    journal = journal_of(spec)
    with DuckDBEngine(spec.threads, spec.memory_limit) as engine:
        pairs = show_queue(engine, open_lake(spec, lake), spec)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has every letter
    return Session(pairs, journal, who=(who or _user()).encode("utf-8", "replace").decode())


def _close(session: Session, defs: Path, lake: Path | None, who: str, *options: str) -> None:
    chosen = [*(["--lake", str(lake)] if lake else []), *(["--who", who] if who else [])]
    for line in session.closing(shlex.join(["er-pipeline", "label", str(defs), *chosen, *options])):
        _print(line)


def _print(line: str) -> None:
    print(line, flush=True)


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
