import pytest

from er_pipeline.blocking.tables.errors import (
    BlockingError,
    BudgetError,
    InputError,
    LakeError,
    SinkError,
    SpecError,
    did_you_mean,
    first_line,
)
from er_pipeline.terminal.exit_codes import FAILED, WRONG_USE, exit_code_of


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (SpecError, WRONG_USE),
        (InputError, FAILED),
        (LakeError, FAILED),
        (BudgetError, FAILED),
        (SinkError, FAILED),
        (BlockingError, FAILED),
    ],
)
def test_every_error_is_caught_as_one_and_ends_a_command_with_its_code(
    kind: type[BlockingError], exit_code: int
) -> None:
    assert issubclass(kind, BlockingError)
    assert exit_code_of(kind("people.csv: what to do")) == exit_code


def test_every_kind_of_error_is_among_those_with_a_code() -> None:
    ours = {kind for kind in BlockingError.__subclasses__() if kind.__module__.endswith(".errors")}
    assert ours == {SpecError, InputError, LakeError, BudgetError, SinkError}


@pytest.mark.parametrize("kind", [Exception, ValueError, KeyError, OSError])
def test_an_error_that_nobody_raised_on_purpose_is_none_of_ours(kind: type[Exception]) -> None:
    assert not issubclass(kind, BlockingError)
    assert exit_code_of(kind("x")) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "Binder Error: no column a\nLINE 1: select a",
            "Binder Error: no column a LINE 1: select a",
        ),
        ("what is wrong\n\nhow to\nwork with it", "what is wrong"),
        ("  spaces \t and\n  tabs ", "spaces and tabs"),
        ("", ""),
        ("x" * 1_000, "x" * 400),
    ],
)
def test_the_first_paragraph_of_an_error_stands_on_one_short_line(text: str, line: str) -> None:
    assert first_line(ValueError(text)) == line


@pytest.mark.parametrize(
    ("name", "asked"),
    [("surnam", " did you mean 'Surname'?"), ("SURNAME", " did you mean 'Surname'?"), ("x", "")],
)
def test_the_nearest_known_name_is_asked_for(name: str, asked: str) -> None:
    assert did_you_mean(name, ["Surname", "city"]) == asked
