"""Key failures: a key that cannot be computed for a value, named with the key and the value."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import SpecError, first_line
from er_pipeline.blocking.tables.printable import shown
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.values.keys import Conjunction, Key

# What DuckDB raises because of a value; a full disk or memory is no fault of a key.
OF_VALUES = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
    duckdb.ConstraintException,
    duckdb.NotImplementedException,
)


@contextmanager
def named_failures(
    engine: Engine, records: str, conjunctions: Sequence[Conjunction], what: str
) -> Iterator[None]:
    """Explain what a key raises on a value: which strategy, which key, which value, what to do.

    records: engine table that the keys are computed over, with record_no, record_id and source.
    what: what a conjunction is, as the error calls it: strategy, training rule.
    Raises SpecError instead of DuckDB's error, where a key is its cause.
    """
    try:
        yield
    except OF_VALUES as error:
        for conjunction in conjunctions:
            for key in conjunction.keys:
                _check_key(engine, records, f"{what} {conjunction.name!r}", key)
        raise error


def _check_key(engine: Engine, records: str, subject: str, key: Key) -> None:
    low, high = engine.row(f"select min(record_no), max(record_no) from {records}")
    if low is None or _reason(engine, records, key, low, high) is None:
        return
    while low < high:  # the first record that fails: each query reads half of the one before
        middle = (low + high) // 2
        if _reason(engine, records, key, low, middle) is None:
            low = middle + 1
        else:
            high = middle
    columns = ", ".join(quoted(column) for column in key.source_columns)
    record_id, source, *values = engine.row(
        f"select record_id, source, {columns} from {records} where record_no = {low} limit 1"
    )
    listed = ", ".join(
        f"{name} = {shown(value, 60)}"
        for name, value in zip(key.source_columns, values, strict=True)
    )
    raise SpecError(
        f"{subject}: key {key.expression!r} cannot be computed where {listed} (record"
        f" {shown(record_id, 60)} of {source}): {_reason(engine, records, key, low, low)};"
        " write try_cast(...) instead of a cast, or try(...) around it: such a record then has no"
        " key"
    )


def _reason(engine: Engine, records: str, key: Key, low: int, high: int) -> str | None:
    """Compute a key for some records; return what DuckDB says against it, None if nothing."""
    engine.make_view(
        "tried_records",
        f"select * from {records} where record_no between {low} and {high}",
    )
    try:
        keyed = Conjunction("tried", (key,)).keyed_records(engine, "tried_records")
        engine.row(f"select count(block_key) from ({keyed})")
    except OF_VALUES as error:
        return first_line(error)
    return None
