"""The page of a run: report.html, kept beside the tables and the report in text.

It shows what the run has made and counted already, and looks at most once through the records. A
page that cannot be made is a warning: the tables are published all the same.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from er_pipeline.blocking.records.data_docs import DATA_DOCS, INDEX, data_docs_of
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import first_line
from er_pipeline.blocking.tables.files import write_whole
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import time_text
from er_pipeline.blocking.tables.page_style import page_colours
from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.blocking.tables.stamps import digest
from er_pipeline.blocking.tables.standing import Standing
from er_pipeline.evaluation.page.block_sections import blocks_section
from er_pipeline.evaluation.page.figure_history import figures_section
from er_pipeline.evaluation.page.found_and_missed import completeness_section, missed_section
from er_pipeline.evaluation.page.night_changes import changes_section
from er_pipeline.evaluation.page.page_markup import page_html, read_made_from
from er_pipeline.evaluation.page.page_parts import Link, Listing, Part, RunOnPage, Section
from er_pipeline.evaluation.page.pair_samples import pairs_section
from er_pipeline.evaluation.page.questioned_pairs import questioned_section
from er_pipeline.evaluation.page.record_profiles import coverage_section, profiles_section
from er_pipeline.evaluation.page.scored_sections import (
    entities_section,
    scores_section,
    unlinkable_section,
)
from er_pipeline.evaluation.page.strategy_overlap import overlap_section
from er_pipeline.evaluation.page.trained_model import training_section
from er_pipeline.evaluation.page.vega_script import read_libraries

logger = logging.getLogger(__name__)

PAGE_FILE = "report.html"
# In the order in which a person asks.
SECTIONS: tuple[Callable[[RunOnPage], Section], ...] = (
    figures_section,
    changes_section,
    coverage_section,
    blocks_section,
    overlap_section,
    completeness_section,
    missed_section,
    questioned_section,
    training_section,
    scores_section,
    entities_section,
    unlinkable_section,
    profiles_section,
    pairs_section,
)
# Bytes at the beginning of a page among which it says what it was made from.
HEAD_BYTES = 4_000


def keep_page(
    spec: PipelineSpec,
    lake: Lake,
    standing: Standing,
    figures: Mapping[str, Any],
    lines: Sequence[str],
) -> Path | None:
    """Keep the page of a run beside its tables; return its path, None if it cannot be made.

    lake: with the plans of the flow. figures, lines: of `figures_of` and `run_report`. A page that
    shows all this already stays as it is. One that cannot be made is a warning in the log, and an
    older one goes: it would show what no longer is.
    """
    path = lake.folder / PAGE_FILE
    try:
        made_from = _made_from(spec, lake, standing, lines)
        if _made_from_of(path) != made_from:
            write_whole(path, _page(spec, lake, standing, figures, lines, made_from))
        return path
    except Exception as error:  # whatever it is, what the run has made is published
        name = type(error).__name__
        logger.warning("%s was not written: %s: %s", path, name, first_line(error))
        logger.debug("why it was not", exc_info=True)
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return None


def _page(
    spec: PipelineSpec,
    lake: Lake,
    standing: Standing,
    figures: Mapping[str, Any],
    lines: Sequence[str],
    made_from: str,
) -> str:
    with DuckDBEngine(spec.threads, spec.memory_limit, lake.spill) as engine:
        run = RunOnPage(engine, lake, spec, standing, figures)
        sections = [_verdict_section(run, lines), *(section(run) for section in SECTIONS)]
    published = lake.published()["at"]
    lead = [run.message(lines[0]), run.message(lines[1])]
    if spec.description:
        lead.append(spec.description)
    lead.append(
        f"Published {time_text(published)}. This page needs no network and may be sent around"
        + ("; it shows values of records." if spec.report.record_values else ".")
    )
    return page_html(f"{spec.dataset}: report", lead, sections, read_libraries(), made_from)


def _verdict_section(run: RunOnPage, lines: Sequence[str]) -> Section:
    """Say what is withheld, what failed, and what the checks warn of."""
    standing = run.standing
    warnings = count_of(len(standing.warnings), "warning")
    answer = f"Every table is published, with {warnings}."
    if not standing.warnings:
        answer = "Every table is published, and every check has passed."
    if standing.withheld:
        n = len(standing.missed)
        answer = f"{count_of(n, 'table')} of {standing.n_seen} are withheld, with {warnings}."
    parts: list[Part] = []
    errors = [(step, "", run.message(text)) for step, text in standing.failures.items()]
    errors += [(f.table, f.verdict.check, run.message(f.verdict.text)) for f in standing.errors]
    if errors:
        parts.append(Listing("What failed", Grid(("table", "check", "why"), errors)))
    if standing.warnings:
        found = [(f.table, f.verdict.check, run.message(f.verdict.text)) for f in standing.warnings]
        parts.append(Listing("Warnings", Grid(("table", "check", "finding"), found)))
    if standing.withheld:
        withheld = [(table, run.message(why)) for table, why in standing.missed.items()]
        grid = Grid(("table", "why"), withheld)
        about = "The catalog shows those of the last good run, as far as there was one."
        parts.append(Listing("Tables that are withheld", grid, about, is_folded=True))
    parts += _expectations(run)
    return Section("Checks", "Did all go well?", answer, parts)


def _expectations(run: RunOnPage) -> Iterator[Part]:
    """Show what was expected of tables where some of it fails, and link to all of it."""
    for found in (*run.standing.errors, *run.standing.warnings):
        if found.verdict.grid:
            title = f"What was expected of {found.table}"
            yield Listing(title, found.verdict.grid, is_folded=True)
    if data_docs_of(run.lake.folder):
        yield Link("Data Docs of Great Expectations", f"{DATA_DOCS}/{INDEX}")


def _made_from(spec: PipelineSpec, lake: Lake, standing: Standing, lines: Sequence[str]) -> str:
    """Return what stands for all that a page shows: tables, checks, settings, and this code."""
    tables = [*standing.good, *(["run_metrics"] if lake.has("run_metrics") else [])]
    own = sorted(files(__package__).iterdir(), key=lambda file: file.name)
    return digest(
        [
            {table: lake.version(table) for table in tables},
            data_docs_of(lake.folder) is not None,
            [*lines],
            spec.report.model_dump(),
            spec.checks.model_dump(mode="json"),
            spec.description,
            lake.published()["at"],
            page_colours(),
            {file.name: file.read_text("utf-8") for file in own if file.is_file()},
        ]
    )


def _made_from_of(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="replace") as file:
        return read_made_from(file.read(HEAD_BYTES))
