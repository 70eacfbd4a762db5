"""SQL for a cluster: what steps write in DuckDB's dialect, in Spark's, within a subset they share.

Sqlglot translates. What is not in the subset is refused by name before it is sent: a construct that
another engine reads otherwise would make other tables, and say nothing.
"""

from functools import lru_cache

import sqlglot
from sqlglot import exp

from er_pipeline.blocking.tables.errors import LakeError

# Constructs by the names of sqlglot's classes, functions without a class by their own, that DuckDB,
# Spark and Sail take alike. The tests of engine_spark.py compare what comes of them.
_NAMES = (
    "Add Alias And Between Boolean CTE Case Cast Chr Coalesce Column Count DPipe "
    "DataType DenseRank Distinct Div EQ Exp Filter Floor From GT GTE Greatest Group Having "
    "Identifier If In IntDiv Is Join LT LTE Least Length Limit Literal Ln LogicalOr MD5 "
    "MD5NumberLower64 Max Min Mod Mul NEQ Neg Not Null Or Order Ordered Paren Rank Replace "
    "Round RowNumber Select Star Sub Subquery Sum Table TableAlias Union Where Window With "
    "md5_number_lower strlen"
)
ALLOWED = frozenset(_NAMES.split())
TYPES = {"TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "TEXT", "VARCHAR", "BOOLEAN"}
# What to write instead of what is refused most.
REWRITES = {
    "ArrayAgg": "a join instead of a list",
    "Concat": "|| and casts, since engines read a NULL and a number in it each otherwise",
    "Create": "Engine.make_table or Engine.make_view",
    "Delete": "a table made anew without those rows",
    "Explode": "a query for Engine.record_wise, which DuckDB computes",
    "GroupByAll": "the columns by name",
    "IgnoreNulls": "min or max instead of any_value",
    "Insert": "Engine.append, or Engine.put for values in memory",
    "Qualify": "a row_number() in a subquery, and a where around it",
    "ReadParquet": "Engine.read_folder or Engine.read_file",
    "StarExcept": "the columns by name",
    "Transform": "a query for Engine.record_wise, which DuckDB computes",
    "Tuple": "a semi or anti join on each of the columns",
    "Values": "Engine.put",
    "hash": "Engine.row_hash",
    "type INT128": "bigint",
}


class ClusterSqlError(LakeError):
    """A statement of a step on a cluster holds what engines do not share."""


@lru_cache(maxsize=2_000)
def to_spark(sql: str) -> str:
    """Translate a query of a step into Spark's dialect.

    Raises ClusterSqlError that names the construct that is not shared, and what to write instead.
    """
    tree = _parsed(sql)
    for refused in _refused(tree):
        cure = REWRITES.get(refused)
        raise ClusterSqlError(
            f"the SQL of a step on the cluster holds {refused}, which engines do not share:"
            f" {f'write {cure}' if cure else 'write it with what spark_sql.py allows'}, or leave"
            f" the step on the driver ({' '.join(sql.split())[:300]})"
        )
    return tree.transform(_rewritten).sql(
        dialect="spark", unsupported_level=sqlglot.ErrorLevel.RAISE
    )


def without_order(sql: str) -> tuple[str, str]:
    """Take the order of a query's result from it: return the rest, and the order of its columns.

    Both are DuckDB's; the order is empty where the query has none.
    """
    tree = _parsed(sql)
    order = tree.args.get("order")
    if order is None or tree.args.get("limit") is not None:
        return sql, ""
    tree.set("order", None)
    for column in order.find_all(exp.Column):  # of the result, whatever table it is of
        column.set("table", None)
    return tree.sql(dialect="duckdb"), order.sql(dialect="duckdb")


def _parsed(sql: str) -> exp.Expr:
    try:
        return sqlglot.parse_one(sql, dialect="duckdb")
    except sqlglot.errors.ParseError as error:
        raise ClusterSqlError(
            f"the SQL of a step on the cluster cannot be read ({' '.join(sql.split())[:300]})"
        ) from error


def _name_of(node: exp.Expr) -> str:
    if isinstance(node, exp.DataType) and node.this.name not in TYPES:
        return f"type {node.this.name}"
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    if isinstance(node, exp.Star) and (node.args.get("except_") or node.args.get("except")):
        return "StarExcept"
    if isinstance(node, exp.Group) and node.args.get("all"):
        return "GroupByAll"
    return type(node).__name__


def _refused(tree: exp.Expr) -> list[str]:
    return [name for name in map(_name_of, tree.walk()) if name not in ALLOWED]


# DuckDB's md5_number_lower: the last 8 bytes of the digest, read from the right. In two halves,
# since Sail's conv() gives NULL beyond 2^63.
_HALF = "conv(regexp_replace(substr(md5({0}), {1}, 8), '(..)(..)(..)(..)', '$4$3$2$1'), 16, 10)"
_NUMBER = (
    f"(cast({_HALF.replace('{1}', '25')} as decimal(20, 0)) * 4294967296"
    f" + cast({_HALF.replace('{1}', '17')} as decimal(20, 0)))"
)
_SIGNED_NUMBER = (
    f"(shiftleft(cast({_HALF.replace('{1}', '25')} as bigint), 32)"
    f" | cast({_HALF.replace('{1}', '17')} as bigint))"
)


def signed_hash(text: str) -> str:
    """Write, for Spark, the hash of a text expression of Spark's as a signed BIGINT."""
    return _SIGNED_NUMBER.replace("{0}", text)


def _rewritten(node: exp.Expr) -> exp.Expr:
    """Write what sqlglot leaves as it is, though Spark reads it otherwise."""
    if isinstance(node, exp.CTE) and node.args.get("materialized") is not None:
        node.set("materialized", None)  # a hint for DuckDB's planner
    elif isinstance(node, exp.IntDiv):
        return _div(_translated(node.left), _translated(node.right))
    elif isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber):
        if not node.args.get("order"):  # any order will do
            node.set("order", exp.Order(expressions=[exp.Ordered(this=exp.Literal.number(1))]))
    elif _name_of(node) in ("md5_number_lower", "MD5NumberLower64"):
        of = node.expressions[0] if isinstance(node, exp.Anonymous) else node.this
        return sqlglot.parse_one(_NUMBER.replace("{0}", _translated(of)), dialect="spark")
    elif isinstance(node, exp.Round) and node.args.get("decimals") is not None:
        return _rounded(_translated(node.this), node.args["decimals"].name)
    elif _name_of(node) == "strlen":
        return exp.Anonymous(this="octet_length", expressions=node.expressions)
    return node


def _translated(node: exp.Expr) -> str:
    """Write a part of a query for Spark; what replaces a node is not looked at again."""
    return node.transform(_rewritten).sql(dialect="spark")


def _div(left: str, right: str) -> exp.Expr:
    return exp.paren(sqlglot.parse_one(f"({left}) div ({right})", dialect="spark"))


def _rounded(value: str, decimals: str) -> exp.Expr:
    """Round half away from zero in doubles, as DuckDB does; Spark rounds the decimals it prints."""
    text, scale = f"cast({value} as double)", f"1e{decimals}"
    return sqlglot.parse_one(
        f"(sign({text}) * floor(abs({text}) * {scale} + 0.5d) / {scale})", dialect="spark"
    )
