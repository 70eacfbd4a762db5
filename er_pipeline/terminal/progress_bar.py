"""Progress on a terminal: one moving line with what is at work, for how long, and what is left.

Piped progress is plain lines instead (`orchestration.progress`), and so is that of a run in several
processes, which write to the terminal on their own.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import dagster as dg
    from rich.console import Console

Item = TypeVar("Item")
REFRESHES_PER_SECOND = 5
# What the steps say of their own progress.
STEPS_LOGGER = "er_pipeline"


def takes_a_moving_line() -> bool:
    """Return whether stderr is a terminal that can rewrite a line."""
    from rich.console import Console

    return sys.stderr.isatty() and not Console(stderr=True).is_dumb_terminal


@contextmanager
def run_bar(n_tables: int) -> Iterator[None]:
    """Show how a run in this process goes on, until the block ends.

    n_tables: how many the run makes. What is printed meanwhile appears above the line.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    from er_pipeline.orchestration.progress import (
        is_unchanged,
        show_steps_of_assets,
        table_of_step,
        watched_by,
    )

    with _terminal() as console:
        progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(separator=" of "),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", style="dim", markup=False),
            console=console,
            transient=True,
            refresh_per_second=REFRESHES_PER_SECOND,
            redirect_stdout=sys.stdout.isatty(),
        )
        task = progress.add_task("starting", total=n_tables, detail="")

        def watch(event: "dg.DagsterEvent") -> None:
            kind = event.event_type.value
            if kind == "STEP_START" and event.step_key:
                table, is_check = table_of_step(event.step_key)
                text = f"checking {table}" if is_check else table
                progress.update(task, description=text, detail="", refresh=True)
            elif kind == "ASSET_MATERIALIZATION" or is_unchanged(event):
                progress.advance(task)

        show_steps_of_assets(_DetailHandler(lambda text: progress.update(task, detail=text)))
        with progress, watched_by(watch):
            yield


def waited_for(items: Iterator[Item], doing: str) -> Iterator[Item]:
    """Return the items as they come; on a terminal, show a moving line while the next is made.

    doing: what takes so long, such as "counting pairs".
    """
    if not takes_a_moving_line():
        yield from items
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    logger = logging.getLogger(STEPS_LOGGER)
    level = logger.level
    with _terminal() as console:
        progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", style="dim", markup=False),
            console=console,
            transient=True,
            refresh_per_second=REFRESHES_PER_SECOND,
            redirect_stdout=False,  # nothing is printed while it moves
        )
        task = progress.add_task(doing, total=None, detail="")
        handler = _DetailHandler(lambda text: progress.update(task, detail=text))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            while True:
                progress.update(task, detail="")
                with progress:
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


class _DetailHandler(logging.Handler):
    """Passes on what a step says of itself."""

    def __init__(self, show: Any) -> None:
        super().__init__(logging.INFO)
        self.show = show

    def emit(self, record: logging.LogRecord) -> None:
        self.show(record.getMessage())


@contextmanager
def _terminal() -> Iterator["Console"]:
    """Open the terminal behind stderr, which Dagster puts a file in place of during a step."""
    from rich.console import Console

    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding) as file:
        yield Console(file=file)
