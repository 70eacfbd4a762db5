"""Raw records: all sources in one table, as their files hold them, once found fit for use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from er_pipeline.blocking.records.sources import EXAMPLES, RawSource, read_source
from er_pipeline.blocking.records.text_values import check_no_written_objects
from er_pipeline.blocking.records.tombstones import Tombstones, listed, masked_line
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.files import scratch_folder
from er_pipeline.blocking.tables.sql import literal, quoted

# Of a source whose rows are numbered; a column of a file is hardly called so.
ROW_NUMBER = "_er_pipeline_row"


@dataclass(frozen=True)
class RawRecords:
    """What was read.

    table: engine table (record_id, source, source_no, the fields, and true_cluster and user_vector
    where the spec names such columns), all texts. rejects: query of (source, line, reason, text).
    notes: sentences on what was assumed while reading. forgotten_of_source: records that are left
    out since they were forgotten, of the sources that hold any.
    """

    table: str
    rejects: str
    n_records: int
    n_rejects: int
    records_of_source: dict[str, int]
    notes: Sequence[str] = ()
    forgotten_of_source: Mapping[str, int] = field(default_factory=dict)


def read_raw_records(
    engine: Engine, spec: PipelineSpec, tombstones: Tombstones | None = None
) -> RawRecords:
    """Read every source of a dataset, but for the records that were forgotten.

    Raises InputError if a source cannot be read, an id is missing or stands twice, a vector is
    none, or more rows are unreadable than `max_reject_rate` allows.
    """
    with scratch_folder() as scratch:
        raws = [
            read_source(
                engine,
                source,
                _wanted(spec, source),
                folder=spec.folder,
                scratch=scratch,
                table=f"raw_{i}",
                vector=spec.vector_column,
            )
            for i, source in enumerate(spec.sources)
        ]
    stones = tombstones or Tombstones()
    forgotten = dict[str, int]()
    hashes = stones.hashes_of_sources(spec.source_labels)
    for i, source in enumerate(spec.sources):
        if hashes[i] and source.record_id:
            kept = _without_forgotten(engine, raws[i], source.record_id, stones, hashes[i])
            if n_forgotten := raws[i].n_records - kept.n_records:
                forgotten[source.label] = n_forgotten
            raws[i] = kept
    for i, (source, raw) in enumerate(zip(spec.sources, raws, strict=True)):
        _check_rejects(engine, raw, spec.cleaning.max_reject_rate)
        fields = {_column_of(spec, source, name) for name in spec.field_kinds} - {None}
        check_no_written_objects(engine, raw.table, sorted(map(str, fields)), raw.origin)
        if source.record_id is None:
            raws[i] = _numbered(engine, raw)
        else:
            _check_ids(engine, raw, source.record_id)
    # A view: a copy of all sources would double what they take in memory.
    engine.make_view("raw_records", " union all ".join(_selects(spec, raws)))
    if spec.vector_column:
        _check_vectors(engine, "raw_records", spec.vector_column)
    return RawRecords(
        table="raw_records",
        rejects=_rejects_sql(spec, raws),
        n_records=sum(raw.n_records for raw in raws),
        n_rejects=sum(raw.n_rejects for raw in raws),
        records_of_source={
            label: raw.n_records for label, raw in zip(spec.source_labels, raws, strict=True)
        },
        notes=[note for raw in raws for note in raw.notes],
        forgotten_of_source=forgotten,
    )


def _without_forgotten(
    engine: Engine, raw: RawSource, column: str, stones: Tombstones, hashes: Sequence[str]
) -> RawSource:
    """Leave out the records that were forgotten; mask the unreadable rows that hold their ids."""
    is_forgotten = f"list_contains({listed(hashes)}, {stones.hash_sql(quoted(column))})"
    engine.execute(f"delete from {raw.table} where {is_forgotten}")
    engine.execute(f"update {raw.rejects} set text = {masked_line(stones, 'text', hashes)}")
    (n_records,) = engine.row(f"select count(*) from {raw.table}")
    if n_records == 0 < raw.n_records:
        raise InputError(f"{raw.origin}: all of its records were forgotten; take the source out")
    return replace(raw, n_records=n_records)


def _wanted(spec: PipelineSpec, source: Source) -> list[str]:
    """List the columns of the source that the spec names."""
    columns = [_column_of(spec, source, name) for name in spec.field_kinds]
    cluster = spec.truth.cluster_column if spec.truth else None
    return [
        column
        for column in dict.fromkeys([source.record_id, *columns, cluster, spec.vector_column])
        if column is not None
    ]


def _selects(spec: PipelineSpec, raws: Sequence[RawSource]) -> list[str]:
    selects = []
    for i, (source, raw) in enumerate(zip(spec.sources, raws, strict=True)):
        columns = [
            f"{_column_or_null(_column_of(spec, source, name))} as {quoted(name)}"
            for name in spec.field_kinds
        ]
        if spec.truth and spec.truth.cluster_column:
            columns.append(f"{quoted(spec.truth.cluster_column)} as true_cluster")
        if spec.vector_column:
            columns.append(f"{quoted(spec.vector_column)} as user_vector")
        selects.append(
            f"select {quoted(source.record_id or ROW_NUMBER)} as record_id,"
            f" {literal(source.label)} as source, {i}::smallint as source_no,"
            f" {', '.join(columns)} from {raw.table}"
        )
    return selects


def _numbered(engine: Engine, raw: RawSource) -> RawSource:
    """Number the rows of a source from 1 on, in the order in which they were read."""
    table = f"{raw.table}_numbered"
    # Once and for all: a view would number them anew, and alike only where the order is kept.
    engine.make_table(
        table,
        f"select cast(row_number() over () as varchar) as {ROW_NUMBER}, * from {raw.table}",
    )
    engine.drop(raw.table)
    return replace(raw, table=table)


def _column_of(spec: PipelineSpec, source: Source, field: str) -> str | None:
    """Name the source's column of a field; both parts of a full name are read from its own."""
    whole, _ = spec.name_parts.get(field, (field, None))
    return source.columns.get(whole, whole)


def _column_or_null(column: str | None) -> str:
    return "null::varchar" if column is None else quoted(column)


def _rejects_sql(spec: PipelineSpec, raws: Sequence[RawSource]) -> str:
    selects = [
        f"select {literal(label)} as source, line, reason, text from {raw.rejects}"
        for label, raw in zip(spec.source_labels, raws, strict=True)
    ]
    return f"select * from ({' union all '.join(selects)}) order by source, line"


def _check_rejects(engine: Engine, raw: RawSource, max_rate: float) -> None:
    n_rows = raw.n_records + raw.n_rejects
    if raw.n_rejects <= max_rate * n_rows:
        if raw.n_records == 0:
            raise InputError(f"{raw.origin}: not one row can be read")
        return
    raise rejects_error(engine, raw.rejects, raw.origin, raw.n_rejects, n_rows)


def rejects_error(
    engine: Engine, rejects: str, origin: str, n_rejects: int, n_rows: int
) -> InputError:
    """Make the error that names the first rows of a table of rejects, and what to do."""
    examples = engine.rows(
        f"select line, reason, text from {rejects} order by line, reason limit {EXAMPLES}"
    )
    listed = "; ".join(f"line {line}: {reason}: {text[:80]!r}" for line, reason, text in examples)
    (encodings,) = engine.row(
        "select list(distinct regexp_extract(reason, 'byte 0x.* is not (.*) text', 1))"
        f" from {rejects} where reason like '%byte 0x% is not % text'"
    )
    allow = "or allow a share of rejects: cleaning: {max_reject_rate: 0.01}"
    cure = f". Correct them, {allow}"
    if encodings and "utf-8" in encodings:
        cure = (
            ". Say how the file is encoded, such as csv: {encoding: windows-1252} for what Windows"
            " programs write in the West"
        )
    elif encodings:  # what was declared, or a mark of the file says so
        cure = (
            f". The file is in another encoding than {encodings[0]}: say which, such as csv:"
            f" {{encoding: cp850}} for what DOS wrote, correct the rows, {allow}"
        )
    return InputError(f"{origin}: {n_rejects:,} of {n_rows:,} rows cannot be read ({listed}){cure}")


def _check_vectors(engine: Engine, table: str, column: str) -> None:
    broken = engine.rows(
        f"select source, record_id, user_vector from {table} where trim(user_vector) <> ''"
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


def _check_ids(engine: Engine, raw: RawSource, column: str) -> None:
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
        listed = ", ".join(f"{value!r} ({n} times)" for value, n in repeated)
        raise InputError(
            f"{raw.origin}: {n_repeated:,} ids stand more than once in column {column!r}: {listed};"
            " ids must be unique within a source"
        )
