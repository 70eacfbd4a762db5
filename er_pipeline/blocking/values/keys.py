"""Keys and conjunctions of keys: what two records must share to be compared."""

from collections.abc import Callable
from dataclasses import dataclass, field

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.values.key_functions import KEY_FUNCTIONS

# One text per member of the conjunction, put together so that equal texts mean equal members: a
# member of its full, known width stands bare (so John Smith's name_key reads "smij"), any other is
# closed by this mark.
MEMBER_END = "|"


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
    written_out: the same over the fields alone, whatever its spelling: functions of SQL in SQL,
    those of Python by name, as in soundex(last_name). Keys that differ in it compute other values.
    source_columns: the fields it reads, by name.
    width: number of characters of every full result, where known ("smi" of left(last_name, 3)).
    """

    expression: str
    sql: str
    written_out: str
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
    def identity(self) -> list[str]:
        """What the conjunction computes, whatever its name and spelling: its keys written out."""
        return [key.written_out for key in self.keys]

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Every field that any of the keys reads."""
        return tuple(sorted({column for key in self.keys for column in key.source_columns}))

    @property
    def is_list(self) -> bool:
        """Whether a record can have several keys."""
        return any(key.is_list for key in self.keys)

    def keyed_records(self, engine: Engine, records: str) -> str:
        """Return the query that gives (record_no, record_id, source, source_no, block_key).

        One row per record and key; a record whose key has a NULL or blank member has no row.
        records: name of a table of the engine with the cleaned records. Runs the Python functions
        over the distinct values of their arguments, as tables _lookup_... of the engine. The keys
        are DuckDB's expressions on every engine: one on a cluster computes them here and now, and
        may fail on a value.
        """
        ids = ("record_no", "record_id", "source", "source_no")
        return engine.record_wise(records, [*ids, *self.source_columns], self._keyed_sql)

    def _keyed_sql(self, engine: Engine, records: str) -> str:
        relation = records
        for lookup in self.lookups:
            engine.map_distinct(
                lookup.column,
                f"select {lookup.argument_sql} from {relation}",
                _call_of(lookup),
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


def _call_of(lookup: Lookup) -> Callable[[str], str | None]:
    call = KEY_FUNCTIONS[lookup.function].call
    assert call, f"{lookup.function}() is written out in SQL"
    return call


def _one_row_per_element(sql: str) -> str:
    # Distinct once trimmed: "a a" has the q-grams "a " and " a", which are one key.
    trimmed = f"list_transform({sql}, lambda _v: trim(cast(_v as varchar)))"
    return f"unnest(list_distinct({trimmed}))"
