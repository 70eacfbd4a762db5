"""Step 1: raw rows -> cleaned records: every field clean or NULL, every record numbered."""

import glob
import logging
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from er_pipeline.blocking.records.sources import EXAMPLES, RawSource, read_source
from er_pipeline.blocking.spec.pipeline import PipelineSpec, resolved
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.engine_duckdb import (
    OWN_COLUMNS,
    DuckDBEngine,
    literal,
    parquet_file,
    quoted,
)
from er_pipeline.blocking.tables.errors import InputError, LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.cleaning import cleaner

logger = logging.getLogger(__name__)


def clean_records(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, folder: Path
) -> dict[str, Any]:
    """Read every source, clean every field, write cleaned_records and rejected_records.

    folder: where the relative paths of the spec start.
    Writes cleaned_records (record_no INTEGER from 0, record_id VARCHAR as the user wrote it,
    source VARCHAR, source_no SMALLINT, one VARCHAR per field, and true_cluster and
    user_vector FLOAT[] where the spec names such columns), in the order of (source, record_id),
    which is also that of record_no; and rejected_records (source, line, reason, text).
    Returns the facts kept beside the table: counts per source, values per field.

    Raises InputError if a source cannot be read, an id is missing or stands twice, or more rows
    are unreadable than `max_reject_rate` allows. Nothing is written then.
    """
    check_truth_file(engine, spec, folder)
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as scratch:
        raws = [
            read_source(
                engine,
                source,
                _wanted(spec, source),
                folder=folder,
                scratch=Path(scratch),
                table=f"raw_{i}",
            )
            for i, source in enumerate(spec.sources)
        ]
    for source, raw in zip(spec.sources, raws, strict=True):
        _check_rejects(engine, raw, spec.cleaning.max_reject_rate)
        _check_ids(engine, raw, source.record_id)
    engine.make_table("raw_records", " union all ".join(_raw_selects(spec)))
    if spec.vector_column:
        _check_vectors(engine, spec.vector_column)
    for name, kind in spec.field_kinds.items():
        logger.info("cleaning %s (%s)", name, kind)
        call = cleaner(kind, spec.cleaning.options)
        engine.map_distinct(f"clean_{name}", f"select {quoted(name)} from raw_records", call)

    facts: dict[str, Any] = {
        "records": sum(raw.n_records for raw in raws),
        "rejected_rows": sum(raw.n_rejects for raw in raws),
        "records_of_source": {
            label: raw.n_records for label, raw in zip(spec.source_labels, raws, strict=True)
        },
    }
    with lake.writing("rejected_records") as draft:
        engine.write(_rejects_sql(spec, raws), draft.file())
    with lake.writing("cleaned_records", facts) as draft:
        engine.write(_cleaned_sql(spec), draft.file())
        engine.read_folder(draft.folder, "written_records")
        draft.facts["fingerprint"] = engine.fingerprint(
            "written_records", ("record_no", "source", "record_id")
        )
        draft.facts["values_of_field"] = _values_of_fields(engine, spec)
        return dict(draft.facts)


def check_truth_file(engine: DuckDBEngine, spec: PipelineSpec, folder: Path) -> None:
    """Find out before the work begins that the file of true pairs is there and has its columns.

    Raises InputError if not.
    """
    if spec.truth is None or spec.truth.path is None:
        return
    file = resolved(spec.truth.path, folder)
    if not file.is_file():
        raise InputError(f"truth: {file}: no such file; correct truth: {{path: ...}}")
    try:
        described = engine.rows(f"describe select * from {truth_reader(file)}")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"truth: {file} cannot be read: {reason}") from error
    present = [name for name, *_ in described]
    truth = spec.truth
    wanted = [truth.left_id, truth.right_id, truth.left_source, truth.right_source]
    missing = [name for name in wanted if name and name not in present]
    if missing:
        raise InputError(
            f"truth: {file} has no column {', '.join(map(repr, missing))}; it has"
            f" {', '.join(map(repr, present))}. Correct truth: left_id and right_id"
        )


def truth_reader(file: Path) -> str:
    """Write the call that reads a file of true pairs."""
    if file.suffix in (".parquet", ".pq"):
        return parquet_file(file)
    return (
        f"read_csv({literal(glob.escape(str(file)))}, all_varchar = true, header = true,"
        f" {OWN_COLUMNS})"
    )


def example_pairs(engine: DuckDBEngine, pairs: str) -> str:
    """Name the first few pairs of a query of (left_id, right_id), for a message."""
    first = engine.rows(f"select left_id, right_id from ({pairs}) order by all limit {EXAMPLES}")
    return "; ".join(f"{left}, {right}" for left, right in first)


def read_records(engine: DuckDBEngine, lake: Lake) -> str:
    """Make cleaned_records readable; give the fingerprint of its numbering."""
    lake.check_declared("cleaned_records")
    engine.read(lake, "cleaned_records")
    return str(lake.facts("cleaned_records")["fingerprint"])


def read_numbered(engine: DuckDBEngine, lake: Lake, table: str, fingerprint: str) -> None:
    """Make a table readable that speaks of records by number.

    Raises LakeError if it was made from other records than those whose fingerprint is given:
    the same number would mean another person.
    """
    lake.check_declared(table)
    if lake.facts(table)["fingerprint"] != fingerprint:
        raise LakeError(
            f"{lake.dataset}/{table} was made from an older cleaned_records:"
            f" materialize {lake.dataset}/{table} again"
        )
    engine.read(lake, table)


def _wanted(spec: PipelineSpec, source: Source) -> list[str]:
    """List the columns of the source that the spec speaks of."""
    columns = [source.columns.get(name, name) for name in spec.field_kinds]
    cluster = spec.truth.cluster_column if spec.truth else None
    return [
        column
        for column in dict.fromkeys([source.record_id, *columns, cluster, spec.vector_column])
        if column is not None
    ]


def _raw_selects(spec: PipelineSpec) -> list[str]:
    selects = []
    for i, source in enumerate(spec.sources):
        columns = [
            f"{_column_or_null(source.columns.get(name, name))} as {quoted(name)}"
            for name in spec.field_kinds
        ]
        if spec.truth and spec.truth.cluster_column:
            columns.append(f"{quoted(spec.truth.cluster_column)} as true_cluster")
        if spec.vector_column:
            columns.append(f"{quoted(spec.vector_column)} as user_vector")
        selects.append(
            f"select {quoted(source.record_id)} as record_id,"
            f" {literal(source.label)} as source, {i}::smallint as source_no,"
            f" {', '.join(columns)} from raw_{i}"
        )
    return selects


def _column_or_null(column: str | None) -> str:
    return "null::varchar" if column is None else quoted(column)


def _cleaned_sql(spec: PipelineSpec) -> str:
    fields = list(spec.field_kinds)
    chosen = [f"c{i}.result as {quoted(name)}" for i, name in enumerate(fields)]
    joins = [
        f"left join {quoted(f'clean_{name}')} as c{i} on c{i}.value = r.{quoted(name)}"
        for i, name in enumerate(fields)
    ]
    if spec.truth and spec.truth.cluster_column:
        chosen.append("nullif(trim(r.true_cluster), '') as true_cluster")
    if spec.vector_column:
        chosen.append("try_cast(r.user_vector as float[]) as user_vector")
    return f"""
        select
            cast(row_number() over (order by r.source_no, r.record_id) - 1 as integer) as record_no,
            r.record_id, r.source, r.source_no, {", ".join(chosen)}
        from raw_records as r {" ".join(joins)}
        order by record_no
    """


def _rejects_sql(spec: PipelineSpec, raws: list[RawSource]) -> str:
    selects = [
        f"select {literal(label)} as source, line, reason, text from {raw.rejects}"
        for label, raw in zip(spec.source_labels, raws, strict=True)
    ]
    return f"select * from ({' union all '.join(selects)}) order by source, line"


def _values_of_fields(engine: DuckDBEngine, spec: PipelineSpec) -> dict[str, dict[str, int]]:
    """Count, per field, records with a value, distinct values, and values cleaned away."""
    fields = list(spec.field_kinds)
    counts = [f"count({quoted(name)}), count(distinct {quoted(name)})" for name in fields]
    clean = engine.row(f"select {', '.join(counts)} from written_records")
    given = engine.row(
        "select "
        + ", ".join(f"count(nullif(trim({quoted(name)}), ''))" for name in fields)
        + " from raw_records"
    )
    return {
        name: {
            "filled": clean[2 * i],
            "distinct": clean[2 * i + 1],
            "cleaned_away": given[i] - clean[2 * i],
        }
        for i, name in enumerate(fields)
    }


def _check_rejects(engine: DuckDBEngine, raw: RawSource, max_rate: float) -> None:
    n_rows = raw.n_records + raw.n_rejects
    if raw.n_rejects <= max_rate * n_rows:
        if raw.n_records == 0:
            raise InputError(f"{raw.origin}: not one row can be read")
        return
    examples = engine.rows(
        f"select line, reason, text from {raw.rejects} order by line limit {EXAMPLES}"
    )
    told = "; ".join(f"line {line}: {reason}: {text[:80]!r}" for line, reason, text in examples)
    raise InputError(
        f"{raw.origin}: {raw.n_rejects:,} of {n_rows:,} rows cannot be read ({told})."
        " Correct them, or allow a share of rejects: cleaning: {max_reject_rate: 0.01};"
        " is the encoding not UTF-8, say csv: {encoding: latin-1}"
    )


def _check_vectors(engine: DuckDBEngine, column: str) -> None:
    broken = engine.rows(
        "select source, record_id, user_vector from raw_records where trim(user_vector) <> ''"
        " and (try_cast(user_vector as float[]) is null"
        " or len(list_filter(try_cast(user_vector as float[]), lambda _x: _x is null or"
        f" not isfinite(_x))) > 0) order by source, record_id limit {EXAMPLES}"
    )
    if broken:
        source, record_id, text = broken[0]
        raise InputError(
            f"source {source}: column {column!r} of record {record_id!r} holds no vector:"
            f" {text[:60]!r}; write a list of finite numbers such as [0.1, 0.2], or leave it empty"
        )


def _check_ids(engine: DuckDBEngine, raw: RawSource, column: str) -> None:
    name = quoted(column)
    missing = engine.rows(
        # Not rowid, which a column of the source may be called.
        f"select _no from (select row_number() over () as _no, {name} as _id from {raw.table})"
        f" where _id is null or trim(_id) = '' order by _no limit {EXAMPLES}"
    )
    if missing:
        (n_missing,) = engine.row(
            f"select count(*) from {raw.table} where {name} is null or trim({name}) = ''"
        )
        rows = ", ".join(str(row) for (row,) in missing)
        raise InputError(
            f"{raw.origin}: {n_missing:,} records have no id in column {column!r}"
            f" (first: record {rows} of the source); every record needs one"
        )
    repeated = engine.rows(
        f"select {name}, count(*) from {raw.table} group by {name} having count(*) > 1"
        f" order by count(*) desc, {name} limit {EXAMPLES}"
    )
    if repeated:
        (n_repeated,) = engine.row(
            f"select count(*) from (select {name} from {raw.table}"
            f" group by {name} having count(*) > 1)"
        )
        told = ", ".join(f"{value!r} ({n} times)" for value, n in repeated)
        raise InputError(
            f"{raw.origin}: {n_repeated:,} ids stand more than once in column {column!r}: {told};"
            " ids must be unique within a source"
        )
