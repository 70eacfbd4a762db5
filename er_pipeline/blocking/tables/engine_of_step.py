"""The engine of a step: DuckDB, or the dataset's cluster where the step's place is there."""

from collections.abc import Iterator
from contextlib import contextmanager

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.step import Step

# What all other tables of a dataset follow from.
RECORDS = "cleaned_records"


@contextmanager
def engine_of(
    step: Step, lake: Lake, threads: int | None = None, memory_limit: str | None = None
) -> Iterator[Engine]:
    """Open the engine that a step runs on.

    threads, memory_limit: of DuckDB, as `DuckDBEngine` takes them.
    Raises BudgetError, before anything runs, if the driver would have to take on more than the
    cluster's settings allow, and LakeError if there is no session.
    """
    if step.cluster is None:
        with DuckDBEngine(threads, memory_limit, lake.spill) as engine:
            yield engine
        return
    computes_keys_there = step.place == "cluster" and step.cluster.in_executors
    if RECORDS in step.reads and lake.has(RECORDS) and not computes_keys_there:
        step.cluster.check_records(step.name, int(lake.facts(RECORDS)["records"]))
    if step.name == RECORDS and step.cluster.in_executors:
        from er_pipeline.blocking.tables.engine_cleaning import CleaningEngine

        with CleaningEngine(step.cluster, lake.spill, threads, memory_limit) as cleaning:
            yield cleaning
        return
    if step.place == "driver":
        step.cluster.check_tables(step.name, lake, step.reads)
        with DuckDBEngine(threads, memory_limit, lake.spill) as engine:
            yield engine
        return
    from er_pipeline.blocking.tables.engine_spark import SparkEngine

    with SparkEngine(step.cluster, lake.spill, threads, memory_limit) as engine_of_cluster:
        yield engine_of_cluster
