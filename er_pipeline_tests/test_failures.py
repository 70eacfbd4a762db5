import errno
import os
import stat
from pathlib import Path

import duckdb
import pytest

from er_pipeline.blocking.tables.errors import InputError, LakeError
from er_pipeline.blocking.tables.failures import REMEDIES, explained_failures, may_pass, sentence_of
from er_pipeline_tests.projects import Project
from er_pipeline_tests.projects import elsewhere as elsewhere
from er_pipeline_tests.projects import project as project


@pytest.mark.parametrize("number", REMEDIES)
def test_a_failure_of_the_system_says_where_and_what_to_do(number: int) -> None:
    with (
        pytest.raises(LakeError) as caught,
        explained_failures("people/catalog"),
    ):
        raise OSError(number, os.strerror(number), "/lake/people")
    assert str(caught.value) == f"people/catalog: /lake/people: {REMEDIES[number]}"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (duckdb.OutOfMemoryException("failed to allocate 1 GB"), "raise memory_limit"),
        (duckdb.IOException("Could not write: No space left on device"), "the disk is full"),
        (MemoryError(), "more memory than the machine has"),
        (EOFError("Compressed file ended"), "ends too early"),
    ],
)
def test_other_failures_of_the_machine_are_said_too(error: Exception, said: str) -> None:
    assert said in str(sentence_of(error))


def test_what_is_a_fault_of_ours_keeps_its_traceback() -> None:
    assert sentence_of(OSError(errno.EINVAL, "invalid")) is None
    with pytest.raises(ZeroDivisionError), explained_failures("x"):
        _ = 1 / 0
    with pytest.raises(InputError, match="as it is"), explained_failures("x"):
        raise InputError("as it is")


def _caused(cause: Exception) -> Exception:
    try:
        raise LakeError("a sentence") from cause
    except LakeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (_caused(OSError(errno.EIO, "disk")), True),
        (_caused(type("OperationalError", (Exception,), {})("connection refused")), True),
        (ConnectionResetError(), True),
        (duckdb.IOException("Could not read from file: Input/output error"), True),
        (duckdb.IOException("Cannot open file: Permission denied"), False),
        (OSError(errno.EACCES, "no"), False),
        (InputError("1 ids stand more than once"), False),
        (ZeroDivisionError(), False),
    ],
)
def test_what_may_pass_is_worth_another_try(error: Exception, passes: bool) -> None:
    assert may_pass(error) is passes


def test_a_lake_that_is_a_file_or_may_not_be_written_is_said_in_a_sentence(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.lake.touch()
    assert project.run() == 1
    said = capsys.readouterr().err
    assert "name another lake" in said
    assert "Traceback" not in said
    project.lake.unlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_lake_that_may_not_be_written_is_said_in_a_sentence(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.lake.mkdir()
    project.lake.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert project.run() == 1
    assert "change the permissions" in capsys.readouterr().err
    assert Path(project.lake).is_dir()
