"""Failures of the machine: a full disk, a lake that may not be written, too little memory.

They are said in one sentence with what to do, as those of records and settings are.
"""

import errno
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from er_pipeline.blocking.tables.errors import BlockingError, LakeError, first_line
from er_pipeline.blocking.tables.printable import printable

# What the system says, and what to do.
REMEDIES = {
    errno.ENOSPC: "the disk is full; free space, or name another lake",
    errno.EDQUOT: "the quota of the disk is used up; free space, or name another lake",
    errno.EROFS: "the disk may only be read; name a lake that can be written",
    errno.EACCES: "writing or reading is not permitted; change the permissions, or name another",
    errno.EPERM: "this is not permitted; change the permissions, or name another",
    errno.ENOTDIR: "a part of this path is a file, not a folder; name another lake",
    errno.EEXIST: "is there already, and no folder; remove it, or name another lake",
    errno.ENAMETOOLONG: "the name is too long for the disk; shorten it",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n), or use fewer threads",
    errno.EIO: "the disk cannot be read or written; check it",
}

# What is wrong today may be right in a minute: other programs give space and files back, disks
# and networks return. What is not permitted stays so.
PASSING = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO, errno.EAGAIN),
        *(errno.ESTALE, errno.EBUSY, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET),
        *(errno.ECONNABORTED, errno.EPIPE, errno.EHOSTUNREACH, errno.ENETUNREACH),
    }
)
# By their names, as SQLAlchemy is loaded only where a source is a query.
PASSING_CLASSES = frozenset({"OperationalError", "InterfaceError", "HTTPException"})


@contextmanager
def explained_failures(what: str) -> Iterator[None]:
    """Raise a LakeError of one sentence instead of what the machine's failures raise.

    what: what was being done, as the sentence begins: people/unified_pairs.
    """
    try:
        yield
    except BlockingError:
        raise
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        raise LakeError(f"{what}: {sentence}") from error


def sentence_of(error: BaseException) -> str | None:
    """Say in one sentence what failed and what to do; None for an error that is none of these.

    Our own errors are such sentences already.
    """
    if isinstance(error, BlockingError):
        return str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            f"needs more memory than it may use ({first_line(error)}); raise memory_limit, or"
            " use fewer threads"
        )
    if isinstance(error, MemoryError):
        return "needs more memory than the machine has; use fewer threads or fewer records"
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
        return f"a compressed file is damaged or ends too early ({error}); make it again"
    if isinstance(error, OSError) and error.errno in REMEDIES:
        place = f"{printable(str(error.filename))}: " if error.filename else ""
        return f"{place}{REMEDIES[error.errno]}"
    if isinstance(error, duckdb.IOException):
        # DuckDB gives the system's words, not its number.
        text = first_line(error)
        for words, number in (
            ("No space left", errno.ENOSPC),
            ("Disk quota", errno.EDQUOT),
            ("Read-only file system", errno.EROFS),
            ("Permission denied", errno.EACCES),
            ("Not a directory", errno.ENOTDIR),
            ("Too many open files", errno.EMFILE),
            ("Input/output error", errno.EIO),
        ):
            if words in text:
                return f"{REMEDIES[number]} ({text})"
    return None


def may_pass(error: BaseException | None) -> bool:
    """Say whether a step that failed so is worth another try: its cause may be gone by then.

    An error of a database (SQLAlchemy's OperationalError) is taken for one, as is what the system
    says of disks and networks; wrong records and settings are not.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in PASSING:
            return True
        if isinstance(error, ConnectionError | TimeoutError):
            return True
        if isinstance(error, duckdb.IOException):
            return "Permission denied" not in str(error) and "No such file" not in str(error)
        if type(error).__name__ in PASSING_CLASSES:
            return True
        error = error.__cause__ or error.__context__
    return False
