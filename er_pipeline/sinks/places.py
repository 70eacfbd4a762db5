"""Places: what `publish` declares, as sinks; what would go where, and what does."""

import os
from collections.abc import Iterator, Sequence

from er_pipeline.blocking.records.remote_files import is_remote
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.publish_section import PublishPlace
from er_pipeline.blocking.spec.settings import Problem, resolved_url
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import SinkError, SpecError, did_you_mean
from er_pipeline.blocking.tables.files import files_of_mode
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.run_metrics import RUN_METRICS
from er_pipeline.blocking.tables.step import Step
from er_pipeline.sinks.contents import Content, contents_of
from er_pipeline.sinks.database_sink import DatabaseSink
from er_pipeline.sinks.ducklake_sink import DuckLakeSink
from er_pipeline.sinks.parquet_sink import ParquetSink
from er_pipeline.sinks.remote_parquet_sink import RemoteParquetSink
from er_pipeline.sinks.sink import Sink


def sink_of(spec: PipelineSpec, place: PublishPlace) -> Sink:
    """Return the sink of a place; nothing is opened yet.

    Raises SinkError if its URL is not set or cannot be used.
    """
    if place.parquet and is_remote(place.parquet):
        return RemoteParquetSink(place.parquet, spec.dataset)
    if place.parquet:
        return ParquetSink(spec.resolved(place.parquet), spec.dataset, place.file_size)
    if place.ducklake:
        metadata = place.ducklake.get_secret_value()
        return DuckLakeSink(metadata, spec.dataset, place.schema_name, place.data_path, spec.folder)
    return DatabaseSink(resolved_url(_url(place), spec.folder), spec.dataset, place.schema_name)


def write_place(
    spec: PipelineSpec, lake: Lake, place: PublishPlace, *, again: bool = False
) -> dict[str, int] | None:
    """Write what the catalog shows to a place; return the rows of each table.

    None if the place holds these very tables already, unless they are to be written again.
    Raises SinkError if it cannot be written; it is then as it was, and so is the lake.
    """
    sink, contents = sink_of(spec, place), contents_of(lake, place.tables)
    with (
        DuckDBEngine(spec.threads, spec.memory_limit, lake.spill) as engine,
        files_of_mode(spec.lake.file_mode),
    ):
        if not again and sink.is_current(engine, contents):
            return None
        return sink.write(engine, contents)


def is_current(spec: PipelineSpec, lake: Lake, place: PublishPlace) -> bool:
    """Say whether a place holds what the catalog shows; not so if it cannot be looked at."""
    try:
        with DuckDBEngine(spec.threads, spec.memory_limit) as engine:
            return sink_of(spec, place).is_current(engine, contents_of(lake, place.tables))
    except SinkError:
        return False


def version_of(contents: Sequence[Content]) -> str:
    """Return what stands for the contents of a place."""
    return " ".join(content.stamp for content in contents)


def place_problems(spec: PipelineSpec, steps: Sequence[Step]) -> Iterator[Problem]:
    """List the tables of places that the dataset does not have, each with those that it has."""
    views = [table.name for step in steps for table in step.writes if table.view]
    views = sorted({*views, RUN_METRICS.name})
    for i, place in enumerate(spec.publish):
        for j, table in enumerate(place.tables):
            if table not in views:
                near = did_you_mean(table, views)
                yield (
                    ("publish", i, "tables", j),
                    f"the dataset has no table {table!r};{near} there are {', '.join(views)}",
                )


def check_places(spec: PipelineSpec, steps: Sequence[Step]) -> None:
    """Raise SpecError if a place is to get a table that the dataset does not have."""
    found = [f"{'.'.join(map(str, where))}: {text}" for where, text in place_problems(spec, steps)]
    if found:
        raise SpecError("\n".join(found))


def place_lines(spec: PipelineSpec) -> Iterator[str]:
    """Say what a run would write where; no place is opened."""
    for place in spec.publish:
        try:
            where = sink_of(spec, place).where
        except SinkError as error:
            where = f"{place.label} ({error})"
        yield f"would publish {', '.join(place.tables)} to {where}"


def _url(place: PublishPlace) -> str:
    if place.database:
        return place.database.get_secret_value()
    assert place.database_env
    url = os.environ.get(place.database_env)
    if not url:
        raise SinkError(
            f"the environment variable {place.database_env} is not set; it is to hold the URL of"
            " the database that `publish` names"
        )
    return url
