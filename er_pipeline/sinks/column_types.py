"""Column types: what a column of a view is in another database, and how its values get there."""

from collections.abc import Sequence
from typing import Any

from er_pipeline.blocking.tables.sql import quoted

NESTED = ("STRUCT", "MAP", "UNION", "JSON", "VARIANT", "ROW")


def is_list(kind: str) -> bool:
    """Say whether a type of DuckDB is a list."""
    return kind.endswith("]")


def column_type(kind: str, *, has_arrays: bool) -> Any:
    """Return SQLAlchemy's type for one of DuckDB.

    has_arrays: whether the database has columns of lists and of JSON; elsewhere both are text.
    """
    import sqlalchemy as sa

    if is_list(kind):
        return sa.ARRAY(sa.Text()) if has_arrays else sa.Text()
    if kind.startswith(NESTED):
        return sa.JSON() if has_arrays else sa.Text()
    if kind.startswith("DECIMAL"):
        digits, scale = kind.removeprefix("DECIMAL(").removesuffix(")").split(",")
        return sa.Numeric(int(digits), int(scale))
    of_kind: dict[str, Any] = {
        "BOOLEAN": sa.Boolean(),
        "TINYINT": sa.SmallInteger(),
        "UTINYINT": sa.SmallInteger(),
        "SMALLINT": sa.SmallInteger(),
        "USMALLINT": sa.Integer(),
        "INTEGER": sa.Integer(),
        "UINTEGER": sa.BigInteger(),
        "BIGINT": sa.BigInteger(),
        "UBIGINT": sa.Numeric(20, 0),
        "HUGEINT": sa.Numeric(39, 0),
        "UHUGEINT": sa.Numeric(39, 0),
        "FLOAT": sa.Double(),
        "DOUBLE": sa.Double(),
        "DATE": sa.Date(),
        "TIMESTAMP": sa.DateTime(),
        "TIMESTAMP WITH TIME ZONE": sa.DateTime(timezone=True),
    }
    return of_kind.get(kind, sa.Text())


def selected(columns: Sequence[tuple[str, str]], sql: str, *, has_arrays: bool) -> str:
    """Write the query that gives the columns of another as flat values.

    columns: (name, type) of the query sql. Lists become an array as PostgreSQL writes one,
    {"a","b"}, or JSON; objects become JSON.
    """
    values = [f"{_flat(quoted(n), kind, has_arrays)} as {quoted(n)}" for n, kind in columns]
    return f"select {', '.join(values)} from ({sql})"


def _flat(value: str, kind: str, has_arrays: bool) -> str:
    if is_list(kind) and has_arrays and not is_list(kind[: kind.rindex("[")]):
        escaped = r"""regexp_replace(cast(v as varchar), '(["\\])', '\\\1', 'g')"""
        item = f"""case when v is null then 'NULL' else '"' || {escaped} || '"' end"""
        items = f"array_to_string(list_transform({value}, lambda v: {item}), ',')"
        # In DuckDB 1.4 an empty list has no text.
        return f"case when {value} is not null then '{{' || coalesce({items}, '') || '}}' end"
    if is_list(kind) or kind.startswith(NESTED):
        return f"cast(to_json({value}) as varchar)"
    if kind in ("HUGEINT", "UHUGEINT", "UBIGINT") or column_is_text(kind):
        return f"cast({value} as varchar)"
    return value


def column_is_text(kind: str) -> bool:
    """Say whether values of a type are written as texts: UUID, INTERVAL, enumerations and such."""
    plain = ("BOOLEAN", "DATE", "TIMESTAMP", "TINYINT", "UTINYINT", "SMALLINT", "USMALLINT")
    numbers = ("INTEGER", "UINTEGER", "BIGINT", "FLOAT", "DOUBLE", "VARCHAR", "DECIMAL")
    return not kind.startswith((*plain, *numbers))
