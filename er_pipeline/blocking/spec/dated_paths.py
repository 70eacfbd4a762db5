"""Dated paths: one snapshot of a source for every date, as {date} in its `path` says.

    people_{date}.parquet               people_2026-11-01.parquet
    people_{date:%Y%m%d}.csv            people_20261101.csv
    {date:%Y}/{date:%m}/{date:%d}/*.csv 2026/11/01/part-0.csv, one folder for every date

In a run the date is one for all sources: a text such as 2026-11-01, which sorts as dates do.
"""

import re
from datetime import date
from pathlib import Path
from typing import Any

MARK = re.compile(r"\{date(?::([^{}]*))?\}")
ISO = "%Y-%m-%d"
# What a date is written with: pattern, and how many digits.
PARTS = {"%Y": ("year", 4), "%m": ("month", 2), "%d": ("day", 2)}
GLOBS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
EXAMPLE = "people_{date}.parquet"


def is_dated(path: str | None) -> bool:
    """Say whether a path has a place for the date."""
    return bool(path and MARK.search(path))


def path_problem(path: str) -> str | None:
    """Say what is wrong with the dates in a path, and the cure; None if nothing is."""
    formats = [found[1] or ISO for found in MARK.finditer(path)]
    for written in formats:
        left = re.sub("|".join(PARTS), "", written)
        if "%" in left or left == written:
            return (
                f"{{date:{written}}} is no way to write a date; use %Y, %m and %d, such as"
                " {date:%Y%m%d}, or write {date} for 2026-11-01"
            )
    missing = [part for part in PARTS if formats and part not in "".join(formats)]
    if missing:
        return f"the date lacks {' and '.join(missing)}; write {{date}}, such as {EXAMPLE}"
    if formats and re.match("https?:", path, re.IGNORECASE):
        return (
            "{date} needs a place whose files can be listed, and a web server's cannot; write a"
            " folder or an object store such as s3://"
        )
    return None


def checked_date(text: str) -> str:
    """Return a date as it is written here, 2026-11-01.

    Raises ValueError if it is none.
    """
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text).isoformat()
    except ValueError:  # such as the 31st of November
        pass
    raise ValueError(f"{text!r} is no date; write one such as 2026-11-01")


def path_of(path: str, day: str) -> str:
    """Write a date into a path."""
    parts = dict(zip(PARTS, day.split("-"), strict=True))

    def write(found: re.Match[str]) -> str:
        return re.sub("|".join(PARTS), lambda part: parts[part[0]], found[1] or ISO)

    return MARK.sub(write, path)


def glob_of(path: str) -> str:
    """Return a glob of the paths of all dates, and perhaps of others: see `day_in`."""
    return MARK.sub("*", path)


def day_in(path: str, place: str) -> str | None:
    """Return the date for which a place is, or holds, what a path means; None if there is none.

    place: as long as the path, or a file below that.
    """
    found = re.fullmatch(f"{_pattern(path)}(?:/.*)?", place)
    if not found:
        return None
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"])).isoformat()
    except ValueError:
        return None


def label_of(path: str) -> str:
    """Return what names the source in a dated path: the file without its date, or its folder."""
    for part in reversed(Path(path.split("?")[0] if "://" in path else path).parts):
        name = MARK.sub("", part).partition(".")[0].strip("_- ")
        if name and not re.search(r"[*?:]|=$", name):
            return name
    return "snapshots"


def _pattern(path: str) -> str:
    """Write the regular expression of the paths of all dates; the parts of a date agree in it."""
    seen: set[str] = set()

    def part(found: re.Match[str]) -> str:
        name, digits = PARTS[found[0]]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return rf"(?P<{name}>\d{{{digits}}})"

    written = []
    for i, piece in enumerate(re.split(r"(\{date(?::[^{}]*)?\})", path)):
        is_date = i % 2 == 1
        text = (MARK.fullmatch(piece)[1] or ISO) if is_date else piece  # type: ignore[index]
        ways: Any = "%Y|%m|%d" if is_date else r"\*\*/|\*\*|\*|\?"
        for j, token in enumerate(re.split(f"({ways})", text)):
            if j % 2 == 0:
                written.append(re.escape(token))
            elif is_date:
                written.append(re.sub(r".+", part, token))
            else:
                written.append(GLOBS[token])
    return "".join(written)
