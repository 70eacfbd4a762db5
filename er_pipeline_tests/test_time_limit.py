import signal
import time

import pytest

from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.terminal.time_limit import time_limit


def test_what_takes_longer_is_stopped_and_says_why() -> None:
    began = time.monotonic()
    with pytest.raises(LakeError, match="longer than runs: timeout_minutes"), time_limit(0.001):
        time.sleep(30)
    assert time.monotonic() - began < 10


def test_what_ends_in_time_is_left_alone_and_the_alarm_is_off() -> None:
    handler = signal.getsignal(signal.SIGALRM)
    for minutes in (1.0, None):
        with time_limit(minutes):
            pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == handler


def test_ctrl_c_stays_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt), time_limit(1.0):
        raise KeyboardInterrupt
