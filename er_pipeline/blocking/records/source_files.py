"""Source files: which files a path means, each read in its format into one table of texts."""

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from er_pipeline.blocking.records.csv_files import CsvPart
from er_pipeline.blocking.records.file_contents import check_is_table
from er_pipeline.blocking.records.json_files import find_json
from er_pipeline.blocking.records.parquet_files import parquet_parts
from er_pipeline.blocking.records.parts import Into, Part, append_parts
from er_pipeline.blocking.spec.settings import resolved
from er_pipeline.blocking.spec.sources_section import CsvFormat
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError

_FORMATS = {
    "parquet": (".parquet", ".pq", ".parq"),
    "json": (".json", ".jsonl", ".ndjson"),
    "csv": (".csv", ".tsv", ".txt", ".tab", ".psv"),
}
_FORMAT_OF_ENDING = {ending: name for name, endings in _FORMATS.items() for ending in endings}
_PACKED_ENDINGS = (".gz", ".zst", ".bz2", ".xz")
_AS_PARQUET = "write it as parquet or csv"
_CURE_OF_ENDING = {
    **dict.fromkeys(
        (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"),
        "is a workbook; save its sheet as CSV UTF-8 (in Excel: File, Save As), and name that file",
    ),
    **dict.fromkeys(
        (".zip", ".tar", ".tgz", ".7z", ".rar"), "is an archive; unpack it and name a file in it"
    ),
    **dict.fromkeys(
        (".duckdb", ".ddb"), "is a DuckDB file; write `database` and `table` in place of `path`"
    ),
    **dict.fromkeys(
        (".db", ".sqlite", ".sqlite3"),
        "is a database; write `url: sqlite:///the/same/path` and a `query` in place of `path`",
    ),
    **dict.fromkeys(
        (".feather", ".arrow", ".avro", ".orc", ".pkl", ".pickle", ".h5", ".dta", ".sav"),
        f"is in a format that is not read; {_AS_PARQUET}",
    ),
}
_IN_FOLDERS = (
    ("_delta_log", "a Delta table", "with its deleted rows"),
    (".hoodie", "a Hudi table", "with its replaced rows"),
    ("metadata/version-hint.text", "an Iceberg table", "with its deleted rows"),
)
DUCKLAKE = "ducklake:"
_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class FileSet:
    """The files that a path means, in the order of their names.

    folders: of each file what the names of its folders say, such as country=DE in a folder that
    Spark has written. origin: what to call them in messages.
    """

    files: Sequence[Path]
    folders: Sequence[Mapping[str, str | None]]
    origin: str


def database_file(database: str, folder: Path) -> tuple[str, Path]:
    """Return where a source's `database` is: "" or "ducklake:", and the file.

    folder: where relative paths start.
    """
    kind = DUCKLAKE if database.startswith(DUCKLAKE) else ""
    return kind, resolved(database.removeprefix(kind), folder)


def files_of(path: str, folder: Path, where: str) -> FileSet:
    """Find the files that a path means: one file, a folder's, or those a glob matches.

    folder: where relative paths start. where: the setting to correct, for messages. A file whose
    own name has glob characters is that file.
    Raises InputError if there is none.
    """
    place = resolved(path, folder)
    if place.is_file():
        return FileSet([place], [{}], str(place))
    above = place
    if place.is_dir():
        files = _in_folder(place)
    else:
        while _has_magic(above, folder):
            above = above.parent
        matches = sorted(glob.glob(str(Path(path).expanduser()), root_dir=folder, recursive=True))
        files = []
        for match in (folder / name for name in matches):
            hidden = match.name.startswith("_") and not place.name.startswith("_")
            if not hidden:
                files += _in_folder(match) if match.is_dir() else [match]
    files = sorted(set(files))
    if not files:
        what = "has no files" if place.is_dir() else "no such file"
        raise InputError(f"{place}: {what}; correct {where}")
    for file in files:
        # A pipe that nobody writes to would be waited for for ever.
        if not file.is_file():
            raise InputError(f"{file}: is a pipe, a device or a broken link; correct {where}")
    return FileSet(files, [partition_of(file, above) for file in files], str(place))


def _has_magic(place: Path, folder: Path) -> bool:
    """Say whether a pattern's part is one itself, whatever the folder is called where it begins."""
    below = place.parts[len(folder.parts) :] if place.is_relative_to(folder) else place.parts
    return any(glob.has_magic(part) for part in below)


def _in_folder(folder: Path) -> list[Path]:
    """List the files of a folder, as Spark and others write one for a table."""
    for name, what, harm in _IN_FOLDERS:
        if (folder / name).exists():
            raise InputError(
                f"{folder}: is {what}, whose files read one by one would bring records {harm};"
                f" {_AS_PARQUET} and name that"
            )
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and not any(part.startswith(("_", ".")) for part in file.relative_to(folder).parts)
    ]


def partition_of(file: Path, above: Path) -> dict[str, str | None]:
    """Return what the names of a file's folders say, below one: country=DE."""
    found: dict[str, str | None] = {}
    if not file.is_relative_to(above):
        return found
    for part in file.relative_to(above).parts[:-1]:
        if named := re.fullmatch(r"([^=]+)=(.*)", part):
            value = unquote(named[2])
            found[unquote(named[1])] = None if value == _NO_PARTITION else value
    return found


def read_files(
    engine: Engine,
    found: FileSet,
    file_format: str | None,
    style: CsvFormat,
    wanted: Sequence[str],
    into: Into,
    *,
    scratch: Path,
    needed: Sequence[str],
    cure: str,
) -> None:
    """Append the wanted columns of files to a table of texts.

    file_format: csv, parquet or json; by each file's ending if omitted. style: of csv files.
    scratch: an existing folder for copies. needed: the columns that each file must have. cure: what
    to do if a column is lacking.
    Raises InputError if a file cannot be read, or a column is lacking.
    """
    into.names_files = len(found.files) > 1
    parts: list[tuple[Part, Mapping[str, str | None]]] = []
    pending: list[Path] = []
    folders = dict(zip(found.files, found.folders, strict=True))

    def take_pending() -> None:
        for same in _runs(pending, folders):
            parts.extend((part, folders[same[0]]) for part in parquet_parts(engine, same))
        pending.clear()

    for i, file in enumerate(found.files):
        kind = file_format or format_of(file)
        if file.stat().st_size == 0 and len(found.files) > 1:
            into.notes.append(f"{file}: is empty and passed over")
            continue
        check_is_table(file, kind)
        if kind == "parquet":
            pending.append(file)
            continue
        take_pending()
        if kind == "csv":
            part: Part = CsvPart.found(file, style, wanted)
        else:
            part = find_json(engine, file, wanted, scratch, f"{into.table}_{i}.json")
        parts.append((part, folders[file]))
    take_pending()
    if not parts:
        raise InputError(f"{found.origin}: all {len(found.files)} files are empty")
    append_parts(engine, parts, wanted, into, found.origin, needed, cure)


def column_names(engine: Engine, file: Path, style: CsvFormat, scratch: Path) -> list[str]:
    """List the columns of one file, in the format of its ending.

    style: of a csv file. scratch: an existing folder for copies.
    Raises InputError if it cannot be read.
    """
    kind = format_of(file)
    check_is_table(file, kind)
    if kind == "csv":
        return CsvPart.found(file, style, []).names
    if kind == "json":
        return list(find_json(engine, file, [], scratch, "columns.json").keys)
    return parquet_parts(engine, [file])[0].names


def _runs(
    files: Sequence[Path], folders: Mapping[Path, Mapping[str, str | None]]
) -> list[list[Path]]:
    """Divide files into runs of the same folders."""
    runs: list[list[Path]] = []
    for file in files:
        if runs and folders[runs[-1][-1]] == folders[file]:
            runs[-1].append(file)
        else:
            runs.append([file])
    return runs


def format_of(file: Path) -> str:
    """Return the format that a file's ending stands for.

    Raises InputError if it stands for none.
    """
    endings = [ending.lower() for ending in file.suffixes if ending.lower() not in _PACKED_ENDINGS]
    ending = endings[-1] if endings else ""
    if ending in _FORMAT_OF_ENDING:
        return _FORMAT_OF_ENDING[ending]
    if ending in _CURE_OF_ENDING:
        raise InputError(f"{file}: {_CURE_OF_ENDING[ending]}")
    raise InputError(f"{file}: the ending {ending!r} names no format; write `format: csv`")
