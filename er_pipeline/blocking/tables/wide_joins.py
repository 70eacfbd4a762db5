"""Wide joins: the columns of hundreds of tables beside each row of one."""

from collections.abc import Sequence

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted

# Tables joined at a time. Every join copies the columns of those before it, so that the time grows
# with the square of the tables: to clean 10,000 records of 150 fields takes 12 CPU s in one piece
# and 4 in parts of 30.
TABLES_OF_PART = 30


def join_in_parts(
    engine: Engine,
    rows: str,
    identity: Sequence[str],
    joined: Sequence[tuple[str, str]],
    part: str,
) -> tuple[str, str]:
    """Write the columns and the joins of a query on `rows`, as r, that other tables are joined to.

    joined: of each table its columns, each after a comma, and its join, which finds at most one
    row. identity: columns of rows that no two rows share. Beyond `TABLES_OF_PART` tables part by
    part is joined beforehand, as engine tables <part>_<i>, and the query only joins these.
    """
    if len(joined) <= TABLES_OF_PART:
        return "".join(columns for columns, _ in joined), "".join(join for _, join in joined)
    columns, joins = "", ""
    for i, first in enumerate(range(0, len(joined), TABLES_OF_PART)):
        tables = joined[first : first + TABLES_OF_PART]
        known = ", ".join(f"r.{column} as _{column}" for column in identity)
        engine.make_table(
            f"{part}_{i}",
            f"select {known}{''.join(of_table for of_table, _ in tables)}"
            f" from {rows} as r{''.join(join for _, join in tables)}",
        )
        same = " and ".join(f"_p{i}._{column} = r.{column}" for column in identity)
        own = [f"_{column}" for column in identity]
        made = engine.described(f"select * from {part}_{i}")
        columns += "".join(f", _p{i}.{quoted(name)}" for name, _ in made if name not in own)
        joins += f" join {part}_{i} as _p{i} on {same}"
    return columns, joins
