"""Name marks: where Null, Nan or NA is a name or a code, and where it says that nothing is there.

A word that is also a name of people, or the code of Namibia, is judged by its column and source. As
a name it is a mark of no value if

- its case is not that of the column's names: NULL or nan among Ann and Bob; NaN always;
- the source writes the very same in a column that cannot hold it as a value: a date, an e-mail;
- one record has it in two names, or it stands three times as often as any name of the column.

The last rule is for what machines write (NULL, nan), never for Null, as people spell their name.
Of NA, a code is what stands in a column of two-letter codes that are not those of US states.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.values.folded_text import word_set
from er_pipeline.blocking.values.null_marks import COUNTRY_TOO, MARK_WORDS, NAMES_TOO, QUOTES

NAME_KINDS = ("person_name",)
_CODE_KINDS = ("text", "identifier")
_LONGEST_WORD = 16  # bytes, quotes and blanks included
_LEAST_LIKE_IT = 0.05  # share of a column's values that are spelled in the same case
_LEAST_CODES = 3  # distinct ones
_MOST_OTHERS = 0.1  # share of distinct values that are no codes, or no states
_TIMES_THE_COMMONEST = 3
_LEAST_REPEATED = 10  # records, for the rule of frequency
_STATES = word_set("""
    AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM
    NY NC ND OH OK OR PA PR RI SC SD TN TX UT VT VA WA WV WI WY AB BC MB NB NL NS NT NU ON PE QC SK
    YT
    """)


@dataclass(frozen=True)
class Candidate:
    """A word that may be a mark: its field and source, its spelling, and how often it stands."""

    field: str
    source_no: int
    spelling: str
    n_records: int


@dataclass(frozen=True)
class NameMarks:
    """What was decided: the spellings of a field and source that are marks, and that are values."""

    marks: frozenset[tuple[str, int, str]]
    kept: frozenset[tuple[str, int, str]]


def name_marks(engine: Engine, table: str, field_kinds: Mapping[str, str]) -> NameMarks:
    """Judge every word of every field that may be a mark or a value.

    table: of the engine, with source_no and the fields as texts.
    """
    found = list(_candidates(engine, table, list(field_kinds)))
    kept = {
        (word.field, word.source_no, word.spelling)
        for word in found
        if word.spelling.lower() == COUNTRY_TOO
        and field_kinds[word.field] in _CODE_KINDS
        and _stands_among_codes(engine, table, word)
    }
    witnesses = {
        (word.source_no, word.spelling)
        for word in found
        if field_kinds[word.field] not in NAME_KINDS
        and (word.field, word.source_no, word.spelling) not in kept
    }
    kept = {
        (field, no, spelling) for field, no, spelling in kept if (no, spelling) not in witnesses
    }
    names = [
        word
        for word in found
        if field_kinds[word.field] in NAME_KINDS and word.spelling.lower() in NAMES_TOO
    ]
    fields = [field for field, kind in field_kinds.items() if kind in NAME_KINDS]
    columns = sorted({(word.field, word.source_no) for word in names})
    cases = {column: _cases_of(engine, table, *column) for column in columns}
    marks = {
        (word.field, word.source_no, word.spelling)
        for word in names
        if (word.source_no, word.spelling) in witnesses
        or _is_mark_among_names(engine, table, word, fields, cases[word.field, word.source_no])
    }
    return NameMarks(frozenset(marks), frozenset(kept))


def bare_sql(column: str) -> str:
    """Write a value without the quotes and blanks around it."""
    return f"trim({column}, {literal(QUOTES + ' ' + chr(9))})"


def _candidates(engine: Engine, table: str, fields: list[str]) -> Iterator[Candidate]:
    # Every quoted word is listed: to take the quotes off a million values costs four times as much.
    written = [quote + word + quote for quote in ("", '"', "'") for word in MARK_WORDS | NAMES_TOO]
    words = ", ".join(literal(word) for word in sorted(written))
    selects = [
        f"select {literal(field)} as field, source_no, {bare_sql(quoted(field))} as spelling,"
        f" count(*) as n from {table} where strlen({quoted(field)}) <= {_LONGEST_WORD}"
        f" and lower(trim({quoted(field)})) in ({words}) group by all"
        for field in fields
    ]
    for row in engine.rows(f"{' union all '.join(selects)} order by all"):
        yield Candidate(*row)


def _values_beside(table: str, field: str, source_no: int) -> str:
    """Write the query of a column's distinct values that are no such word, with their records."""
    column = bare_sql(quoted(field))
    words = ", ".join(literal(mark) for mark in sorted(MARK_WORDS | NAMES_TOO))
    distinct = (
        f"select {quoted(field)}, count(*) as n from {table} where source_no = {source_no}"
        f" and {quoted(field)} is not null group by {quoted(field)}"
    )
    return (
        f"select {column} as v, n from ({distinct})"
        f" where {column} <> '' and lower({column}) not in ({words})"
    )


def _stands_among_codes(engine: Engine, table: str, word: Candidate) -> bool:
    states = ", ".join(literal(state) for state in sorted(_STATES))
    beside = _values_beside(table, word.field, word.source_no)
    n_values, n_codes, n_states = engine.row(
        "select count(*), count(*) filter (regexp_full_match(v, '[A-Za-z]{2}')),"
        f" count(*) filter (upper(v) in ({states})) from ({beside})"
    )
    most = (1 - _MOST_OTHERS) * n_values
    return bool(n_codes >= _LEAST_CODES and n_codes >= most and n_states < most)


@dataclass(frozen=True)
class _Cases:
    """The records of a column's values by their case, and those of its commonest value."""

    n_records: int
    n_upper: int
    n_lower: int
    n_commonest: int


def _cases_of(engine: Engine, table: str, field: str, source_no: int) -> _Cases:
    row = engine.row(
        "select coalesce(sum(n), 0), coalesce(sum(n) filter (v = upper(v) and v <> lower(v)), 0),"
        " coalesce(sum(n) filter (v = lower(v) and v <> upper(v)), 0), coalesce(max(n), 0)"
        f" from ({_values_beside(table, field, source_no)})"
    )
    return _Cases(*map(int, row))


def _is_mark_among_names(
    engine: Engine, table: str, word: Candidate, fields: list[str], cases: _Cases
) -> bool:
    if word.spelling.istitle():
        return False
    if not (word.spelling.isupper() or word.spelling.islower()):
        return True
    n_alike = cases.n_upper if word.spelling.isupper() else cases.n_lower
    if n_alike <= _LEAST_LIKE_IT * cases.n_records:
        return True
    if word.n_records >= max(_LEAST_REPEATED, _TIMES_THE_COMMONEST * cases.n_commonest):
        return True
    others = " or ".join(
        f"{bare_sql(quoted(field))} = {literal(word.spelling)}"
        for field in fields
        if field != word.field
    )
    (n_twice,) = engine.row(
        f"select count(*) from {table} where source_no = {word.source_no}"
        f" and {bare_sql(quoted(word.field))} = {literal(word.spelling)} and ({others or 'false'})"
    )
    return bool(n_twice)
