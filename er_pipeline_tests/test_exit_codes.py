import os
import re
import signal
import threading

import duckdb
import pytest

from er_pipeline.blocking.tables.errors import BudgetError, InputError, LakeError, SpecError
from er_pipeline.terminal.docs import DOCS
from er_pipeline.terminal.exit_codes import (
    EXIT_CODES,
    FAILED,
    OK,
    PIPE_CLOSED,
    QUERY_INTERRUPTED,
    STOPPED,
    WRONG_USE,
    UsageError,
    exit_code_of,
)

IN_WORDS = re.compile(r"^ +(\d+) +\w", re.MULTILINE)
IN_A_TABLE = re.compile(r"^\| (\d+) \| \w", re.MULTILINE)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no such file"), WRONG_USE),
        (SpecError("unknown setting"), WRONG_USE),
        (InputError("an id stands twice"), FAILED),
        (LakeError("is not in the lake"), FAILED),
        (BudgetError("too many pairs"), FAILED),
        (RuntimeError(QUERY_INTERRUPTED), STOPPED),
        (RuntimeError("any other"), None),
        (ValueError(QUERY_INTERRUPTED), None),
    ],
    ids=lambda value: f"{value!r}",
)
def test_an_error_for_the_user_has_a_code_and_any_other_none(
    error: Exception, code: int | None
) -> None:
    assert exit_code_of(error) == code


def test_help_and_page_list_every_code() -> None:
    codes = [OK, FAILED, WRONG_USE, STOPPED, PIPE_CLOSED]
    assert [int(code) for code in IN_WORDS.findall(EXIT_CODES)] == codes
    page = (DOCS / "command.md").read_text("utf-8")
    assert [int(code) for code in IN_A_TABLE.findall(page)] == codes


def test_ctrl_c_during_a_query_of_duckdb_is_a_stop() -> None:
    with duckdb.connect() as connection:
        stop = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        stop.start()
        with pytest.raises(RuntimeError) as raised:
            connection.execute(
                "select sum(a.i * b.i) from range(10_000_000) a(i), range(10_000) b(i)"
            )
        stop.join()
    assert exit_code_of(raised.value) == STOPPED
