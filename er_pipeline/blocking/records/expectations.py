"""Expectations of a table, declared in the YAML or in suites and judged by Great Expectations."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from er_pipeline.blocking.records.data_docs import drop_data_docs, keep_data_docs
from er_pipeline.blocking.records.expectation_outcomes import (
    Outcome,
    columns_of,
    run_expectations,
)
from er_pipeline.blocking.records.expectation_sentences import grid_of, numbers_of, sentence
from er_pipeline.blocking.records.expected_rows import expected_rows
from er_pipeline.blocking.spec.expectations_section import EXPECTED_TABLES, RECORDS, Expectation
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.suite_files import Declared
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.files import files_of_mode
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.blocking.tables.table import Check, Table
from er_pipeline.blocking.tables.verdicts import Verdict, share_of

FITS_EXPECTATIONS = Check(
    "fits_expectations",
    "The Great Expectations suite of the table. Of cleaned_records: ids unique and present, no"
    " field emptier than allowed, formats kept; and what `expect` and `suites` add.",
    limits=(
        *("expectations.max_null_rate", "expectations.formats"),
        *("expectations.expect[]", "expectations.suites[]"),
    ),
)
# How long a table is shapes no verdict on this column: that it is numbered is held elsewhere.
NUMBER = "record_no"


def judge_expectations(
    engine: Engine,
    lake: Lake,
    *,
    spec: PipelineSpec,
    table: Table,
    declared: Declared,
    data_docs: bool = True,
) -> Iterator[Verdict]:
    """Run the suite of a table, and keep its page among the Data Docs.

    declared: what is expected of it beyond what always is. Of cleaned_records that is record_no
    unique, ids never NULL, every field at most as empty as `expectations: max_null_rate` says, and
    every value of a field of the form that `expectations: formats` says.
    It looks at an evenly spread sample of about `expectations: sample` rows, and at the columns
    expected of alone, so its memory does not grow with the table.
    Raises SpecError if a file of expectations is wrong.
    """
    if table.name in spec.expectations.tables:
        outcomes, n_looked_at, n_rows = _judged(engine, lake, spec, table, declared)
    else:
        outcomes, n_looked_at, n_rows = _ids(engine, lake, spec)
    with_values = spec.report.record_values
    if data_docs:
        _keep_page(lake, spec, table.name, outcomes)
    noun = "record" if table.name == RECORDS else "row"
    looked_at = count_of(n_looked_at, noun)
    if n_looked_at < n_rows:
        looked_at = f"{n_looked_at:,} of {count_of(n_rows, noun)}"
    failed = [outcome for outcome in outcomes if not outcome.succeeded]
    severity = _severity(failed)
    yield Verdict(
        FITS_EXPECTATIONS.name,
        severity is None,
        severity or "error",
        _text(outcomes, failed, looked_at, with_values=with_values),
        {**numbers_of(outcomes), "records_looked_at": n_looked_at},
        grid_of(outcomes, with_values=with_values),
    )


def _judged(
    engine: Engine, lake: Lake, spec: PipelineSpec, table: Table, declared: Declared
) -> tuple[list[Outcome], int, int]:
    """Have the library judge a table; return the outcomes, the rows looked at, and all rows."""
    expected = [*(_always(spec) if table.name == RECORDS else ()), *declared.read()]
    columns = columns_of(expected, [column.name for column in table.columns])
    rows = expected_rows(engine, lake, table, columns, spec.expectations.sample)
    outcomes = run_expectations(rows, expected, whole=[NUMBER])
    return outcomes, len(rows.frame), rows.n_rows


def _ids(engine: Engine, lake: Lake, spec: PipelineSpec) -> tuple[list[Outcome], int, int]:
    """Judge in SQL what is always expected of the records: the library takes seconds to import."""
    lake.open(engine, RECORDS)
    (n_rows,) = engine.row(f"select count(*) from {RECORDS}")
    step = max(1, -(-n_rows // spec.expectations.sample))
    n, *unexpected = engine.row(
        f"select count(*), count(*) - count(distinct {NUMBER}),"
        " count(*) filter (record_id is null), count(*) filter (source is null)"
        f" from {RECORDS} where {NUMBER} % {step} = 0"
    )
    outcomes = [
        Outcome(
            expectation,
            not count,
            {"unexpected_count": count, "unexpected_percent": 100 * share_of(count, n)},
        )
        for expectation, count in zip(_always(spec), unexpected, strict=True)
    ]
    return outcomes, n, n_rows


def _keep_page(lake: Lake, spec: PipelineSpec, table: str, outcomes: Sequence[Outcome]) -> None:
    """Keep the page of a table, if it is wanted; pages of what is no longer expected go."""
    expectations, values = spec.expectations, spec.report.record_values
    wanted = expectations.tables if expectations.data_docs else set()
    with files_of_mode(spec.lake.file_mode):
        drop_data_docs(lake.folder, spec.dataset, set(EXPECTED_TABLES) - wanted)
        if table in wanted:
            keep_data_docs(lake.folder, spec.dataset, table, outcomes, with_values=values)


def _always(spec: PipelineSpec) -> Iterator[Expectation]:
    """List what is expected of the records, in the library's own words."""
    not_null = "expect_column_values_to_not_be_null"
    yield Expectation(type="expect_column_values_to_be_unique", kwargs={"column": NUMBER})
    for column in ("record_id", "source"):
        yield Expectation(type=not_null, kwargs={"column": column})
    for name, rate in spec.expectations.max_null_rate.items():
        yield Expectation(type=not_null, kwargs={"column": name, "mostly": 1 - rate})
    for name, pattern in spec.expectations.formats.items():
        yield Expectation(
            type="expect_column_values_to_match_regex", kwargs={"column": name, "regex": pattern}
        )


def _severity(failed: Iterable[Outcome]) -> Literal["error", "warn"] | None:
    """Return how bad it is; None if nothing fails, or what fails is only for information.

    That a table has become too long to be judged stops no run.
    """
    severities = {
        "warning" if outcome.needs_all else outcome.expectation.severity for outcome in failed
    }
    return "error" if "critical" in severities else "warn" if "warning" in severities else None


def _text(
    outcomes: Sequence[Outcome], failed: Sequence[Outcome], looked_at: str, *, with_values: bool
) -> str:
    n_held = len(outcomes) - len(failed)
    if not failed:
        return f"{count_of(n_held, 'expectation')} hold on {looked_at}."
    order = {"critical": 0, "warning": 1, "info": 2}
    listed = []
    for outcome in sorted(failed, key=lambda outcome: order[outcome.expectation.severity]):
        level = outcome.expectation.severity
        note = f" ({level})" if level != "critical" else ""
        listed.append(f"{sentence(outcome, with_values=with_values)}{note}")
    return f"{'; '.join(listed)}. Correct the source, or loosen `expectations`."
