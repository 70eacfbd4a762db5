"""Conditions on a pair of records: SQL over <field>_l and <field>_r, for a comparison's levels."""

from functools import lru_cache

import duckdb
from sqlglot import exp

from er_pipeline.blocking.tables.errors import SpecError, did_you_mean
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.values.key_parser import is_lambda_name, parse_expression
from er_pipeline.blocking.values.steady_sql import check_steady


@lru_cache(maxsize=1024)
def parse_condition(text: str, fields: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Read a condition over the left and right values of a pair.

    Returns it with every column quoted and spelled as the fields are, and the fields it reads:
    whoever must know which fields a condition reads can compare their names as texts.
    Raises SpecError that says what is wrong, and which names exist.
    """
    tree = parse_expression(text, "condition", "duckdb")
    if isinstance(tree, exp.Query | exp.DDL | exp.DML | exp.Command) or tree.find(exp.Query):
        raise SpecError(f"condition {text!r} must be an expression over one pair, no query")
    spelled = {f"{name}_{side}".lower(): (name, side) for name in fields for side in "lr"}
    read = set()
    for column in tree.find_all(exp.Column):
        if is_lambda_name(column):
            continue
        if column.table or column.name.lower() not in spelled:
            raise SpecError(
                f"condition {text!r} names an unknown column {column.sql(dialect='duckdb')!r};"
                f"{did_you_mean(column.name, spelled)}"
                f" write a field with _l or _r, such as {fields[0]}_l = {fields[0]}_r;"
                f" the fields are {', '.join(fields)}"
            )
        name, side = spelled[column.name.lower()]
        column.set("this", exp.to_identifier(f"{name}_{side}", quoted=True))
        read.add(name)
    if not read:
        raise SpecError(f"condition {text!r} reads no field; write one with _l and _r")
    sql = tree.sql(dialect="duckdb")
    check_steady(text, sql, "condition", spelled)
    _try_out(text, sql, fields)
    return sql, tuple(sorted(read))


def _try_out(text: str, sql: str, fields: tuple[str, ...]) -> None:
    columns = ", ".join(
        f"cast(null as varchar) as {quoted(f'{name}_{side}')}" for name in fields for side in "lr"
    )
    with duckdb.connect() as con:
        try:
            con.execute(f"select 1 from (select {columns}) where ({sql})")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise SpecError(f"condition {text!r} cannot be computed: {reason}") from error
