"""A time limit on a run from the terminal: it is stopped as by Ctrl-C, and says why."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from er_pipeline.blocking.tables.errors import LakeError


@contextmanager
def time_limit(minutes: float | None) -> Iterator[None]:
    """Stop what the block does after some minutes; never if that is None.

    Raises LakeError then; what was finished before stays, as after any run that is stopped. For
    the main thread alone, where Python handles signals.
    """
    if minutes is None:
        yield
        return
    is_over = False

    def stop(number: int, frame: Any) -> None:
        nonlocal is_over
        is_over = True
        os.kill(os.getpid(), signal.SIGINT)  # whatever runs knows how to be stopped by that

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, minutes * 60)
    try:
        yield
    except KeyboardInterrupt:
        if not is_over:
            raise
        raise LakeError(
            f"the run took longer than runs: timeout_minutes allows, {minutes:g}, and was stopped;"
            " the next run goes on where it was. Raise the limit, or look what it waited for"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
