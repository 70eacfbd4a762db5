"""Progress in the terminal: a line when an asset begins, ends or fails, and for every check."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from er_pipeline.blocking.tables.printable import printable
from er_pipeline.orchestration.unchanged import UNCHANGED_SINCE

Watcher = Callable[[dg.DagsterEvent], None]
_watchers: list[Watcher] = []


@dg.logger(config_schema={})
def progress_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Write Dagster's events as short lines for people."""
    logger = logging.getLogger(f"er_pipeline.progress.{context.run_id}")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.handlers = [_ProgressHandler()]
    return logger


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Hand every event of a run in this process to a watcher, until the block ends.

    The watcher shows which step is at work, so the lines that only say so are not written.
    """
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def show_steps_of_assets(handler: logging.Handler | None = None) -> None:
    """Show what the steps say of their own progress within an asset.

    handler: takes what it says; if omitted, indented lines on stderr.
    """
    if handler is None:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Printable("    %(message)s"))
    logger = logging.getLogger("er_pipeline")
    logger.setLevel(logging.INFO)
    logger.handlers = [handler]
    # Libraries that configure the root logger would show every line again, and their own.
    logger.propagate = False
    logging.getLogger("faiss").setLevel(logging.WARNING)


class _Printable(logging.Formatter):
    """Escapes what could steer a terminal: messages name files and values."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _ProgressHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        event: dg.DagsterEvent | None = meta.get("dagster_event")
        if event is not None:
            for watcher in _watchers:
                watcher(event)
            if _watchers and event.event_type == dg.DagsterEventType.STEP_START:
                return
        line = event_line(event)
        if line is None and record.levelno >= logging.WARNING and event is None:
            text = str(meta.get("orig_message", record.getMessage()))
            # One cause is enough: of the steps that wait for a failed one, nothing is said.
            if not text.startswith("Dependencies for step"):
                line = f"  {record.levelname.lower()}: {text}"
        if line:
            print(printable(line), file=sys.stderr, flush=True)


def event_line(event: dg.DagsterEvent | None) -> str | None:
    """Return an event as one line; None for those that people need not see."""
    if event is None:
        return None
    if event.event_type == dg.DagsterEventType.STEP_START and event.step_key:
        table, is_check = table_of_step(event.step_key)
        return None if is_check else f"{table} ..."
    if is_unchanged(event):
        observed = event.asset_observation_data.asset_observation
        return _unchanged_line(observed.asset_key, observed.metadata)
    if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
        materialization = event.step_materialization_data.materialization
        known = {name: value.value for name, value in materialization.metadata.items()}
        if UNCHANGED_SINCE in known:
            return _unchanged_line(materialization.asset_key, materialization.metadata)
        rows = known.get("dagster/row_count")
        shown = f"{rows:,} rows" if isinstance(rows, int) else ""
        if "wall_seconds" in known:
            shown += f"  {known['wall_seconds']:.1f} s wall, {known['cpu_seconds']:.1f} s CPU"
        return f"  {materialization.asset_key.path[-1]:<24} {shown}"
    if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        if check.passed:
            return None
        table = check.asset_key.path[-1]
        is_error = check.severity == dg.AssetCheckSeverity.ERROR
        text = check.description or ""
        return f"  {failed_check_line(table, check.check_name, text, is_error=is_error)}"
    return None


def is_unchanged(event: dg.DagsterEvent) -> bool:
    """Say whether an event is of a table that need not be made; sources are observed, too."""
    if event.event_type != dg.DagsterEventType.ASSET_OBSERVATION:
        return False
    return UNCHANGED_SINCE in event.asset_observation_data.asset_observation.metadata


def _unchanged_line(asset: dg.AssetKey, metadata: Mapping[str, Any]) -> str:
    return f"  {asset.path[-1]:<24} unchanged since {metadata[UNCHANGED_SINCE].value}, skipped"


def failed_check_line(table: str, check: str, text: str, *, is_error: bool) -> str:
    """Write a check that did not pass as one line."""
    return f"[{'FAILED' if is_error else 'warning'}] {table}: {check}: {text}"


def table_of_step(step_key: str) -> tuple[str, bool]:
    """Return the table that a step of Dagster's makes or checks, and whether it checks it."""
    name = step_key.split("__", 1)[-1]
    table = name.removesuffix("__checks")
    return table, table != name
