"""Raw rows -> cleaned records: every field clean or NULL, every record numbered."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, TypedDict, cast

from er_pipeline.blocking.records.column_readings import CleanColumn, clean_columns, read_columns
from er_pipeline.blocking.records.day_orders import DAY_ORDER_CHECK, DayOrder, judge_day_orders
from er_pipeline.blocking.records.drop_verdicts import RECORDS_KEPT, judge_records_drop
from er_pipeline.blocking.records.emptied_values import (
    FieldValues,
    examples_text,
    values_of_fields,
)
from er_pipeline.blocking.records.expectations import FITS_EXPECTATIONS, judge_expectations
from er_pipeline.blocking.records.number_marks import (
    NUMBER_MARKS_CHECK,
    NumberMarks,
    judge_number_marks,
)
from er_pipeline.blocking.records.raw_records import RawRecords, read_raw_records
from er_pipeline.blocking.records.sources import EXAMPLES, source_outside
from er_pipeline.blocking.records.tombstones import FORGOTTEN, read_tombstones
from er_pipeline.blocking.records.truth_files import check_truth_file
from er_pipeline.blocking.spec.expectations_section import RECORDS
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.suite_files import Declared
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.outside import files_outside
from er_pipeline.blocking.tables.pictures import Grid, Shown
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import (
    RECORD_ID,
    RECORD_NO,
    SOURCE,
    SOURCE_NO,
    Check,
    Column,
    Facts,
    Table,
)
from er_pipeline.blocking.tables.verdicts import Verdict, share_of
from er_pipeline.blocking.tables.views import all_columns, some_columns
from er_pipeline.blocking.tables.wide_joins import join_in_parts
from er_pipeline.blocking.values.null_marks import is_null_mark

CHECKS = (
    FITS_EXPECTATIONS,
    Check(
        "cleaning_keeps_values",
        "A field of the wrong kind or region is emptied silently.",
        stops=False,
        limits=("checks.max_cleaned_away",),
    ),
    DAY_ORDER_CHECK,
    NUMBER_MARKS_CHECK,
    Check(
        "cells_hold_one_value",
        "Of several addresses or numbers in a cell, all but the first are left out.",
        stops=False,
    ),
    Check(
        "files_read_without_doubt",
        "What the reader had to assume: lines that a quote takes in, a column that one file lacks,"
        " several values in one cell.",
        stops=False,
    ),
    RECORDS_KEPT,
)

# Who is who by the truth's cluster column stands apart, so that truth shapes nothing else.
TRUE_CLUSTERS = "true_clusters"


class CleanedFacts(TypedDict):
    """What is noted beside cleaned_records.

    forgotten_of_source: records that the sources hold and that are left out, since `er-pipeline
    forget` has forgotten them.
    """

    records: int
    rejected_rows: int
    forgotten_of_source: Mapping[str, int]
    records_of_source: dict[str, int]
    values_of_field: dict[str, FieldValues]
    reading_notes: list[str]
    day_orders: list[dict[str, Any]]
    number_marks: list[dict[str, Any]]


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that reads and cleans the records."""
    records = records_table(spec)
    rejected = Table(
        "rejected_records",
        "Rows of the sources that cannot be read, with the reason.",
        [
            SOURCE,
            Column("line", "BIGINT", "Line of the file", minimum=1),
            Column("reason", "VARCHAR", "Why the row cannot be read"),
            Column("text", "VARCHAR", "The row as it stands in the file"),
        ],
        all_columns("rejected_records"),
        is_from_outside=True,
    )
    clusters = []
    if spec.truth and spec.truth.cluster_column:
        clusters.append(
            Table(
                TRUE_CLUSTERS,
                "The known entity of every record that has one.",
                [RECORD_NO, Column("true_cluster", "VARCHAR", "The known entity")],
                view=None,
                is_internal=True,
                shape=spec.truth.cluster_column,
                is_from_outside=True,
            )
        )
    options = spec.cleaning.model_dump(mode="json", exclude={"free_mail_domains"})  # of keys
    return [
        Step(
            writes=[records, rejected, *clusters],
            reads=[],
            settings=[
                [source.identity for source in spec.sources],
                spec.field_kinds,
                spec.name_parts,
                options,
                spec.vector_column,
            ],
            run=partial(clean_records, spec=spec),
            count=partial(clean_records, spec=spec),
            stage="records",
            checks=CHECKS,
            judge=partial(_judge, spec=spec, declared=Declared(spec, RECORDS)),
            show=_show,
            outside=partial(_outside, spec),
        )
    ]


def records_table(spec: PipelineSpec) -> Table:
    """Declare cleaned_records, which has a column for each field."""
    fields = [
        Column(name, "VARCHAR", f"Clean {kind.replace('_', ' ')}; NULL is no value", required=False)
        for name, kind in spec.field_kinds.items()
    ]
    if spec.vector_column:
        fields.append(Column("user_vector", "FLOAT[]", "The vector that its source brought", False))
    return Table(
        "cleaned_records",
        "Every record once, numbered, each field clean or NULL.",
        [RECORD_NO, RECORD_ID, SOURCE, SOURCE_NO, *fields],
        some_columns("cleaned_records", ["record_id", "source", *spec.field_kinds, "record_no"]),
        is_from_outside=True,
    )


def clean_records(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Read every source, clean every field, write cleaned_records and rejected_records.

    Records with a tombstone are left out, and counted.
    Writes cleaned_records (record_no INTEGER from 0, record_id VARCHAR as the user wrote it,
    source VARCHAR, source_no SMALLINT, one VARCHAR per field, and user_vector FLOAT[] where the
    spec names such a column), in the order of (source, record_id), which is also that of record_no;
    rejected_records (source, line, reason, text); and, with a cluster column of the truth,
    true_clusters (record_no, true_cluster).
    Returns the facts kept beside the table, see `CleanedFacts`.

    Raises InputError if a source cannot be read, an id is missing or stands twice, or more rows
    are unreadable than `max_reject_rate` allows. Nothing is written then.
    """
    check_truth_file(engine, spec)
    return engine.frugally(partial(_read_and_clean, engine, lake, spec))


def _read_and_clean(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    raw = read_raw_records(engine, spec, read_tombstones(lake.folder))
    if spec.cluster:  # how many there are is known only now
        spec.cluster.check_records("cleaned_records", raw.n_records)
    readings = read_columns(engine, raw.table, spec)
    cleaned = list(clean_columns(engine, raw.table, spec, readings))
    with lake.writing("rejected_records") as draft:
        engine.write(raw.rejects, draft.file())
        engine.read_folder(draft.folder, "written_rejects")
        draft.content = engine.fingerprint("written_rejects", ["source", "line", "reason"])
    with lake.writing("cleaned_records") as draft:
        engine.write(_cleaned_sql(engine, spec, raw, cleaned), draft.file())
        engine.read_folder(draft.folder, "written_records")
        columns = [name for name, _ in engine.described("select * from written_records")]
        draft.content = engine.fingerprint("written_records", columns)
        if spec.truth and spec.truth.cluster_column:
            _write_clusters(engine, lake, raw)
        facts = CleanedFacts(
            records=raw.n_records,
            rejected_rows=raw.n_rejects,
            forgotten_of_source=raw.forgotten_of_source,
            records_of_source=raw.records_of_source,
            values_of_field=values_of_fields(engine, raw.table, "written_records", cleaned),
            day_orders=[asdict(order) for order in readings.orders],
            number_marks=[asdict(shown) for shown in readings.numbers],
            reading_notes=list(raw.notes),
        )
        draft.facts.update(facts)
        return dict(draft.facts)


def _outside(spec: PipelineSpec, lake: Lake) -> dict[str, str]:
    found = [source_outside(source, spec.folder) for source in spec.sources]
    tombstones = lake.folder / FORGOTTEN
    if tombstones.exists():
        found.append(files_outside([tombstones], lake.folder))
    return {place: fingerprint for source in found for place, fingerprint in source.items()}


def cleaned_facts(lake: Lake) -> CleanedFacts:
    """Read what is noted beside cleaned_records."""
    return cast(CleanedFacts, lake.facts("cleaned_records"))


def judge_cleaning(facts: CleanedFacts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge what cleaning took away and how it read dates, from the facts of `clean_records`."""
    limit = spec.checks.max_cleaned_away
    found = facts["values_of_field"]
    shares = {
        name: share_of(values["cleaned_away"], values["filled"] + values["cleaned_away"])
        for name, values in found.items()
    }
    over = {name: share for name, share in shares.items() if share > limit}
    listed = "; ".join(
        f"{name} ({spec.field_kinds[name]}) lost {share:.0%} of its values, such as"
        f" {examples_text(found[name]['examples'])}"
        for name, share in over.items()
    )
    yield Verdict(
        "cleaning_keeps_values",
        not over,
        "warn",
        f"{listed}: placeholders, or not readable as that kind. Is the kind right? Are the columns"
        " mixed up? See also cleaning: phone_region and day_first."
        if over
        else f"Cleaning emptied at most {max(shares.values(), default=0):.1%} of any field's values"
        f" (a warning above {limit:.0%}).",
        {f"cleaned_away_share_{name}": share for name, share in shares.items()},
    )
    yield judge_day_orders(
        [DayOrder(**order) for order in facts["day_orders"]],
        spec.source_labels,
        spec.cleaning.day_first,
    )
    yield judge_number_marks(
        [NumberMarks(**shown) for shown in facts.get("number_marks", [])],
        spec.source_labels,
        spec.cleaning.decimal_comma,
    )
    several = {name: n for name, values in found.items() if (n := values["cells_of_several"])}
    named = ", ".join(f"{name} in {n:,} records" for name, n in several.items())
    yield Verdict(
        "cells_hold_one_value",
        not several,
        "warn",
        f"Several values in a cell: {named}. The first one counts; to use them all, write kind"
        " emails or phones for the field, and tokens(field) as its key."
        if several
        else "No cell of e-mails or phones holds several values.",
        {f"cells_of_several_{name}": n for name, n in several.items()},
    )


def judge_reading(facts: CleanedFacts) -> Iterator[Verdict]:
    """Judge what was assumed while reading, from the facts of `clean_records`."""
    notes = facts["reading_notes"]
    more = f" And {len(notes) - EXAMPLES} more." if len(notes) > EXAMPLES else ""
    yield Verdict(
        "files_read_without_doubt",
        not notes,
        "warn",
        f"{'. '.join(notes[:EXAMPLES])}.{more}" if notes else "Nothing had to be assumed.",
        {"assumptions": len(notes)},
    )


def judge_records(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    *,
    data_docs: bool = True,
) -> Iterator[Verdict]:
    """Judge what is expected of the records; data_docs: whether to keep the page of it."""
    yield from judge_expectations(
        engine,
        lake,
        spec=spec,
        table=records_table(spec),
        declared=Declared(spec, RECORDS),
        data_docs=data_docs,
    )


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec, declared: Declared) -> Iterable[Verdict]:
    table = records_table(spec)
    yield from judge_expectations(engine, lake, spec=spec, table=table, declared=declared)
    facts = cleaned_facts(lake)
    yield from judge_cleaning(facts, spec)
    yield from judge_reading(facts)
    before = cast(CleanedFacts | None, lake.last_good_facts("cleaned_records"))
    yield judge_records_drop(
        facts["records"], before["records"] if before else None, spec.checks.max_records_drop
    )


def _show(facts: Facts) -> Mapping[str, Shown]:
    n_records, values_of_field = facts["records"], facts["values_of_field"]
    rows = [
        (
            name,
            f"{values['filled'] / n_records:.1%}",
            f"{values['distinct']:,}",
            f"{values['cleaned_away']:,}",
            f"{values['null_marks']:,}",
            examples_text(values["examples"]),
        )
        for name, values in values_of_field.items()
    ]
    shares = {
        f"filled_share_{name}": values["filled"] / n_records
        for name, values in values_of_field.items()
    }
    header = (
        *("field", "filled", "distinct values", "placeholders and unreadable"),
        *("marks of no value", "emptied, for example"),
    )
    return {
        "records": n_records,
        "rejected_rows": facts["rejected_rows"],
        "forgotten_records": sum(facts["forgotten_of_source"].values()),
        **shares,
        "fields": Grid(header, rows),
    }


def _cleaned_sql(
    engine: Engine, spec: PipelineSpec, raw: RawRecords, cleaned: Sequence[CleanColumn]
) -> str:
    joined = [
        (
            f", {column.result(f'c{i}')} as {quoted(column.field)}",
            f" left join {quoted(column.table)} as c{i} on {column.same('r', f'c{i}')}",
        )
        for i, column in enumerate(cleaned)
    ]
    identity = ["source_no", "record_id"]
    columns, joins = join_in_parts(engine, raw.table, identity, joined, "cleaned_part")
    if spec.vector_column:
        columns += ", try_cast(r.user_vector as float[]) as user_vector"
    # Sorted once: a window over the ids and a sort by its number would hold all records twice.
    return f"""
        select cast(row_number() over () - 1 as integer) as record_no, *
        from (
            select r.record_id, r.source, r.source_no{columns}
            from {raw.table} as r{joins}
            order by r.source_no, r.record_id
        )
    """


def _write_clusters(engine: Engine, lake: Lake, raw: RawRecords) -> None:
    known = "known_clusters"  # NaN, NULL and the like name no entity
    engine.map_distinct(
        known, f"select true_cluster from {raw.table}", lambda text: _known(text.strip())
    )
    with lake.writing(TRUE_CLUSTERS) as draft:
        engine.write(
            f"""
            select w.record_no, k.result as true_cluster
            from written_records as w
            join {raw.table} as r on r.source_no = w.source_no and r.record_id = w.record_id
            join {known} as k on k.value = r.true_cluster
            where k.result is not null
            order by w.record_no
            """,
            draft.file(),
        )
        engine.read_folder(draft.folder, "written_clusters")
        draft.content = engine.fingerprint("written_clusters", ["record_no", "true_cluster"])


def _known(cluster: str) -> str | None:
    return None if cluster == "" or is_null_mark(cluster) else cluster
