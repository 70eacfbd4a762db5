"""Json files: a list of objects, an object per line, or pandas' object of columns."""

import glob
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import duckdb

from er_pipeline.blocking.records.file_contents import opened, packing_of, utf8_copy
from er_pipeline.blocking.records.parts import Given, Into
from er_pipeline.blocking.records.text_values import (
    check_no_objects,
    json_length,
    json_text_sql,
    several,
)
from er_pipeline.blocking.records.wanted_columns import plain_name
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError, first_line
from er_pipeline.blocking.tables.sql import literal, quoted

# Beyond, a list of records is not parsed a second time to find the line of an error.
_MAX_PARSED = 100_000_000
# Of one record; DuckDB holds twice as much per thread.
_MAX_RECORD = 1 << 24
_AS_RECORDS = (
    "write one list of objects, or one object per line (pandas: to_json(path, orient='records'))"
)


@dataclass(frozen=True)
class JsonPart:
    """One json file.

    place: where it lies as plain UTF-8. keys: of its objects, as they are written.
    is_of_columns: it is one object, of column: {row: value}, as pandas writes by default.
    """

    file: Path
    place: Path
    keys: Sequence[str]
    is_of_columns: bool

    @property
    def names(self) -> list[str]:
        """The keys; of those that differ in case alone the first."""
        return list({plain_name(key): key for key in reversed(self.keys)}.values())

    def append(self, engine: Engine, columns: Mapping[str, str | Given], into: Into) -> None:
        """Append the wanted keys of every object.

        Raises InputError if a value is an object, or the file is no json.
        """
        try:
            self._make_values(engine, columns)
            values = {
                name: quoted(name)
                for name, key in columns.items()
                if not isinstance(key, Given) and name != into.vector
            }
            check_no_objects(engine, "json_values", values, str(self.file))
            lengths = {name: json_length(value) for name, value in values.items()}
            into.notes.extend(several(engine, "json_values", lengths, str(self.file)))
            selects = [
                key.sql
                if isinstance(key, Given)
                else json_text_sql(quoted(name), is_vector=name == into.vector)
                for name, key in columns.items()
            ]
            engine.append(into.table, f"select {', '.join(selects)} from json_values")
            engine.execute("drop view json_values")
        except duckdb.Error as error:
            raise _explained(self.file, error) from error

    def _make_values(self, engine: Engine, columns: Mapping[str, str | Given]) -> None:
        """Make the view json_values: a JSON column per wanted key."""
        wanted = {name: key for name, key in columns.items() if not isinstance(key, Given)}
        if not self.is_of_columns:
            selects = [f"{self._value(name)} as {quoted(name)}" for name in wanted]
            engine.make_view("json_values", f"select {', '.join(selects)} from {_scan(self.place)}")
            return
        tables = ", ".join(
            f"t{i} as (select key as k, value as v from json_of_columns,"
            f" json_each(json_extract(json, {literal(_path(key))})))"
            for i, key in enumerate(wanted.values())
        )
        selects = [f"t{i}.v as {quoted(name)}" for i, name in enumerate(wanted)]
        joins = " ".join(f"left join t{i} on t{i}.k = t0.k" for i in range(1, len(wanted)))
        engine.make_view(
            "json_values",
            f"with json_of_columns as (select json from {_scan(self.place)}), {tables}"
            f" select {', '.join(selects)} from t0 {joins} order by length(t0.k), t0.k",
        )

    def _value(self, name: str) -> str:
        """Write the expression of a wanted key, however its case is written in a record."""
        alike = [key for key in self.keys if plain_name(key) == plain_name(name)]
        alike.sort(key=lambda key: (key != name, key))
        values = [f"json_extract(json, {literal(_path(key))})" for key in alike]
        if len(values) == 1:
            return values[0]
        given = [f"case when json_type({value}) <> 'NULL' then {value} end" for value in values]
        return f"coalesce({', '.join(given)})"


def find_json(
    engine: Engine, file: Path, wanted: Sequence[str], scratch: Path, name: str
) -> JsonPart:
    """Find the keys of a json file; scratch: a folder for a copy called `name`, if one is needed.

    Raises InputError if it is no json, or holds no records.
    """
    place = utf8_copy(file, scratch, name)
    try:
        kinds = dict(
            engine.rows(f"select json_type(json), count(*) from {_scan(place)} group by all")
        )
        keys = [
            key
            for (key,) in engine.rows(
                "select key from (select unnest(json_keys(json)) as key, _no from (select json,"
                f" row_number() over () as _no from {_scan(place)} where json_type(json) ="
                " 'OBJECT')) group by key order by min(_no), key"
            )
        ]
        others = {kind: n for kind, n in kinds.items() if kind != "OBJECT"}
        if others or not kinds:
            found = f"; it has {next(iter(others))} values" if others else ""
            raise InputError(f"{file}: has no records{found}; {_AS_RECORDS}")
        is_of_columns = False
        if kinds == {"OBJECT": 1}:
            is_of_columns = _is_of_columns(engine, file, place, keys, wanted)
    except duckdb.Error as error:
        raise _explained(file, error) from error
    return JsonPart(file, place, keys, is_of_columns)


def _is_of_columns(
    engine: Engine, file: Path, place: Path, keys: Sequence[str], wanted: Sequence[str]
) -> bool:
    """Say whether the one object of a file is one of columns; raise if it only holds records."""
    held = {plain_name(key): key for key in keys}
    have_all = all(plain_name(name) in held for name in wanted)
    read = [held[plain_name(name)] for name in wanted] if have_all and wanted else keys
    kinds = engine.row(
        "select "
        + ", ".join(f"json_type(json, {literal(_path(key))})" for key in read[:1000])
        + f" from {_scan(place)}"
    )
    if have_all and set(kinds) in ({"OBJECT"}, {"ARRAY"}):
        return True
    if not have_all and set(kinds) & {"OBJECT", "ARRAY"}:
        raise InputError(
            f"{file}: is one object, of {', '.join(repr(key[:40]) for key in keys[:5])}, and no"
            f" list of records; {_AS_RECORDS}"
        )
    return False


def _scan(place: Path) -> str:
    how = packing_of(place)
    return (
        f"read_json_objects({literal(glob.escape(str(place)))}, format = 'auto',"
        f" compression = '{how}', maximum_object_size = {_MAX_RECORD}, hive_partitioning = false)"
    )


def _path(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'$."{escaped}"'


def _explained(file: Path, error: duckdb.Error) -> InputError:
    """Say what is wrong with a json file, and in which line."""
    if "maximum_object_size" in str(error):
        return InputError(
            f"{file}: holds a record of more than {_MAX_RECORD:,} bytes; {_AS_RECORDS}"
        )
    try:
        line, reason = _place(file)
    except (InputError, UnicodeDecodeError, RecursionError) as other:
        line, reason = 0, str(other).removeprefix(f"{file}: ")
    if line:
        return InputError(f"{file}:{line}: cannot be read as json: {reason}; correct the line")
    said = reason or first_line(error)
    return InputError(f"{file}: cannot be read as json: {said}; correct the file, or `format`")


def _place(file: Path) -> tuple[int, str]:
    """Return line and reason of the first thing that is no json; 0 if the search finds none."""
    with opened(file) as content:
        first = content.readline(_MAX_RECORD)
        if first.lstrip()[:1] != b"[":
            for number, text in enumerate(chain([first], content), 1):
                if text.strip() and (reason := _fault(text)):
                    return number, reason
            return 0, ""
        rest = content.read(_MAX_PARSED)
    if len(rest) >= _MAX_PARSED:
        return 0, ""
    try:
        json.loads((first + rest).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = (first + rest).count(b"\n", 0, error.start) + 1
        return line, f"byte 0x{error.object[error.start]:02X} is not UTF-8; save it as UTF-8"
    except json.JSONDecodeError as error:
        return error.lineno, error.msg
    return 0, ""


def _fault(line: bytes) -> str:
    try:
        json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return f"byte 0x{error.object[error.start]:02X} is not UTF-8; save it as UTF-8"
    except json.JSONDecodeError as error:
        return error.msg
    return ""
