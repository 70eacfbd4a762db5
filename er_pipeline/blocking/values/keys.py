"""Keys: a SQL expression over cleaned fields, in DuckDB's dialect, plus a few functions of its own.

A key is parsed once. Its source columns are read from the parsed expression. Functions that SQL
can say are written out in SQL (`SQL_KEY_FUNCTIONS`); those that need Python (`soundex`, `nickname`,
...) run over the distinct values of their argument and are joined back, so that
`soundex(first_word(last_name))` costs one call per distinct word.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, lru_cache

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, TokenError

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, quoted
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.values.key_functions import FREE_MAIL_DOMAINS, PYTHON_KEY_FUNCTIONS

# One text per member of the conjunction, put together so that equal texts mean equal members: a
# member of its full, known width stands bare (so John Smith's name_key reads "smij"), any other is
# closed by this mark.
MEMBER_END = "|"

# What each function gives, in SQL. {0} is its argument, {1} its second one.
SQL_KEY_FUNCTIONS: dict[str, tuple[int, str, str]] = {
    "email_domain": (
        1,
        "case when split_part({0}, '@', 2) in ({free_mail}) then null"
        " else split_part({0}, '@', 2) end",
        "domain of an e-mail address; free-mail domains give no key",
    ),
    "email_user": (1, "split_part({0}, '@', 1)", "user of an e-mail address"),
    "email_letters": (
        1,
        "regexp_replace(split_part({0}, '@', 1), '[^a-z]', '', 'g')",
        "letters of its user: the same whichever provider, number or dot",
    ),
    "first_word": (1, "split_part({0}, ' ', 1)", "first word"),
    "initials": (
        1,
        "regexp_replace({0}, '([^ ])[^ ]* ?', '\\1', 'g')",
        "first letter of every word",
    ),
    "digits": (1, "regexp_replace({0}, '[^0-9]', '', 'g')", "the digits, in order"),
    "year": (1, "substr({0}, 1, 4)", "year of a date"),
    "either_order": (
        2,
        "case when {0} < {1} then {0} || ' ' || {1} else {1} || ' ' || {0} end",
        "two values, whichever stands first: john, smith and smith, john are one key",
    ),
    "tokens": (1, "string_split({0}, ' ')", "every word: several keys per record"),
    "qgrams": (
        2,
        "list_transform(generate_series(1, greatest(length({0}) - {1} + 1, 1)),"
        " lambda _i: substr({0}, _i, {1}))",  # no field begins with _
        "every run of q characters: several keys per record",
    ),
}
OWN_FUNCTIONS = {*SQL_KEY_FUNCTIONS, *PYTHON_KEY_FUNCTIONS}
# Functions whose results always have this many characters.
FIXED_WIDTHS = {"soundex": 4}
# Functions whose results change from night to night: those that duckdb_functions() calls other than
# CONSISTENT, and SQL's own names for the time.
UNSTEADY_FUNCTIONS = frozenset(
    name
    for line in (
        "age current_date current_time current_timestamp localtime localtimestamp now today",
        "get_current_time get_current_timestamp transaction_timestamp txid_current random rand",
        "setseed gen_random_uuid uuid uuidv4 uuidv7 nextval currval setval getvariable",
        "current_setting current_query current_query_id current_transaction_id",
        "current_connection_id",
    )
    for name in line.split()
)


class KeyDialect(DuckDB):
    """DuckDB's dialect with our own functions left as they are written."""

    class Parser(DuckDB.Parser):  # type: ignore[misc, valid-type]  # sqlglot hides that it is a class
        """Forgets what sqlglot believes about names such as soundex or year."""

        FUNCTIONS: Mapping[str, "Callable[..., exp.Expr]"] = {
            name: build
            for name, build in DuckDB.Parser.FUNCTIONS.items()
            if name.lower() not in OWN_FUNCTIONS
        }


@dataclass(frozen=True)
class Lookup:
    """A Python function over the distinct values of an argument, joined back as a column."""

    column: str
    function: str
    argument_sql: str


@dataclass(frozen=True)
class Key:
    """One member of a conjunction.

    expression: as the user wrote it.
    sql: the same over the cleaned fields and the columns of its lookups.
    source_columns: the fields it reads, by name.
    width: number of characters of every full result, where known ("smi" of left(last_name, 3)).
    """

    expression: str
    sql: str
    source_columns: tuple[str, ...]
    lookups: tuple[Lookup, ...]
    is_list: bool
    width: int | None


@dataclass(frozen=True)
class Conjunction:
    """Named keys that must all be equal: a strategy, a learned rule and a training rule are this.

    name: ends its table's name; an identifier.
    """

    name: str
    keys: tuple[Key, ...]
    lookups: tuple[Lookup, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Give the keys' lookups names of their own within this conjunction."""
        lookups = [lookup for key in self.keys for lookup in key.lookups]
        object.__setattr__(self, "lookups", tuple(dict.fromkeys(lookups)))

    @property
    def expression(self) -> str:
        """The conjunction as people read it."""
        return " and ".join(key.expression for key in self.keys)

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Every field that any of the keys reads."""
        return tuple(sorted({column for key in self.keys for column in key.source_columns}))

    @property
    def is_list(self) -> bool:
        """Whether a record can have several keys."""
        return any(key.is_list for key in self.keys)

    def keyed_records(self, engine: DuckDBEngine, records: str) -> str:
        """Write the query that gives (record_no, record_id, source, source_no, block_key).

        One row per record and key; a record whose key has a NULL or blank member has no row.
        records: name of a table of the engine with the cleaned records. Runs the Python functions
        over the distinct values of their arguments, as tables _lookup_... of the engine.
        """
        relation = records
        for lookup in self.lookups:
            engine.map_distinct(
                lookup.column,
                f"select {lookup.argument_sql} from {relation}",
                PYTHON_KEY_FUNCTIONS[lookup.function].call,
            )
            # _value, because the argument may name a field called value.
            relation = (
                f"(select r.*, l.{lookup.column} from {relation} as r"
                f" left join (select value as _value, result as {lookup.column}"
                f" from {lookup.column}) as l on l._value = {lookup.argument_sql})"
            )
        ids = "record_no, record_id, source, source_no"
        members = ", ".join(
            f"{_one_row_per_element(key.sql) if key.is_list else key.sql} as member_{i}"
            for i, key in enumerate(self.keys)
        )
        texts = ", ".join(
            f"nullif(trim(cast(member_{i} as varchar)), '') as member_{i}"
            for i in range(len(self.keys))
        )
        # Materialized, or DuckDB moves the filter into the scan and computes the keys there, row by
        # row: email_domain of a million records took 4.8 CPU s instead of 0.6.
        return (
            f"with members as materialized (select {ids}, {members} from {relation})"
            f" select {ids}, {self._joined_members()} as block_key"
            f" from (select {ids}, {texts} from members)"
            f" where {' and '.join(f'member_{i} is not null' for i in range(len(self.keys)))}"
        )

    def _joined_members(self) -> str:
        joined = []
        for i, key in enumerate(self.keys):
            text = f"member_{i}"
            if i == len(self.keys) - 1:
                joined.append(text)
                continue
            escaped = (
                f"replace(replace({text}, '\\', '\\\\'), '{MEMBER_END}', '\\{MEMBER_END}')"
                f" || '{MEMBER_END}'"
            )
            if key.width is not None:
                plain = (
                    f"length({text}) = {key.width} and strpos({text}, '\\') = 0"
                    f" and strpos({text}, '{MEMBER_END}') = 0"
                )
                escaped = f"case when {plain} then {text} else {escaped} end"
            joined.append(escaped)
        return " || ".join(joined)


def _one_row_per_element(sql: str) -> str:
    # Distinct once trimmed: "a a" has the q-grams "a " and " a", which are one key.
    trimmed = f"list_transform({sql}, lambda _v: trim(cast(_v as varchar)))"
    return f"unnest(list_distinct({trimmed}))"


def parse_conjunction(
    name: str,
    expressions: str | Sequence[str],
    fields: Collection[str],
    free_mail_domains: Collection[str] = (),
) -> Conjunction:
    """Read a conjunction of key expressions over the given fields.

    free_mail_domains: the user's own, besides `FREE_MAIL_DOMAINS`.
    Raises SpecError that says which expression is wrong, why, and which names exist.
    """
    expressions = [expressions] if isinstance(expressions, str) else list(expressions)
    if not expressions:
        raise SpecError(f"{name!r} has no key; write an expression such as left(last_name, 3)")
    free_mail = tuple(sorted({*FREE_MAIL_DOMAINS, *(d.lower() for d in free_mail_domains)}))
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
    try:
        tree = sqlglot.parse_one(text, dialect=KeyDialect)
    except (ParseError, TokenError) as error:
        reason = str(error).split("\n")[0].replace("\033[4m", "").replace("\033[0m", "")
        raise SpecError(f"key {text!r} is not a SQL expression: {reason}") from error
    _forbid(text, tree)
    columns = _source_columns(text, tree, fields)
    width = _width(tree)
    lookups: list[Lookup] = []

    def write_out(node: "exp.Expr") -> "exp.Expr":
        if not isinstance(node, exp.Anonymous):
            return node
        function = node.name.lower()
        if function in PYTHON_KEY_FUNCTIONS:
            _count_arguments(text, node, 1)
            if node.find_ancestor(exp.Lambda):
                raise SpecError(f"key {text!r}: {function}() cannot stand inside a lambda")
            lookup = Lookup(f"{prefix}_{len(lookups)}", function, _sql(node.expressions[0]))
            lookups.append(lookup)
            return exp.column(lookup.column)
        if function in SQL_KEY_FUNCTIONS:
            n_arguments, template, _ = SQL_KEY_FUNCTIONS[function]
            _count_arguments(text, node, n_arguments)
            arguments = [f"({_sql(argument)})" for argument in node.expressions]
            listed = ", ".join(exp.Literal.string(domain).sql() for domain in free_mail)
            return sqlglot.parse_one(
                template.format(*arguments, free_mail=listed), dialect="duckdb"
            )
        return node

    # Innermost first, so that an argument is plain SQL when its function is reached.
    tree = _transform_bottom_up(tree, write_out)
    sql = _sql(tree)
    return Key(
        expression=text,
        sql=sql,
        source_columns=columns,
        lookups=tuple(lookups),
        is_list=_result_is_list(text, sql, fields, tuple(lookups)),
        width=width,
    )


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
        if not UNSTEADY_FUNCTIONS.isdisjoint(_function_names(node)):
            raise SpecError(f"key {text!r} must give the same value every night: {_sql(node)!r}")


def _function_names(node: "exp.Expr") -> set[str]:
    if isinstance(node, exp.Anonymous):
        return {node.name.lower()}
    return {name.lower() for name in node.sql_names()} if isinstance(node, exp.Func) else set()


def _source_columns(text: str, tree: "exp.Expr", fields: tuple[str, ...]) -> tuple[str, ...]:
    by_lower = {name.lower(): name for name in fields}
    found = set()
    for node in tree.find_all(exp.Column):
        if _is_lambda_name(node):
            continue
        if node.table or node.name.lower() not in by_lower:
            raise SpecError(
                f"key {text!r} names an unknown column {_sql(node)!r};"
                f" the fields are {', '.join(fields)}"
            )
        found.add(by_lower[node.name.lower()])
    if not found:
        raise SpecError(f"key {text!r} reads no field; the fields are {', '.join(fields)}")
    return tuple(sorted(found))


def _is_lambda_name(column: exp.Column) -> bool:
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
    if isinstance(tree, exp.Anonymous):
        return FIXED_WIDTHS.get(tree.name.lower())
    return None


def _count_arguments(text: str, node: exp.Anonymous, expected: int) -> None:
    if len(node.expressions) != expected:
        raise SpecError(
            f"key {text!r}: {node.name}() takes {expected} argument{'s' * (expected > 1)},"
            f" not {len(node.expressions)}"
        )


def _did_you_mean(text: str) -> str:
    """Suggest our own function for a misspelled one."""
    for called in re.findall(r"(\w+)\s*\(", text):
        close = get_close_matches(called.lower(), OWN_FUNCTIONS, n=1)
        if close and called.lower() not in OWN_FUNCTIONS:
            return f" did you mean {close[0]}()?"
    return ""


@cache  # opening one takes thirty times as long as binding a key
def _empty_database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


@lru_cache(maxsize=4096)  # the same key stands in many rules
def _result_is_list(
    text: str, sql: str, fields: tuple[str, ...], lookups: tuple[Lookup, ...]
) -> bool:
    """Bind the expression on an empty table: DuckDB itself says what it does not know."""
    columns = [*fields, *(lookup.column for lookup in lookups)]
    declared = ", ".join(f"{quoted(column)} varchar" for column in columns)
    with _empty_database().cursor() as con:
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
                f" {', '.join(sorted(OWN_FUNCTIONS))}"
            ) from error
    return str(described[0][1]).endswith("]")  # VARCHAR[], and VARCHAR[2] of a fixed length
