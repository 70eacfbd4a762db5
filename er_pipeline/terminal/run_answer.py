"""What a run answers: its report and where to look, or one JSON object."""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from er_pipeline.blocking.records.data_docs import data_docs_of
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.failures import explained_failures
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.standing import Standing, standing_of
from er_pipeline.evaluation.kept_report import (
    REPORT_FILE,
    figures_of,
    keep_report,
    next_step,
    run_report,
)
from er_pipeline.evaluation.page.run_page import keep_page
from er_pipeline.flow import flow
from er_pipeline.notices.notice import what_is_left
from er_pipeline.terminal.answer import print_error, print_json, print_lines
from er_pipeline.terminal.declared_places import (
    check_declared_places,
    outcome_lines,
    outcome_of_places,
)
from er_pipeline.terminal.demo import DEMO_DEFS
from er_pipeline.terminal.exit_codes import FAILED, OK
from er_pipeline.terminal.last_declaration import note_declaration, other_declaration
from er_pipeline.terminal.run_notice import (
    notify_of_run,
    notifying_of_declaration,
    notifying_of_errors,
)
from er_pipeline.terminal.time_limit import time_limit

if TYPE_CHECKING:
    from er_pipeline.terminal.run import RunResult

Answer = Callable[[Any], None]


def run_and_report(
    path: Path,
    overrides: Mapping[str, Any],
    *,
    lake: Path | None,
    executor: str,
    selection: str | None,
    as_json: bool,
    full: bool = False,
    notify: bool = False,
    snapshot: str | None = None,
    answer: Answer = print_json,
) -> int:
    """Run a dataset and print what came of it; return the exit code.

    notify: whether to send the messages that the declaration wants. snapshot: the date that the
    sources are to be of. answer: takes the JSON object.
    Raises SpecError if the declaration is wrong, before Dagster is loaded.
    """
    with notifying_of_declaration(path, overrides, wanted=notify):
        spec = read_spec(path, overrides)

    check_declared_places(path, spec, flow(spec))

    from er_pipeline.catalog import CATALOG
    from er_pipeline.terminal.lakes import lake_folder, open_lake
    from er_pipeline.terminal.run import run_dataset

    folder = lake_folder(lake)
    if warning := other_declaration(path, folder / spec.dataset):
        print(warning, file=sys.stderr)
    with notifying_of_errors(spec, folder, wanted=notify), time_limit(spec.runs.timeout_minutes):
        result = run_dataset(
            path,
            spec,
            overrides,
            lake=folder,
            executor=executor,
            selection=selection,
            full=full,
            snapshot=snapshot,
        )
    print(
        f"{result.seconds:.1f} s wall, {result.cpu_seconds:.1f} s CPU in this process",
        file=sys.stderr,
    )
    for error in result.errors:
        print_error(error)
    with explained_failures(str(folder)):
        note_declaration(path, folder / spec.dataset)
    tables = open_lake(spec, lake)
    standing = standing_of(flow(spec), tables)
    published = result.shows_catalog
    if not result.succeeded:
        print(f"The run failed; {what_is_left(tables, standing)}.", file=sys.stderr)
    figures: Mapping[str, Any] | None = None
    page: Path | None = None
    if published or "blocking_report" in result.tables:
        figures = figures_of(spec, tables, standing)
        lines = run_report(standing, tables, figures)
        if published:  # the report is kept already, or the catalog's asset has kept it
            page = keep_page(spec, tables, standing, figures, lines)
        else:
            keep_report(tables, lines)
    elif result.succeeded:
        lines = list(_warnings(result.failed_checks))
    else:
        lines = []
    succeeded = result.succeeded and not (published and standing.withheld)
    sent = notify_of_run(spec, tables, standing, result, succeeded=succeeded, wanted=notify)
    placed = outcome_of_places(spec, result)
    if as_json:
        answer(
            {
                "verdict": "ok" if succeeded else "failed",
                "next": next_step(standing) if figures is not None else None,
                "dataset": spec.dataset,
                "snapshot": result.snapshot,
                "tables": result.tables,
                "unchanged": result.unchanged,
                "unchanged_since": result.unchanged_since or None,
                "figures": figures,
                "failed_checks": result.failed_checks,
                "withheld": standing.missed,
                "errors": result.errors,
                "notified": sent,
                "published": placed,
                "catalog": folder / CATALOG,
                "page": page,
                "data_docs": data_docs_of(tables.folder),
                "seconds": round(result.seconds, 3),
                "cpu_seconds": round(result.cpu_seconds, 3),
            }
        )
    elif result.succeeded or lines:
        culprit = _culprit(spec, standing)
        where = _where(spec, tables, folder / CATALOG, path, page, culprit, published=published)
        print_lines([*lines, "", *_skipped(result), *where, *outcome_lines(spec, placed)])
    return OK if succeeded else FAILED


def _culprit(spec: PipelineSpec, standing: Standing) -> tuple[str, str]:
    """Name the asset that failed first, and its stage; two empty texts if none failed."""
    failed = {found.table for found in standing.errors} | set(standing.failures)
    for step in flow(spec):
        if failed & {step.name, *(table.name for table in step.writes)}:
            shown = next((table.name for table in step.assets if table.name in failed), step.name)
            return shown, step.stage
    return "", ""


def _where(
    spec: PipelineSpec,
    tables: Lake,
    catalog: Path,
    path: Path,
    page: Path | None,
    culprit: tuple[str, str],
    *,
    published: bool,
) -> Iterator[str]:
    if not published:
        yield "The catalog shows what it showed before; add catalog to --select to publish."
        return
    yield f"Report:   {tables.folder / REPORT_FILE}"
    if page:
        yield f"Page:     {page}"
    docs = data_docs_of(tables.folder)
    if docs:
        yield f"Data Docs: {docs}"
    if not catalog.exists():
        return
    yield f"Catalog:  {catalog}"
    if "unified_pairs" in tables.published()["tables"]:
        yield f"          {_how_to_show(path, tables)}"
    yield f"Graph:    {_how_to_open(spec, path, tables, culprit)}"


def _how_to_show(defs: Path, tables: Lake) -> str:
    from er_pipeline.blocking.tables.default_lake import default_lake

    lake = () if tables.root == default_lake() else ("--lake", str(tables.root))
    return shlex.join(["er-pipeline", "show", str(defs), "unified_pairs", *lake])


def _skipped(result: "RunResult") -> Iterator[str]:
    from er_pipeline.terminal.left_out import skipped_text

    if result.unchanged:
        text = skipped_text(len(result.unchanged), result.n_steps, result.unchanged_since)
        yield f"Skipped:  {text}; --full makes them again"


def _warnings(checks: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Repeat the warnings of a run, which progress has carried out of sight."""
    from er_pipeline.orchestration.progress import failed_check_line

    for check in checks:
        yield failed_check_line(check["table"], check["check"], check["text"], is_error=False)


def _how_to_open(spec: PipelineSpec, defs: Path, tables: Lake, culprit: tuple[str, str]) -> str:
    from er_pipeline.blocking.tables.default_lake import LAKE_VARIABLE, default_lake
    from er_pipeline.orchestration.asset_keys import path_of_dataset
    from er_pipeline.orchestration.groups import graph_path

    if not defs.absolute().is_relative_to(DEMO_DEFS.parents[1].absolute()):
        return (
            f"copy {defs} to er_pipeline/defs/{tables.dataset}/defs.yaml to see it in dagster dev"
            " (with its paths absolute, or the files copied too),"
            f" and start that with {LAKE_VARIABLE}={tables.root}"
        )
    variable = "" if tables.root == default_lake() else f"{LAKE_VARIABLE}={tables.root} "
    page = f"http://127.0.0.1:3000{graph_path(path_of_dataset(spec), *culprit)}"
    return f"{variable}DAGSTER_HOME=$PWD dagster dev, then {page}"
