"""Executors: what follows from one record, or one value, computed by DuckDB in a cluster's tasks.

DuckDB's expressions and our functions of Python are sent by name, so the executors need this
package, the libraries that it calls, and the same versions of them. What takes a whole column to
decide is decided before, on the driver, and sent along as settings.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError, first_line
from er_pipeline.blocking.tables.stamps import code_version

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.connect.session import SparkSession

# Rows that a task computes at once, at most, and the bytes of theirs: a task of long texts stays
# below some hundred megabytes.
ROWS_AT_ONCE = 100_000
BYTES_AT_ONCE = 64 << 20
SPARK_TYPES = {
    "VARCHAR": "string",
    "TINYINT": "byte",
    "SMALLINT": "short",
    "INTEGER": "int",
    "BIGINT": "long",
    "FLOAT": "float",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
}
# What computes keys and clean values: our modules, with all that they import of ours, and others'.
CODE = ("er_pipeline.blocking.values.keys", "er_pipeline.blocking.values.cleaning")
LIBRARIES = (
    *("duckdb", "anyascii", "cleanco", "cologne_phonetics", "jellyfish", "metaphone"),
    *("phonenumbers", "python-stdnum"),
)
# Around an error of DuckDB's in what Spark says of a failed task.
MARK = "er_pipeline_failed"

Query = Callable[[Engine, str], str]


class Executors:
    """The tasks of one session.

    Raises LakeError if the executors lack this package, or have other versions.
    """

    def __init__(self, session: "SparkSession") -> None:
        """Ask a task what it has, once in a session."""
        if session.session_id in _fitting:
            return
        differing = differences(_versions(CODE, LIBRARIES), _versions_there(session))
        if differing:
            listed = ", ".join(differing)
            raise LakeError(f"engine: spark: the executors have {listed}; {_WHAT_TO_DO}")
        _fitting.add(session.session_id)

    def computed(self, frame: "DataFrame", query: Query) -> "DataFrame":
        """Return the rows that follow from each row of a frame alone.

        query: as `Engine.record_wise` takes it; it can be pickled.
        """
        empty = frame.limit(0).toArrow()
        with DuckDBEngine(1) as engine:
            engine.put("records", empty)
            sql = query(engine, "records")
            columns = engine.described(sql)
            schema = engine.arrow(f"select * from ({sql}) limit 0").schema
        ddl = ", ".join(
            f"`{name.replace('`', '``')}` {_spark_type(kind)}" for name, kind in columns
        )

        def compute(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
            yield from computed_batches(batches, query, schema)

        return frame.mapInArrow(compute, ddl)


def computed_batches(
    batches: Iterable[pa.RecordBatch], query: Query, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Compute a query over rows that arrive in batches: the work of one task."""
    try:
        with DuckDBEngine(1) as engine:
            for table in _gathered(batches):
                engine.put("records", table)
                sql = query(engine, "records")
                yield from engine.arrow(sql).cast(schema).to_batches()
    except duckdb.Error as error:
        said = json.dumps([type(error).__name__, str(error)])
        raise RuntimeError(f"{MARK}{said}{MARK}") from error


def mapped_values(call: Callable[[str], str | None], kept: str) -> Query:
    """Return the query of `Engine.map_distinct` over a column v of distinct values."""

    def query(engine: Engine, values: str) -> str:
        engine.map_distinct("mapped_values", f"select v from {values}", call, kept)
        return "select value, result from mapped_values"

    return query


def raise_as_here(error: Exception) -> None:
    """Raise what DuckDB said in a task, as if it had been said on the driver."""
    found = re.search(f"{MARK}(.*?){MARK}", str(error), re.DOTALL)
    if found:
        kind, text = json.loads(found[1])
        raise getattr(duckdb, kind, duckdb.Error)(text) from error


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Put batches together: servers send a thousand to ten thousand rows at a time."""
    waiting: list[pa.RecordBatch] = []
    n_rows = n_bytes = 0
    for batch in batches:
        waiting.append(batch)
        n_rows, n_bytes = n_rows + batch.num_rows, n_bytes + batch.nbytes
        if n_rows >= ROWS_AT_ONCE or n_bytes >= BYTES_AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting, n_rows, n_bytes = [], 0, 0
    if n_rows:
        yield pa.Table.from_batches(waiting)


def _spark_type(kind: str) -> str:
    if kind not in SPARK_TYPES:
        raise LakeError(f"executors compute no column of type {kind}; cast it to a simple type")
    return SPARK_TYPES[kind]


_fitting: set[str] = set()  # sessions whose executors have all that is needed

_WHAT_TO_DO = (
    "spark: in_executors needs this package on the cluster, at the driver's versions (see"
    " `er-pipeline docs spark`); install it there, or leave in_executors out, so that the driver"
    " computes the keys"
)


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """List what the executors have in other versions than the driver."""
    differing = [name for name, version in ours.items() if theirs.get(name) != version]
    listed = [
        "other code of this package"
        if name in CODE
        else f"{name} {theirs.get(name)} instead of {ours[name]}"
        for name in differing
    ]
    return list(dict.fromkeys(listed))


def _versions(modules: tuple[str, ...], libraries: tuple[str, ...]) -> Mapping[str, str]:
    """List what keys and clean values depend on, as it is here."""
    code = {module: code_version(module) for module in modules}
    return code | {name: metadata.version(name) for name in libraries}


def _said_versions(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    for _ in batches:
        said = json.dumps(_versions(CODE, LIBRARIES))
        yield pa.RecordBatch.from_pydict({"said": [said]})


def _versions_there(session: "SparkSession") -> Mapping[str, str]:
    try:  # sent by its name, so that the first thing missing is this package
        (said,) = session.range(1).mapInArrow(_said_versions, "said string").toArrow()["said"]
        found: Mapping[str, str] = json.loads(said.as_py())
        return found
    except Exception as error:
        missing = re.search(r"No module named '[^']+'", str(error))
        reason = missing[0] if missing else first_line(error)
        raise LakeError(f"engine: spark: the executors answer: {reason}; {_WHAT_TO_DO}") from error
