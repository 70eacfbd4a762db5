"""Remote files: those of object stores and web servers, fetched into files of this machine.

    s3://bucket/people.parquet        by pyarrow, which every install has; so gs:// and abfs://
    https://example.org/people.csv    one file; a folder of a web server cannot be listed

How to log in comes from where the stores' own programs look for it, such as AWS_ACCESS_KEY_ID. Of a
parquet file the wanted columns alone are fetched.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from fnmatch import translate
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from er_pipeline.blocking.records.source_files import FileSet, format_of, partition_of
from er_pipeline.blocking.records.wanted_columns import plain_name
from er_pipeline.blocking.tables.errors import InputError, first_line
from er_pipeline.blocking.tables.outside import UNKNOWN
from er_pipeline.blocking.tables.printable import without_password

REMOTE = re.compile(r"^(s3|gs|gcs|abfs|abfss|https?)://", re.IGNORECASE)
WEB = ("http", "https")
SECONDS_OF_SILENCE = 60
ROWS_PER_BATCH = 65_536
# Where S3 is not Amazon's own; pyarrow looks at neither.
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


@dataclass(frozen=True)
class RemoteFile:
    """One file as its store lists it.

    place: its URI, without what follows a ?. size: in bytes. changed: None where the store does not
    say. mark: changes with the content, as far as the store says.
    """

    place: str
    size: int | None
    changed: datetime | None
    mark: str


def is_remote(path: str) -> bool:
    """Say whether a path of the settings leads to another machine."""
    return bool(REMOTE.match(path))


def origin_of(path: str) -> str:
    """Write a remote path for messages: no password, and nothing of what follows a ?."""
    return without_password(path.split("?")[0])


def list_remote(path: str, where: str) -> list[RemoteFile]:
    """List the files that a remote path means: one, a folder's, or those that a glob matches.

    where: the setting to correct, for messages.
    Raises InputError if there is none, or the store cannot be reached.
    """
    found = find_remote(path, where)
    if not found:
        raise InputError(f"{origin_of(path)}: no such file; correct {where}")
    return found


def find_remote(path: str, where: str) -> list[RemoteFile]:
    """Do the same, but return an empty list if there is none."""
    with _explained(path, where):
        if _scheme(path) in WEB:
            return [_on_web(path)]
        system, root = open_store(path)
        return [_in_store(path, info) for info in _infos(system, root)]


def fetch_remote(path: str, wanted: Sequence[str], scratch: Path, where: str) -> FileSet:
    """Fetch the files that a remote path means into a folder below scratch.

    wanted: of a parquet file only these columns, if it has them all. where: as for `list_remote`.
    Raises InputError if there is none, or one cannot be fetched.
    """
    target = scratch / "fetched"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    files, folders = [], []
    with _explained(path, where):
        if _scheme(path) in WEB:
            file = target / _name_of(path)
            _download(path, file)
            return FileSet([file], [{}], origin_of(path))
        system, root = open_store(path)
        base = root if "*" not in root else root[: root.index("*")].rpartition("/")[0]
        for info in _infos(system, root):
            is_below = info.path != base
            below = info.path.removeprefix(base).lstrip("/") if is_below else info.base_name
            file = target / below
            file.parent.mkdir(parents=True, exist_ok=True)
            _fetch(system, info.path, file, wanted)
            files.append(file)
            folders.append(partition_of(file, target))
    if not files:
        raise InputError(f"{origin_of(path)}: no such file; correct {where}")
    return FileSet(files, folders, origin_of(path))


def remote_outside(path: str, where: str) -> dict[str, str]:
    """Return what stands for the content of every file, by its URI; "" where nobody says."""
    return {file.place: file.mark for file in list_remote(path, where)}


def _scheme(path: str) -> str:
    return path.partition("://")[0].lower()


def open_store(path: str) -> tuple[Any, str]:
    """Open the store of a path, as pyarrow does; return it with the path within.

    Raises OSError or ValueError if that cannot be.
    """
    from pyarrow.fs import FileSystem

    uri, _, options = path.partition("?")
    scheme, _, rest = uri.partition("://")
    scheme = {"gcs": "gs"}.get(scheme.lower(), scheme.lower())
    if scheme == "s3" and "endpoint_override=" not in options:
        endpoint = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), "")
        if endpoint:
            parts = urlsplit(endpoint)
            more = f"endpoint_override={quote(parts.netloc)}&scheme={parts.scheme}"
            region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
            more += f"&region={region or 'us-east-1'}" if "region=" not in options else ""
            options = f"{options}&{more}" if options else more
    # What a glob is made of is no part of a URI.
    escaped = quote(unquote(rest), safe="/:@=&+,;!$()~%") if "*" not in rest else rest
    pattern = rest if "*" in rest else ""
    bare = pattern[: pattern.index("*")].rpartition("/")[0] if pattern else escaped
    system, root = FileSystem.from_uri(f"{scheme}://{bare}" + (f"?{options}" if options else ""))
    if pattern:
        root = f"{root}/{pattern.removeprefix(bare).lstrip('/')}"
    return system, root


def _infos(system: Any, root: str) -> list[Any]:
    """Return the files that a path within a store means, by name; hidden ones are passed over."""
    from pyarrow.fs import FileSelector, FileType

    if "*" in root:
        above = root[: root.index("*")].rpartition("/")[0]
        fits = re.compile(translate(root))
        found = system.get_file_info(FileSelector(above, recursive=True, allow_not_found=True))
        infos = [info for info in found if info.type == FileType.File and fits.match(info.path)]
    else:
        info = system.get_file_info(root)
        if info.type == FileType.File:
            return [info]
        found = system.get_file_info(FileSelector(root, recursive=True, allow_not_found=True))
        below = ((one, one.path.removeprefix(root).lstrip("/")) for one in found)
        infos = [
            one
            for one, name in below
            if one.type == FileType.File and not any(p[0] in "_." for p in name.split("/"))
        ]
    return sorted(infos, key=lambda info: str(info.path))


def _in_store(path: str, info: Any) -> RemoteFile:
    place = f"{_scheme(path)}://{info.path}"
    changed = datetime.fromtimestamp(info.mtime_ns / 1e9, UTC) if info.mtime_ns else None
    return RemoteFile(place, info.size, changed, f"{info.size}:{info.mtime_ns}")


def _on_web(path: str) -> RemoteFile:
    from urllib.request import Request, urlopen

    with urlopen(Request(path, method="HEAD"), timeout=SECONDS_OF_SILENCE) as answer:
        headers = answer.headers
    size = int(headers["Content-Length"]) if headers.get("Content-Length") else None
    changed = headers.get("Last-Modified")
    named = [text for text in (headers.get("ETag"), changed) if text]
    return RemoteFile(
        origin_of(path),
        size,
        parsedate_to_datetime(changed) if changed else None,
        f"{size}:{':'.join(named)}" if named else UNKNOWN,
    )


def _download(path: str, file: Path) -> None:
    from urllib.request import urlopen

    with urlopen(path, timeout=SECONDS_OF_SILENCE) as answer, file.open("wb") as out:
        length = answer.headers.get("Content-Length")
        shutil.copyfileobj(answer, out, 2**20)
        if length and out.tell() != int(length):
            raise OSError(f"it ended after {out.tell():,} of {int(length):,} bytes")


def _fetch(system: Any, path: str, file: Path, wanted: Sequence[str]) -> None:
    try:
        is_parquet = format_of(file) == "parquet"
    except InputError:  # `format` says it; the reader says the rest
        is_parquet = False
    if is_parquet and _fetch_columns(system, path, file, wanted):
        return
    with system.open_input_stream(path) as source, file.open("wb") as out:
        shutil.copyfileobj(source, out, 2**20)


def _fetch_columns(system: Any, path: str, file: Path, wanted: Sequence[str]) -> bool:
    """Fetch the wanted columns of a parquet file; return False if it has not all of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = {plain_name(name) for name in wanted}
    try:
        with system.open_input_file(path) as source:
            held = pq.ParquetFile(source)
            columns = [name for name in held.schema_arrow.names if plain_name(name) in names]
            # A dot would mean a part of a column.
            if len(columns) < len(names) or any("." in name for name in columns):
                return False
            schema = pa.schema([held.schema_arrow.field(name) for name in columns])
            with pq.ParquetWriter(file, schema) as writer:
                for batch in held.iter_batches(ROWS_PER_BATCH, columns=columns):
                    writer.write_batch(batch.select(columns))
    except pa.ArrowException:  # fetched as it is, it is found to be damaged by who reads it
        return False
    return True


def _name_of(path: str) -> str:
    name = unquote(urlsplit(path).path.rpartition("/")[2])
    return re.sub(r"[/\0]", "_", name) or "records"


@contextmanager
def _explained(path: str, where: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, ImportError) as error:
        said = without_password(first_line(error)).replace(path, origin_of(path))
        raise InputError(
            f"{origin_of(path)}: cannot be read: {said}; correct {where}, or look how to log in"
            " there"
        ) from error
