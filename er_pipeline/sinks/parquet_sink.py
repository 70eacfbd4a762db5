"""The parquet sink: a folder with one file for each table, or a folder of files for each."""

import json
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import all_parquet
from er_pipeline.blocking.tables.errors import SinkError, first_line
from er_pipeline.blocking.tables.failures import sentence_of
from er_pipeline.blocking.tables.files import (
    clear_left,
    flush,
    flush_files,
    point,
    replace,
    sizes_of,
    write_whole,
)
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.sinks.contents import Content

# Of what was written here; Spark, pandas and Polars pass over hidden files.
NOTE = ".er_pipeline.json"


class ParquetSink:
    """A folder: <table>.parquet, or <table>/, a link to the files that were written last.

    Every table is written under another name first; then all are put in place, one rename each.
    file_size: of each of several files, as DuckDB writes it; one file if None.
    """

    def __init__(self, folder: Path, dataset: str, file_size: str | None = None) -> None:
        """Name the place; nothing is read or made yet."""
        self.folder, self.dataset, self.file_size = folder, dataset, file_size

    @property
    def where(self) -> str:
        """The folder."""
        return f"parquet in {self.folder}"

    def is_current(self, engine: Engine, contents: Sequence[Content]) -> bool:
        """Say whether the files that stand there are of these contents."""
        noted = self._noted()
        return all(
            noted.get(content.table, {}).get("stamp") == content.stamp
            and noted[content.table]["files"] == self._files(self._place(content.table))
            for content in contents
        )

    def write(self, engine: Engine, contents: Sequence[Content]) -> dict[str, int]:
        """Write all tables, then put them in place."""
        drafts: dict[str, Path] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            noted = self._noted()
            self._check_owner(noted, contents)
            clear_left(p for c in contents for p in self.folder.glob(f".{c.table}.*.tmp"))
            claimed = {c.table: noted.get(c.table, {"stamp": "", "files": {}}) for c in contents}
            self._note({**noted, **claimed})
            rows = {}
            for content in contents:
                files = self.folder / f".{content.table}.{secrets.token_hex(3)}.tmp"
                drafts[content.table] = files
                self._write(engine, content, files)
                pattern = all_parquet(files) if self.file_size else str(files)
                (rows[content.table],) = engine.row(
                    "select coalesce(sum(num_rows), 0)::bigint"
                    f" from parquet_file_metadata({literal(pattern)})"
                )
            for table, draft in drafts.items():
                self._put_in_place(table, draft)
            written = {
                c.table: {"stamp": c.stamp, "files": self._files(self._place(c.table))}
                for c in contents
            }
            self._note({**noted, **written})
            return rows
        except (OSError, duckdb.Error) as error:
            why = sentence_of(error) or first_line(error)
            raise SinkError(f"{self.where}: cannot be written: {why}") from error
        finally:
            for draft in drafts.values():
                if draft.is_dir():
                    shutil.rmtree(draft, ignore_errors=True)
                draft.unlink(missing_ok=True)

    def _place(self, table: str) -> Path:
        return self.folder / (table if self.file_size else f"{table}.parquet")

    def _write(self, engine: Engine, content: Content, draft: Path) -> None:
        if self.file_size:
            engine.write_folder(content.sql, draft, file_size=self.file_size)
            flush_files(draft)
        else:
            engine.write(content.sql, draft)
            flush(draft)

    def _put_in_place(self, table: str, draft: Path) -> None:
        place = self._place(table)
        if not self.file_size:
            replace(draft, place)
            return
        old = Path(os.path.realpath(place))
        files = self.folder / f".{table}.{secrets.token_hex(3)}.files"
        draft.rename(files)
        point(place, files.name)
        # Who has the folder open that stood here until now goes on reading it until the next time.
        for other in self.folder.glob(f".{table}.*.files"):
            if other not in (files, old):
                shutil.rmtree(other, ignore_errors=True)

    def _check_owner(self, noted: dict[str, Any], contents: Sequence[Content]) -> None:
        for content in contents:
            place = self._place(content.table)
            if os.path.lexists(place) and content.table not in noted:
                raise SinkError(
                    f"{place}: stands there and was not written by dataset {self.dataset}: name"
                    " another folder, or move it away"
                )

    def _files(self, place: Path) -> dict[str, int]:
        """Return the bytes of each file of a table."""
        if place.is_dir():
            return sizes_of(place)
        return {place.name: place.stat().st_size} if place.is_file() else {}

    def _noted(self) -> dict[str, Any]:
        """Return what this dataset has written here: table -> stamp and files."""
        own = self._noted_of_all().get(self.dataset)
        return own if isinstance(own, dict) else {}

    def _noted_of_all(self) -> dict[str, Any]:
        """Return what every dataset has written here; a note that cannot be read is none."""
        try:
            return dict(json.loads((self.folder / NOTE).read_text("utf-8"))["datasets"])
        except (OSError, ValueError, TypeError, KeyError):
            return {}

    def _note(self, tables: dict[str, Any]) -> None:
        whole = {"datasets": {**self._noted_of_all(), self.dataset: tables}}
        write_whole(self.folder / NOTE, json.dumps(whole, indent=1))
