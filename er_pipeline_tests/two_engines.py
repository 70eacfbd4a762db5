"""Two lakes of the same declaration, made by two engines: where their tables differ."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.cluster import Cluster
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.engine_of_step import RECORDS
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.step import Step
from er_pipeline.flow import flow, open_lake, run

SAIL = Cluster(is_local=True)
LOCAL = {"engine": "spark", "spark": {"local": True}}


def need_sail() -> None:
    """Skip the tests of a module where Sail is not installed."""
    reason = "needs Sail: pip install '.[sail]'"
    pytest.importorskip("pyspark.sql.connect.session", reason=reason, exc_type=ImportError)
    pytest.importorskip("pysail.spark", reason=reason, exc_type=ImportError)


def on_cluster(spec: PipelineSpec, **settings: Any) -> PipelineSpec:
    """Return the declaration with Sail as its engine; settings: of the section spark."""
    spark = {"local": True, **settings}
    return spec.changed({"engine": "spark", "spark": spark})


def made_by_both(
    spec: PipelineSpec, folder: Path, until: str = "unified_pairs", **settings: Any
) -> Iterator[tuple[Step, Lake, Lake]]:
    """Make tables with DuckDB, and those of the cluster's steps with Sail, step by step.

    Give every step of the cluster with both lakes, and that of the records, whose values may be
    cleaned there. What the driver makes is made by DuckDB in both. settings: of the section spark.
    """
    cluster = on_cluster(spec, **settings)
    lakes = open_lake(folder / "duckdb", spec), open_lake(folder / "sail", cluster)
    # Step by step in turn, so that neither engine sees another's tables.
    both = zip(
        run(flow(spec), lakes[0], until=until, threads=2),
        run(flow(cluster), lakes[1], until=until, threads=2),
        strict=True,
    )
    for (step, facts), (on, facts_on) in both:
        assert step.name == on.name
        assert facts == facts_on, f"facts of {step.name}"
        if on.place == "cluster" or on.name == RECORDS:
            yield on, *lakes
    shutil.rmtree(folder / "sail" / ".spill", ignore_errors=True)


def differing(lakes: tuple[Lake, Lake], table: str) -> str | None:
    """Say how a table of two lakes differs, as a bag of rows with the types of its columns."""
    with DuckDBEngine(threads=2) as engine:
        for name, lake in zip(("one", "other"), lakes, strict=True):
            engine.read_folder(lake.path(table), name)
        columns = [engine.described(f"select * from {name}") for name in ("one", "other")]
        if columns[0] != columns[1]:
            return f"{table} has the columns {columns[1]}, not {columns[0]}"
        only = [
            engine.row(f"select count(*) from (from {a} except all from {b})")[0]
            for a, b in (("one", "other"), ("other", "one"))
        ]
        return f"{table}: {only[0]} rows here alone, {only[1]} there" if any(only) else None
