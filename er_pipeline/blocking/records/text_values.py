"""Text values: what a typed value of a parquet file or a database is as text.

Whole numbers kept as floats or decimals are these numbers, instants are those of UTC, bytes are
UTF-8, and a list is its values, divided by "; ".
"""

import re
from collections.abc import Mapping, Sequence

from er_pipeline.blocking.records.parts import Given, Into
from er_pipeline.blocking.records.wanted_columns import find_columns
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.sql import literal, quoted

# Between the values of a list: what people write between two addresses in one cell.
BETWEEN = "; "
# Beyond, a DOUBLE is no longer sure of its last digits, and its own text shows that.
EXACT = 10**15
_LIST = re.compile(r"^(.*)\[\d*\]$", re.DOTALL)
_NESTED = re.compile(r"^(STRUCT|MAP|UNION|VARIANT|ROW)\b")
# {"first": "Ann"} as JSON and {'first': 'Ann'} as Python write it.
_WRITTEN_OBJECT = r"""(?s)^\s*\{\s*(\"[^\"]+\"|'[^']+')\s*:.*\}\s*$"""
FLATTEN = (
    "name a column of single values: flatten it where the file is written, or read it through a"
    " view of a DuckDB file"
)


def text_sql(value: str, kind: str, *, is_vector: bool = False) -> str:
    """Write the expression of a value as text, NULL for no value; kind: its DuckDB type.

    is_vector: a list is kept as it stands, [0.1, 0.2].
    Raises ValueError if values of this type have parts with names.
    """
    if kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL"):
        return _number(value, kind)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"cast({value} at time zone 'UTC' as varchar)"
    if kind == "BLOB":  # of fixed length: filled with NUL
        return f"rtrim(try(decode({value})), chr(0))"
    if kind == "JSON":
        return json_text_sql(value, is_vector=is_vector)
    if of_list := _LIST.match(kind):
        item = text_sql("_item", of_list[1])
        return f"cast({value} as varchar)" if is_vector else _joined(value, item)
    if _NESTED.match(kind):
        raise ValueError(kind)
    return f"cast({value} as varchar)"


def _number(value: str, kind: str) -> str:
    text = f"cast({value} as varchar)"
    if kind.startswith("DECIMAL"):
        whole = f"cast(cast({value} as decimal(38, 0)) as varchar)"
        return f"case when {value} = trunc({value}) then {whole} else {text} end"
    whole = f"cast(cast({value} as hugeint) as varchar)"
    return (
        f"case when not isfinite({value}) then null"
        f" when {value} = trunc({value}) and abs({value}) < {EXACT} then {whole} else {text} end"
    )


def json_text_sql(value: str, *, is_vector: bool = False) -> str:
    """Write the expression of a JSON value as text; an object is NULL, see `objects_in`."""
    if is_vector:
        return f"nullif(cast({value} as varchar), 'null')"
    items = f"json_extract({value}, '$[*]')"
    return (
        f"case json_type({value}) when 'ARRAY' then {_joined(items, _json_scalar('_item'))}"
        f" else {_json_scalar(value)} end"
    )


def _json_scalar(value: str) -> str:
    text = f"({value} ->> '$')"
    return (
        f"case json_type({value}) when 'OBJECT' then null when 'ARRAY' then null"
        f" when 'DOUBLE' then case when {text} in ('NaN', 'Infinity', '-Infinity') then null"
        rf" else regexp_replace({text}, '\.0+$', '') end else {text} end"
    )


def _joined(items: str, item: str) -> str:
    given = f"list_filter(list_transform({items}, lambda _item: {item}), lambda _t: _t <> '')"
    return f"nullif(array_to_string({given}, '{BETWEEN}'), '')"


def text_columns(
    engine: Engine,
    relation: str,
    types: Mapping[str, str],
    columns: Mapping[str, str | Given],
    vector: str | None,
    origin: str,
) -> tuple[list[str], list[str]]:
    """Write the expressions of columns as text; list what a reader should know of their values.

    types: of the relation's columns. columns: wanted name -> the relation's column, or the value of
    all rows. vector: the wanted column that holds vectors, if there is one.
    Raises InputError if values are objects, or bytes that are no text.
    """
    selects, notes = [], []
    for wanted, column in columns.items():
        if isinstance(column, Given):
            selects.append(f"{column.sql} as {quoted(wanted)}")
            continue
        kind, value = types[column], quoted(column)
        is_vector = wanted == vector
        try:
            selects.append(f"{text_sql(value, kind, is_vector=is_vector)} as {quoted(wanted)}")
        except ValueError:
            raise InputError(
                f"{origin}: column {column!r} holds objects ({_shortened(kind)}), no single values;"
                f" {FLATTEN}"
            ) from None
        if kind == "BLOB":
            _check_bytes(engine, relation, column, origin)
        elif kind == "JSON" and not is_vector:
            check_no_objects(engine, relation, {column: value}, origin)
            notes += several(engine, relation, {column: json_length(value)}, origin)
        elif _LIST.match(kind) and not is_vector:
            notes += several(engine, relation, {column: f"len({value})"}, origin)
    return selects, notes


def keep_wanted(
    engine: Engine, relation: str, wanted: Sequence[str], into: Into, origin: str
) -> None:
    """Append the wanted columns of a relation's rows, as text.

    Raises InputError if the relation lacks one, or its values have no text; origin: what to call it
    there.
    """
    types = dict(engine.described(f"select * from {relation}"))
    columns = find_columns(list(dict.fromkeys(wanted)), list(types), origin)
    selects, notes = text_columns(engine, relation, types, columns, into.vector, origin)
    into.notes.extend(notes)
    engine.append(into.table, f"select {', '.join(selects)} from {relation}")


def json_length(value: str) -> str:
    """Write the expression of how many values a JSON array has."""
    return f"case json_type({value}) when 'ARRAY' then json_array_length({value}) end"


def several(engine: Engine, relation: str, lengths: Mapping[str, str], origin: str) -> list[str]:
    """List the columns in which some cells hold several values; lengths: expressions of these."""
    if not lengths:
        return []
    counts = ", ".join(f"count(*) filter ({length} > 1)" for length in lengths.values())
    found = engine.row(f"select {counts} from {relation}")
    return [
        f"{origin}: column {name!r} holds several values in {n:,} cells; they are read as one text,"
        f" divided by {BETWEEN.strip()!r}"
        for name, n in zip(lengths, found, strict=True)
        if n
    ]


def check_no_objects(engine: Engine, relation: str, values: Mapping[str, str], origin: str) -> None:
    """Find the first row in which a JSON value is an object, or a list of such.

    Raises InputError if there is one.
    """
    if not values:
        return
    nested = [
        f"(json_type({value}) = 'OBJECT' or json_type({value}, '$[0]') in ('OBJECT', 'ARRAY'))"
        for value in values.values()
    ]
    rows = engine.rows(
        f"select _no, {', '.join(f'_n{i}, _v{i}' for i in range(len(nested)))} from"
        f" (select row_number() over () as _no, "
        + ", ".join(
            f"{is_nested} as _n{i}, cast({value} as varchar) as _v{i}"
            for i, (is_nested, value) in enumerate(zip(nested, values.values(), strict=True))
        )
        + f" from {relation}) where {' or '.join(f'_n{i}' for i in range(len(nested)))}"
        " order by _no limit 1"
    )
    for no, *found in rows:
        for i, name in enumerate(values):
            if found[2 * i]:
                raise InputError(
                    f"{origin}: column {name!r} of record {no} holds an object,"
                    f" {_shortened(found[2 * i + 1])}, no single value; {FLATTEN}"
                )


def check_no_written_objects(
    engine: Engine, table: str, columns: Sequence[str], origin: str
) -> None:
    """Find columns of texts most of which are objects, as programs write these into csv files.

    Raises InputError if there is one: the names of its parts would become words of every value.
    """
    for column in columns:
        value = quoted(column)
        written = f"regexp_matches({value}, {literal(_WRITTEN_OBJECT)})"
        n_written, n_filled, first = engine.row(
            f"select count(*) filter (_is), count(*), min(_v) filter (_is) from (select {value} as"
            f" _v, starts_with(ltrim({value}), '{{') and {written} as _is from {table}"
            f" where {value} <> '')"
        )
        if n_written > n_filled / 2:
            raise InputError(
                f"{origin}: column {column!r} holds objects, such as {_shortened(first)}, no single"
                f" values; {FLATTEN}"
            )


def _check_bytes(engine: Engine, relation: str, column: str, origin: str) -> None:
    value = quoted(column)
    broken = engine.rows(
        f"select _no, hex(_v) from (select row_number() over () as _no, {value} as _v"
        f" from {relation}) where _v is not null and try(decode(_v)) is null order by _no limit 1"
    )
    for no, found in broken:
        raise InputError(
            f"{origin}: column {column!r} of record {no} holds bytes that are no UTF-8 text,"
            f" 0x{_shortened(found)}; write the column as text"
        )


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
