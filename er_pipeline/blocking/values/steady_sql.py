"""Steady SQL: an expression that gives the same value every night, and a value of bounded size.

DuckDB itself parses the expression and says which of its functions are consistent. What is neither
a column, a constant nor such a function is refused, so what nobody has thought of is, too.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

import duckdb

from er_pipeline.blocking.tables.errors import SpecError, first_line

# Everything an expression may consist of, as DuckDB's parser calls it.
ALLOWED = frozenset(
    name
    for line in (
        "BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA",
        "LAMBDA_REF OPERATOR TYPE",
    )
    for name in line.split()
)
# A cast to a time with a zone reads and writes it in the zone of the machine.
ZONED = frozenset({"timestamp with time zone", "time with time zone", "timestamptz", "timetz"})
ZONED_FUNCTIONS = ("to_timestamp", "make_timestamptz", "timezone")
# The engine's own version: other tables after an upgrade.
UNSTEADY_CONSTANTS = ("version",)
# How many elements or characters an expression may make out of one: 10,000 of them for each of a
# million records are 10 GB already.
MOST_GROWTH = 10_000
# Characters of a long value, which length() and the like may count up to.
LONG_VALUE = 500
# Of a replacement that is computed, and of a list within a list.
ASSUMED_GROWTH = 100
# Functions that make as many elements or characters as an argument says, and which one it is.
SIZED: Mapping[str, int | None] = {
    "range": None,  # the largest of them
    "generate_series": None,
    "repeat": 1,
    "lpad": 1,
    "rpad": 1,
    "list_resize": 1,
    "array_resize": 1,
    "bitstring": 1,
    "bar": 3,
}
REPLACING = ("replace", "regexp_replace")
COUNTING = frozenset(
    name
    for line in (
        "length len char_length character_length strlen bit_length octet_length array_length",
        "list_count json_array_length position strpos instr list_position array_position",
        "levenshtein hamming",
    )
    for name in line.split()
)
# What keeps a number about as large as its first argument.
KEEPING = ("-", "/", "//", "%", "abs", "floor", "ceil", "ceiling", "round", "trunc", "mod")
LARGEST = ("greatest", "coalesce", "if", "ifnull", "nullif")


def check_steady(text: str, sql: str, what: str, columns: Collection[str]) -> None:
    """Refuse an expression whose value may change from night to night, or be of any size.

    text: as the user wrote it. sql: the same as DuckDB reads it. what: what messages call it.
    columns: names that it may read.
    Raises SpecError that names the part and what to write instead.
    """
    names = {name.lower() for name in columns}
    tree = _parsed(text, sql, what)
    for node in _nodes(tree):
        kind = node["class"]
        if kind == "POSITIONAL_REFERENCE":
            raise SpecError(
                f"{what} {text!r}: #{node.get('index', '')} counts columns, whose order is not"
                " yours; write the name of the field"
            )
        if kind == "FUNCTION":
            _check_function(text, what, str(node["function_name"]), len(_arguments(node)))
        elif kind not in ALLOWED:
            raise SpecError(
                f"{what} {text!r} must be an expression over fields, constants and functions:"
                f" it holds a {kind.lower().replace('_', ' ')}"
            )
        if kind in ("CAST", "TYPE") and _type_name(node) in ZONED:
            raise SpecError(_zoned(text, what))
        if kind == "COLUMN_REF":
            name = str(node["column_names"][-1])
            if name.lower() not in names and _is_session_word(name):
                raise SpecError(_unsteady(text, what, name))
    growth, culprit = _growth(tree)
    if growth > MOST_GROWTH:
        size = f"{growth:,.0f}" if growth < float("inf") else "any number of"
        raise SpecError(
            f"{what} {text!r}: {culprit} may make {size} characters or elements of one value, and"
            f" {MOST_GROWTH:,} are the most; write a smaller number, or least(…, 100)"
        )


def _zoned(text: str, what: str) -> str:
    return (
        f"{what} {text!r} must give the same value on every machine: a time with a zone depends on"
        " that of the machine; cast to timestamp or date"
    )


def _unsteady(text: str, what: str, name: str) -> str:
    return f"{what} {text!r} must give the same value every night: {name!r} does not"


@lru_cache(maxsize=4096)
def _parsed(text: str, sql: str, what: str) -> Any:
    with parsing_database().cursor() as con:
        try:
            # The line end closes a comment at the end of the expression.
            rows = con.execute("select json_serialize_sql(?)", [f"select {sql}\n"]).fetchall()
        except duckdb.Error as error:
            raise SpecError(
                f"{what} {text!r} is not a SQL expression: {first_line(error)}"
            ) from error
    read = json.loads(rows[0][0])
    reason = str(read.get("error_message"))[:200]
    if read.get("error") and "Only SELECT" not in reason:
        raise SpecError(f"{what} {text!r} is not a SQL expression: {reason}")
    statements = read.get("statements", [])
    selected = statements[0]["node"].get("select_list", []) if len(statements) == 1 else []
    if len(selected) != 1 or _has_more(statements[0]["node"]):
        raise SpecError(f"{what} {text!r} must be one expression, not a statement or several")
    return selected[0]


def _has_more(select: Mapping[str, Any]) -> bool:
    """Return whether a select is more than its list: from, where, group by, ..."""
    source = select.get("from_table") or {}
    return bool(
        source.get("type", "EMPTY") != "EMPTY"
        or any(select.get(part) for part in ("where_clause", "having", "qualify", "modifiers"))
    )


@cache  # opening one takes thirty times as long as parsing an expression
def parsing_database() -> duckdb.DuckDBPyConnection:
    """Open the empty database that expressions are parsed and tried in; use its cursors."""
    return duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": "false"})


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            if "class" in part:
                yield part
            waiting += part.values()


def _check_function(text: str, what: str, name: str, n_arguments: int) -> None:
    if name.lower() in ZONED_FUNCTIONS:
        raise SpecError(_zoned(text, what))
    is_since_today = name.lower() == "age" and n_arguments == 1
    if is_since_today or not _is_steady(name.lower(), ()):
        raise SpecError(_unsteady(text, what, f"{name}()"))


@cache
def _stabilities() -> Mapping[str, set[str]]:
    """Return function -> the stabilities of its overloads."""
    found: dict[str, set[str]] = {}
    with parsing_database().cursor() as con:
        for name, stability in con.execute(
            "select function_name, stability from duckdb_functions()"
            " where function_type in ('scalar', 'aggregate')"
        ).fetchall():
            found.setdefault(str(name).lower(), set()).add(str(stability))
    return found


@cache
def _macros() -> Mapping[str, list[tuple[str, tuple[str, ...]]]]:
    """Return macro -> the definition and parameters of each of its overloads."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    with parsing_database().cursor() as con:
        for name, sql, parameters in con.execute(
            "select function_name, macro_definition, parameters from duckdb_functions()"
            " where function_type = 'macro'"
        ).fetchall():
            overloads = found.setdefault(str(name).lower(), [])
            overloads.append((str(sql), tuple(parameters or ())))
    return found


def _is_steady(name: str, within: tuple[str, ...]) -> bool:
    """Return whether a function gives the same for the same; true of one that DuckDB lacks.

    Functions with an overload for times with a zone are mixed; such times are refused themselves.
    within: the macros it stands in, so that none is read in a circle.
    """
    # What PostgreSQL would say of itself: catalogs, processes and privileges.
    if name in UNSTEADY_CONSTANTS or name.startswith(
        ("pg_", "has_", "inet_", "current_", "session_")
    ):
        return False
    macros = _macros().get(name)
    if macros is None or name in within:
        stabilities = _stabilities().get(name)
        return stabilities is None or "CONSISTENT" in stabilities
    # A macro without parameters speaks of the session: user, current_catalog
    return all(
        bool(parameters) and _is_steady_macro(sql, parameters, (*within, name))
        for sql, parameters in macros
    )


def _is_steady_macro(sql: str, parameters: tuple[str, ...], within: tuple[str, ...]) -> bool:
    try:
        tree = _parsed(sql, sql, "macro")
    except SpecError:
        return False
    known = {parameter.lower() for parameter in parameters}
    for node in _nodes(tree):
        kind = node["class"]
        if kind == "FUNCTION" and not _is_steady(str(node["function_name"]).lower(), within):
            return False
        if kind == "COLUMN_REF":
            name = str(node["column_names"][-1]).lower()
            if name not in known and _is_session_word(name):
                return False
        if kind not in ALLOWED:
            return False
    return True


@cache
def _is_session_word(name: str) -> bool:
    """Return whether DuckDB takes a name without brackets for a function: current_date, user."""
    with parsing_database().cursor() as con:
        try:
            con.execute(f"describe select {name}")
        except duckdb.Error:
            return False
    return True


def _growth(tree: Any, n_lambdas: int = 0) -> tuple[float, str]:
    """Return how many times larger than its values an expression can be, and what makes it so."""
    growth, culprit, largest = 1.0, "it", 1.0

    def grow(factor: float, name: str) -> None:
        nonlocal growth, culprit, largest
        growth *= factor
        if factor > largest:
            culprit, largest = f"{name}()", factor

    for node, depth in _with_lambda_depth(tree):
        if node["class"] == "LAMBDA" and depth > 0:
            grow(ASSUMED_GROWTH, "a lambda within a lambda")
        if node["class"] != "FUNCTION":
            continue
        name, arguments = str(node["function_name"]).lower(), _arguments(node)
        if name in SIZED:
            place = SIZED[name]
            sizes = arguments if place is None else arguments[place : place + 1]
            grow(max(1.0, max(map(_largest, sizes), default=1.0)), name)
        elif name in REPLACING and len(arguments) >= 3:
            grow(_replacement_growth(arguments), name)
        elif name in ("format", "printf") and arguments:
            grow(_width_of_format(arguments[0]), name)
    return growth, culprit


def _with_lambda_depth(tree: Any) -> Iterator[tuple[Mapping[str, Any], int]]:
    waiting: list[tuple[Any, int]] = [(tree, 0)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, list):
            waiting += [(other, depth) for other in part]
        elif isinstance(part, dict):
            if "class" in part:
                yield part, depth
                depth += part["class"] == "LAMBDA"
            waiting += [(other, depth) for other in part.values()]


def _replacement_growth(arguments: list[Any]) -> float:
    new, old = _text(arguments[2]), _text(arguments[1])
    if new is None:
        return ASSUMED_GROWTH
    return max(1.0, len(new) / max(1, len(old or "")))


def _width_of_format(pattern: Any) -> float:
    """Return the largest number in a format, which may be a width."""
    text = _text(pattern)
    if text is None:
        return float("inf")
    digits = "".join(letter if letter.isdigit() else " " for letter in text).split()
    return max([1.0, *(float(number[:30]) for number in digits)])


def _arguments(node: Mapping[str, Any]) -> list[Any]:
    """List what a function is called with; DuckDB 2 keeps the names of arguments with them."""
    if "arguments" in node:
        return [argument["expression"] for argument in node["arguments"]]
    return list(node.get("children") or [])


def _type_name(node: Mapping[str, Any]) -> str:
    """Return the name of the type of a cast, in small letters."""
    if "cast_type" in node:  # before DuckDB 2
        return str(node["cast_type"]["id"]).lower()
    return str(node.get("type_expr", node).get("type_name", "")).lower()


def _text(node: Mapping[str, Any]) -> str | None:
    """Return a constant as text; None for NULL and whatever is no constant."""
    if node.get("class") != "CONSTANT":
        return None
    is_read_by_2 = "literal" in node  # before DuckDB 2, a constant had a typed value
    text = node["literal"].get("text") if is_read_by_2 else node["value"].get("value")
    return None if text is None else str(text)


def _largest(node: Any) -> float:
    """Return a bound of a number that an expression gives; infinite where it is read from data."""
    kind, children = node.get("class"), _arguments(node)
    if kind == "CONSTANT":
        text = _text(node) or "0"
        try:
            return abs(float(text))
        except ValueError:  # a text that is no number, of which DuckDB will say so, or a huge one
            return 1.0 if len(text) < 10 else float("inf")
    if kind == "CAST":
        return _largest(node["child"])
    if kind == "CASE":
        results = [check["then_expr"] for check in node["case_checks"]]
        return max(map(_largest, [*results, node["else_expr"]]))
    if kind == "OPERATOR" and node.get("type") == "OPERATOR_COALESCE":
        return max(map(_largest, children))
    if kind != "FUNCTION":
        return float("inf")
    name = str(node["function_name"]).lower()
    if name in COUNTING:
        return LONG_VALUE
    rules: Mapping[str, Callable[[list[float]], float]] = {
        "+": sum,
        "*": lambda sizes: sizes[0] * sizes[-1],
        "least": min,
        **dict.fromkeys(LARGEST, max),
        **dict.fromkeys(KEEPING, lambda sizes: sizes[0]),
    }
    if name not in rules or not children:
        return float("inf")
    return rules[name]([_largest(child) for child in children])
