"""The outside: what a step reads that is no table of its inputs, as fingerprints to compare.

    place -> fingerprint      {"people.csv": "9f2c...", "labels.jsonl": "absent"}

The fingerprints are found before the step reads, and noted beside its tables without being part of
their stamps: what changes while it is read is found changed by the next run, and files that are
written anew with the same records leave the stamps, and all that hangs on them, as they were.
"""

import hashlib
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from er_pipeline.blocking.tables.stamps import PACKAGE

# Of a place that shows what it holds only to who reads it all, such as a database.
UNKNOWN = ""
ABSENT = "absent"
# Required, but they have no part in what tables hold: they run, show or judge, or read and write
# other databases, whose rows are compared as they come.
OF_NO_TABLE = re.compile(
    r"dagster|cyclopts|rich|ruamel|pyyaml|great.expectations|pandera|psycopg|deltalake|pyiceberg",
    re.IGNORECASE,
)


def files_outside(files: Iterable[Path], folder: Path) -> dict[str, str]:
    """Return the fingerprint of each file's bytes, by its path as seen from a folder.

    70 ms for 100 MB. Raises OSError if one cannot be read.
    """
    return {_name(file, folder): file_fingerprint(file) for file in files}


def file_fingerprint(file: Path) -> str:
    """Return the SHA-256 of a file's bytes in 64 hexadecimal digits; ABSENT if it is not there."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return ABSENT


@cache
def library_versions() -> Mapping[str, str]:
    """Return the versions of Python and of the libraries that tables are made with.

    Another one may clean a telephone number otherwise, so a table made with it is made again.
    """
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    try:
        required = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:  # run from its source alone
        return found
    for line in required:
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        if OF_NO_TABLE.match(name) or 'extra == "test"' in line:
            continue
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # of an extra
            continue
    return found


def why_differs(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Say what has changed outside, in a few words; None if nothing has."""
    for place, fingerprint in now.items():
        if fingerprint == UNKNOWN:
            return f"{place} may have changed: that shows only when it is read"
        if place not in before:
            return f"{place} is new"
        if before[place] != fingerprint:
            return f"{place} has changed"
    for place in before:
        if place not in now:
            return f"{place} is gone"
    return None


def _name(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)
