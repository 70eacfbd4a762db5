"""The parquet sink of an object store: one object for each table, in a bucket's folder.

All tables are written on this machine first. An object is replaced when its upload is complete, so
nobody reads half of one; those of several tables follow each other.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from er_pipeline.blocking.records.remote_files import open_store, origin_of
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import SinkError, first_line
from er_pipeline.blocking.tables.files import scratch_folder
from er_pipeline.blocking.tables.printable import without_password
from er_pipeline.sinks.contents import Content
from er_pipeline.sinks.parquet_sink import NOTE, ParquetSink


class RemoteParquetSink:
    """A folder of an object store: <table>.parquet, and a note of what was written."""

    def __init__(self, path: str, dataset: str) -> None:
        """Name the place; nothing is opened yet. path: s3://bucket/folder."""
        self._path, self.dataset = path, dataset

    @property
    def where(self) -> str:
        """The folder, without what follows a ?."""
        return f"parquet in {origin_of(self._path)}"

    def is_current(self, engine: Engine, contents: Sequence[Content]) -> bool:
        """Say whether the objects that stand there are of these contents."""
        with self._explained():
            store, root = open_store(self._path)
            noted = _noted(store, root).get(self.dataset, {})
            return all(
                noted.get(content.table) == [content.stamp, _size(store, root, content.table)]
                for content in contents
            )

    def write(self, engine: Engine, contents: Sequence[Content]) -> dict[str, int]:
        """Write all tables here, then send them."""
        with self._explained(), scratch_folder() as scratch:
            store, root = open_store(self._path)
            noted = _noted(store, root)
            own = noted.get(self.dataset, {})
            for content in contents:
                there = _size(store, root, content.table)
                if there is not None and content.table not in own:
                    raise SinkError(
                        f"{origin_of(self._path)}/{content.table}.parquet: stands there and was not"
                        f" written by dataset {self.dataset}: name another folder, or move it away"
                    )
            rows = ParquetSink(scratch, self.dataset).write(engine, contents)
            # What is claimed is known for ours, though the process be killed while it is sent.
            own = {**{content.table: ["", 0] for content in contents}, **own}
            _note(store, root, {**noted, self.dataset: own})
            for content in contents:
                file = scratch / f"{content.table}.parquet"
                with (
                    file.open("rb") as source,
                    store.open_output_stream(_key(root, file.name)) as o,
                ):
                    shutil.copyfileobj(source, o, 2**22)
                own[content.table] = [content.stamp, file.stat().st_size]
            _note(store, root, {**noted, self.dataset: own})
            return rows

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SinkError:
            raise
        except (OSError, ValueError, ImportError) as error:
            said = without_password(first_line(error)).replace(self._path, origin_of(self._path))
            raise SinkError(f"{self.where}: cannot be written: {said}") from error


def _key(root: str, name: str) -> str:
    return f"{root.rstrip('/')}/{name}"


def _size(store: Any, root: str, table: str) -> int | None:
    size: int | None = store.get_file_info(_key(root, f"{table}.parquet")).size
    return size


def _noted(store: Any, root: str) -> dict[str, dict[str, Any]]:
    """Return what was written: dataset -> table -> stamp and bytes."""
    from pyarrow.fs import FileType

    if store.get_file_info(_key(root, NOTE)).type != FileType.File:
        return {}
    with store.open_input_stream(_key(root, NOTE)) as source:
        noted: dict[str, dict[str, Any]] = json.loads(source.read())["datasets"]
    return noted


def _note(store: Any, root: str, datasets: dict[str, Any]) -> None:
    with store.open_output_stream(_key(root, NOTE)) as out:
        out.write(json.dumps({"datasets": datasets}, indent=1).encode())
