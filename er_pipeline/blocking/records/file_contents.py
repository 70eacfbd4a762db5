"""File contents: how the bytes of a file are packed and encoded, or why they are no table."""

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

import pyarrow as pa

from er_pipeline.blocking.tables.errors import InputError

# Bytes read at a time.
CHUNK = 1 << 22
# Of the bytes of UTF-16 text one in so many is the NUL of an ASCII letter or sign, at least.
_ASCII_SHARE = 10
# Bytes that show how a file is packed and encoded.
_HEAD = 4096
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
}
# UTF-32 first: its mark begins as that of UTF-16 does.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_AS_CSV = "save its sheet as CSV UTF-8 (in Excel: File, Save As)"
# First bytes -> what the file is, and what to do.
_OTHER_FILES = {
    b"PK\x03\x04": (
        "an Excel workbook or a zip archive",
        f"{_AS_CSV}, or unpack the archive, and name that file",
    ),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", _AS_CSV),
    b"%PDF": ("a PDF", "export the table as csv"),
    b"SQLite format 3\x00": (
        "a SQLite database",
        "write `url: sqlite:///the/same/path` and a `query` in place of `path`",
    ),
    b"ARROW1": ("a Feather (Arrow) file", "write it as parquet"),
    b"Obj\x01": ("an Avro file", "write it as parquet"),
    b"ORC": ("an ORC file", "write it as parquet"),
    b"\x89HDF": ("an HDF5 file", "write it as parquet"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it and name the file in it"),
    b"Rar!": ("a rar archive", "unpack it and name the file in it"),
    b"{\\rtf": ("a text document", "export the table as csv"),
    b"<": ("HTML or XML", "export the table as csv"),
    b"version https://git-lfs": ("a pointer of Git LFS", "fetch the file itself: git lfs pull"),
}
_PARQUET = b"PAR1"
_DUCKDB_AT, _DUCKDB = 8, b"DUCK"
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException)


def check_is_table(file: Path, file_format: str) -> None:
    """Find out from the first bytes whether a file can be of a format: csv, json or parquet.

    Raises InputError that says what it is and what to do, if not.
    """
    head = _head(file)
    if not head:
        raise InputError(f"{file}: is empty; a header line and records are needed")
    if file_format == "parquet":
        return
    if any(head.startswith(first) for first in _PACKED) and packing_of(file) != "none":
        raise InputError(f"{file}: is packed twice; unpack it once")
    if head.startswith(_PARQUET):
        raise InputError(f"{file}: is parquet; write `format: parquet`")
    if head[_DUCKDB_AT:].startswith(_DUCKDB):
        raise InputError(
            f"{file}: is a DuckDB file; write `database` and `table` in place of `path`"
        )
    begins = head.removeprefix(codecs.BOM_UTF8).lstrip()
    for first, (what, cure) in _OTHER_FILES.items():
        if begins.startswith(first) and not (first == b"<" and not _is_markup(begins)):
            raise InputError(f"{file}: is {what}; {cure}")


def _is_markup(begins: bytes) -> bool:
    return begins[:5].lower() in (b"<html", b"<?xml", b"<!doc", b"<tabl", b"<root")


def packing_of(file: Path) -> str:
    """Return how a file is packed: gzip, zstd, bz2, xz, or none."""
    with file.open("rb") as content:
        head = content.read(8)
    return next((how for first, how in _PACKED.items() if head.startswith(first)), "none")


@contextlib.contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, unpacked.

    Raises InputError if its ending says it is packed and it is not, or it cannot be read to
    the end.
    """
    try:
        packing = packing_of(file)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    if packing == "none" and file.suffix.lower() in (".gz", ".zst", ".bz2", ".xz"):
        raise InputError(f"{file}: is not packed as its ending says; rename it or fetch it again")
    try:
        with _unpacked(file, packing) as content:
            yield content
    except UnicodeError:
        raise
    except READ_ERRORS as error:
        reason = f"cannot be unpacked ({packing}: {error}); is it complete? Fetch it again"
        if packing == "none":
            reason = f"cannot be read ({error})"
        raise InputError(f"{file}: {reason}") from error


def _unpacked(file: Path, packing: str) -> BinaryIO:
    if packing == "gzip":
        return cast(BinaryIO, gzip.open(file, "rb"))
    if packing == "bz2":
        return cast(BinaryIO, bz2.open(file, "rb"))
    if packing == "xz":
        return cast(BinaryIO, lzma.open(file, "rb"))
    if packing == "zstd":
        return cast(BinaryIO, pa.input_stream(str(file), compression="zstd"))
    return file.open("rb")


def _head(file: Path) -> bytes:
    with opened(file) as content:
        return content.read(_HEAD)


def encoding_of(file: Path, declared: str | None) -> str:
    """Return Python's name of a file's encoding.

    A mark at its beginning (BOM) says it for certain, whatever is declared; so do the NUL bytes of
    ASCII text in UTF-16. What else is not declared is UTF-8. Latin-1 is read as Windows-1252, as
    every browser does: its signs from 0x80 to 0x9F are no text at all, and those of Windows are.
    Source: https://encoding.spec.whatwg.org/#names-and-labels
    """
    head = _head(file)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if declared is None:
        return _unmarked_utf16(head) or "utf-8"
    name = codecs.lookup(declared).name
    return "cp1252" if name in ("iso8859-1", "ascii") else name


def _unmarked_utf16(head: bytes) -> str | None:
    """Say which UTF-16 a text without a mark is in: every other byte of ASCII letters is NUL.

    The first sign must be such a letter; text of any other encoding has no NUL at all.
    """
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if len(head) < 8 or max(even, odd) < len(head) // _ASCII_SHARE:
        return None
    if even == 0 and head[1] == 0:
        return "utf-16-le"
    return "utf-16-be" if odd == 0 and head[0] == 0 else None


def as_text(content: BinaryIO, encoding: str, newline: str) -> IO[str]:
    """Read bytes as text; where they are none, `unreadable` finds the place in it.

    newline: as `open` takes it.
    """
    errors = "replace" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    return io.TextIOWrapper(content, encoding, errors=errors, newline=newline)


def utf8_copy(file: Path, folder: Path, name: str) -> Path:
    """Give a file as plain UTF-8 without a mark: itself if it is so, else a copy in a folder.

    Raises InputError if its bytes are no text of its encoding.
    """
    encoding = encoding_of(file, None)
    if encoding == "utf-8" and packing_of(file) in ("none", "gzip", "zstd"):
        return file
    copy = folder / name
    with opened(file) as content, copy.open("w", encoding="utf-8", newline="") as out:
        try:
            text = io.TextIOWrapper(content, encoding, newline="")
            while chunk := text.read(CHUNK):
                out.write(chunk)
        except UnicodeError as error:
            raise InputError(
                f"{file}: is not {encoding} text: {error}; save it as UTF-8"
            ) from error
    return copy
