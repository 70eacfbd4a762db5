"""Key expressions: SQL over cleaned fields, in DuckDB's dialect, plus the `KEY_FUNCTIONS`.

A key is parsed once. Its source columns are read from the parsed expression. Functions that SQL
can say are written out in SQL; those that need Python (`soundex`, `nickname`, ...) run over the
distinct values of their argument and are joined back, so that `soundex(first_word(last_name))`
costs one call per distinct word.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import DialectType
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, TokenError

from er_pipeline.blocking.tables.errors import SpecError, did_you_mean
from er_pipeline.blocking.tables.printable import shown
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.values.key_functions import KEY_FUNCTIONS, KeyFunction
from er_pipeline.blocking.values.keys import Conjunction, Key, Lookup
from er_pipeline.blocking.values.steady_sql import check_steady, parsing_database

# A key is an expression, not a program: those of people are shorter by a factor of ten.
MOST_CHARACTERS = 2_000
# Brackets and operators within each other that sqlglot reads without running out of stack.
MOST_DEPTH = 40


class KeyDialect(DuckDB):
    """DuckDB's dialect with our own functions left as they are written."""

    class Parser(DuckDB.Parser):  # type: ignore[misc, valid-type]  # sqlglot hides that it is a class
        """Forgets what sqlglot believes about names such as soundex or year."""

        FUNCTIONS: Mapping[str, "Callable[..., exp.Expr]"] = {
            name: build
            for name, build in DuckDB.Parser.FUNCTIONS.items()
            if name.lower() not in KEY_FUNCTIONS
        }


def parse_conjunction(
    name: str,
    expressions: str | Sequence[str],
    fields: Collection[str],
    free_mail_domains: Collection[str] = (),
) -> Conjunction:
    """Read a conjunction of key expressions over the given fields.

    free_mail_domains: the user's own, besides the known ones.
    Raises SpecError that says which expression is wrong, why, and which names exist.
    """
    expressions = [expressions] if isinstance(expressions, str) else list(expressions)
    if not expressions:
        raise SpecError(f"{name!r} has no key; write an expression such as left(last_name, 3)")
    free_mail = tuple(sorted({"", *(domain.lower() for domain in free_mail_domains)}))
    keys = tuple(
        _parse_key(text, f"_lookup_{name}_{i}", tuple(fields), free_mail)
        for i, text in enumerate(expressions)
    )
    if sum(key.is_list for key in keys) > 1:
        raise SpecError(
            f"{name!r} joins several many-valued keys; a conjunction takes at most one of"
            " tokens, qgrams or another list"
        )
    return Conjunction(name, keys)


@lru_cache(maxsize=4096)
def _parse_key(text: str, prefix: str, fields: tuple[str, ...], free_mail: tuple[str, ...]) -> Key:
    tree = parse_expression(text, "key", KeyDialect)
    _forbid(text, tree)
    check_steady(text, _sql(tree), "key", fields)
    columns = _source_columns(text, tree, fields)
    width = _width(tree)
    lookups: list[Lookup] = []

    def write_out(node: "exp.Expr") -> "exp.Expr":
        function = _key_function(node)
        if function is None:
            return node
        _count_arguments(text, node, len(function.arguments))
        if function.sql:
            return _transform_bottom_up(_in_sql(function, node, free_mail), write_out)
        if node.find_ancestor(exp.Lambda):
            raise SpecError(f"key {text!r}: {function.name}() cannot stand inside a lambda")
        argument = _sql(node.expressions[0])
        for lookup in lookups:  # called twice on the same, as email_domain does
            if (lookup.function, lookup.argument_sql) == (function.name, argument):
                return _result_of(function, lookup)
        lookups.append(Lookup(f"{prefix}_{len(lookups)}", function.name, argument))
        return _result_of(function, lookups[-1])

    # Innermost first, so that an argument is plain SQL when its function is reached.
    tree = _transform_bottom_up(tree, write_out)
    sql = _sql(tree)
    return Key(
        expression=text,
        sql=sql,
        written_out=_written_out(text, fields, free_mail),
        source_columns=columns,
        lookups=tuple(lookups),
        is_list=_result_is_list(text, sql, fields, columns, tuple(lookups)),
        width=width,
    )


@lru_cache(maxsize=4096)  # the same key stands in many rules
def _written_out(text: str, fields: tuple[str, ...], free_mail: tuple[str, ...]) -> str:
    """Write a correct key over the fields alone, in one spelling."""
    spelling = {name.lower(): name for name in fields}

    def write_out(node: "exp.Expr") -> "exp.Expr":
        if isinstance(node, exp.Column) and not is_lambda_name(node):
            name = spelling[node.name.lower()]
            return exp.column(name, quoted=not _needs_no_quotes(name))
        function = _key_function(node)
        if function is None:
            return node
        if function.sql:
            return _in_sql(function, node, free_mail)
        return exp.Anonymous(this=function.name, expressions=node.expressions)

    def take_off_brackets(node: "exp.Expr") -> "exp.Expr":
        # Only around what holds together without them.
        whole = exp.Column | exp.Literal | exp.Anonymous | exp.Paren
        if isinstance(node, exp.Paren) and isinstance(node.this, whole):
            return node.this.copy()
        return node

    tree = _transform_bottom_up(_parsed(text), write_out)
    tree = _transform_bottom_up(tree, take_off_brackets)
    return tree.sql(dialect=KeyDialect, normalize_functions="lower", comments=False)


@cache
def _needs_no_quotes(name: str) -> bool:
    """Whether a name alone is a column: null, "a b" and current_date are not."""
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        return False
    try:
        return isinstance(_parsed(name), exp.Column)
    except ParseError:  # case
        return False


def _parsed(text: str) -> "exp.Expr":
    return sqlglot.parse_one(text, dialect=KeyDialect)


def _key_function(node: "exp.Expr") -> KeyFunction | None:
    return KEY_FUNCTIONS.get(node.name.lower()) if isinstance(node, exp.Anonymous) else None


def _in_sql(function: KeyFunction, call: "exp.Expr", free_mail: tuple[str, ...]) -> "exp.Expr":
    """Write a call of a key function out; its arguments are written out already."""
    arguments = dict(zip(_argument_names(function), call.expressions, strict=True))
    tree = _template(function, free_mail).copy()
    for column in list(tree.find_all(exp.Column)):
        if column.name in arguments:
            column.replace(exp.Paren(this=arguments[column.name].copy()))
    return tree


@lru_cache(maxsize=256)
def _template(function: KeyFunction, free_mail: tuple[str, ...]) -> "exp.Expr":
    """Parse the SQL of a key function, over columns called like its arguments."""
    listed = ", ".join(exp.Literal.string(domain).sql() for domain in free_mail)
    assert function.sql
    return _parsed(function.sql.format(*_argument_names(function), free_mail=listed))


def _argument_names(function: KeyFunction) -> list[str]:
    return [f"_{argument}" for argument in function.arguments]  # no field begins with _


def _transform_bottom_up(node: "exp.Expr", change: "Callable[[exp.Expr], exp.Expr]") -> "exp.Expr":
    for child in list(node.iter_expressions()):
        changed = _transform_bottom_up(child, change)
        if changed is not child:
            child.replace(changed)
    return change(node)


def _sql(node: "exp.Expr") -> str:
    return node.sql(dialect="duckdb")


def _forbid(text: str, tree: "exp.Expr") -> None:
    if isinstance(tree, exp.Query | exp.DDL | exp.DML | exp.Command):
        raise SpecError(f"key {text!r} must be an expression, not a statement")
    for node in tree.walk():
        if isinstance(node, exp.Query | exp.Window | exp.AggFunc | exp.Star):
            raise SpecError(
                f"key {text!r} must be computed from one record alone: {_sql(node)!r} reads others"
            )
        if isinstance(node, exp.Explode | exp.Unnest):
            raise SpecError(
                f"key {text!r} need not unnest: a list gives one block per element by itself"
            )
        if isinstance(node, exp.Dot):
            raise SpecError(
                f"key {text!r}: write functions around their argument, upper(x), instead of"
                f" {_sql(node)!r}"
            )


def _source_columns(text: str, tree: "exp.Expr", fields: tuple[str, ...]) -> tuple[str, ...]:
    by_lower = {name.lower(): name for name in fields}
    found = set()
    for node in tree.find_all(exp.Column):
        if is_lambda_name(node):
            continue
        if node.table or node.name.lower() not in by_lower:
            raise SpecError(
                f"key {text!r} names an unknown column {_sql(node)!r};"
                f"{did_you_mean(node.name, fields)} the fields are {', '.join(fields)}"
            )
        found.add(by_lower[node.name.lower()])
    if not found:
        raise SpecError(f"key {text!r} reads no field; the fields are {', '.join(fields)}")
    return tuple(sorted(found))


def parse_expression(text: str, what: str, dialect: "DialectType") -> "exp.Expr":
    """Parse a SQL expression as people write it; what: what it is, as the error calls it.

    Raises SpecError that says where the text is not SQL.
    """
    if len(text) > MOST_CHARACTERS:
        raise SpecError(
            f"{what} {shown(text)} has {len(text):,} characters, and {MOST_CHARACTERS:,} are the"
            " most; write a shorter one"
        )
    depth = _depth(text)
    if depth > MOST_DEPTH:
        raise SpecError(
            f"{what} {shown(text)} has brackets {depth} deep, and {MOST_DEPTH} are the most;"
            " write it flatter"
        )
    try:
        return sqlglot.parse_one(text, dialect=dialect)
    except (ParseError, TokenError) as error:
        reason = str(error).split("\n")[0].replace("\033[4m", "").replace("\033[0m", "")
        raise SpecError(f"{what} {shown(text)} is not a SQL expression: {reason}") from error
    except RecursionError as error:
        raise SpecError(f"{what} {shown(text)} is too deep to be read; write it flatter") from error


def _depth(text: str) -> int:
    """Count how deep brackets stand within each other; those within quotes count, too."""
    deepest = depth = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    return deepest


def is_lambda_name(column: exp.Column) -> bool:
    """Say whether a name within a lambda is one of its own parameters, and so no column."""
    around = column.find_ancestor(exp.Lambda)
    while around:
        if any(name.name == column.name for name in around.expressions):
            return True
        around = around.find_ancestor(exp.Lambda)
    return False


def _width(tree: "exp.Expr") -> int | None:
    if (
        isinstance(tree, exp.Left)
        and isinstance(tree.expression, exp.Literal)  # left(x, -1) takes all but the last
        and tree.expression.is_int
    ):
        return int(tree.expression.name)
    function = _key_function(tree)
    return function.width if function else None


def _result_of(function: KeyFunction, lookup: Lookup) -> "exp.Expr":
    """Write what a function of Python gave: its column, or the list that it holds."""
    if function.gives_several:
        return _parsed(f"string_split({lookup.column}, ' ')")
    return exp.column(lookup.column)


def _count_arguments(text: str, node: "exp.Expr", expected: int) -> None:
    if len(node.expressions) != expected:
        raise SpecError(
            f"key {text!r}: {node.name}() takes {expected} argument{'s' * (expected > 1)},"
            f" not {len(node.expressions)}"
        )


def _did_you_mean(text: str) -> str:
    """Suggest our own function for a misspelled one."""
    for called in re.findall(r"(\w+)\s*\(", text):
        close = get_close_matches(called.lower(), KEY_FUNCTIONS, n=1)
        if close and called.lower() not in KEY_FUNCTIONS:
            return f" did you mean {close[0]}()?"
    return ""


@lru_cache(maxsize=4096)  # the same key stands in many rules
def _result_is_list(
    text: str,
    sql: str,
    fields: tuple[str, ...],
    read: tuple[str, ...],
    lookups: tuple[Lookup, ...],
) -> bool:
    """Bind the expression on an empty table: DuckDB itself says what it does not know.

    read: the fields it reads; a table of all would take long to make where there are hundreds.
    """
    columns = [*read, *(lookup.column for lookup in lookups)]
    declared = ", ".join(f"{quoted(column)} varchar" for column in columns)
    with parsing_database().cursor() as con:
        con.execute(f"create temp table records ({declared})")
        try:
            for lookup in lookups:
                con.execute(f"select lower({lookup.argument_sql}) from records")
            # A WHERE clause takes what is computed from one row: no aggregate, no unnest.
            con.execute(f"select 1 from records where ({sql}) is not null")
            described = con.execute(f"describe select {sql} as key from records").fetchall()
        except duckdb.Error as error:
            reason = re.split(r"\n\nLINE|\nDid you mean", str(error))[0].replace("\n", " ").strip()
            raise SpecError(
                f"key {text!r} does not fit the fields {', '.join(fields)} (all text): {reason};"
                f"{_did_you_mean(text)} besides DuckDB's functions there are"
                f" {', '.join(sorted(KEY_FUNCTIONS))}"
            ) from error
    return str(described[0][1]).endswith("]")  # VARCHAR[], and VARCHAR[2] of a fixed length
