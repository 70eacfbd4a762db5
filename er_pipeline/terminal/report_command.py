"""The command report: the page of the last run, for a browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from er_pipeline.terminal.exit_codes import FAILED, OK
from er_pipeline.terminal.options import Defs, JsonOption, LakeOption, examples

if TYPE_CHECKING:
    from er_pipeline.blocking.spec.pipeline import PipelineSpec
    from er_pipeline.blocking.tables.lake import Lake
    from er_pipeline.blocking.tables.standing import Standing

REPORT_EXAMPLES = examples(
    "er-pipeline report defs.yaml --open",
    "er-pipeline report defs.yaml --lake /data/lake",
)


def report(
    defs: Defs,
    /,
    *,
    open_it: Annotated[
        bool,
        Parameter(name="--open", negative="", show_default=False, help="Show it in the browser."),
    ] = False,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Name the page of the last run, report.html, and show it.

    A run keeps it beside its tables. It is made anew here if it is missing, or
    if a setting has changed since that it depends on.
    """
    import sys
    import webbrowser

    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.errors import LakeError
    from er_pipeline.blocking.tables.standing import standing_of
    from er_pipeline.evaluation.page.run_page import PAGE_FILE
    from er_pipeline.flow import flow
    from er_pipeline.terminal.answer import print_error, print_json, print_lines
    from er_pipeline.terminal.lakes import open_lake

    spec = read_spec(defs)
    place = open_lake(spec, lake)
    if not place.published()["at"]:
        raise LakeError(
            f"nothing is published of dataset {spec.dataset} in the lake {place.root}: run"
            " er-pipeline run first, or name the lake that holds it with --lake"
        )
    standing = standing_of(flow(spec), place)
    page: Path | None = place.folder / PAGE_FILE
    if standing.stale and page and page.is_file():
        print("the declaration has changed; the page is of the last run", file=sys.stderr)
    else:
        page = _made(spec, place, standing)
    if page is None:
        print_error("the page could not be made; the warning above says why")
        return FAILED
    if as_json:
        print_json({"page": page})
    else:
        print_lines([str(page)])
    if open_it and not webbrowser.open(page.as_uri()):
        print_error(f"no browser was found; open {page} yourself")
        return FAILED
    return OK


def _made(spec: "PipelineSpec", place: "Lake", standing: "Standing") -> Path | None:
    """Make the page of what lies in the lake, unless it is there; None if it cannot be made."""
    from er_pipeline.blocking.tables.files import files_of_mode
    from er_pipeline.evaluation.kept_report import figures_of, run_report
    from er_pipeline.evaluation.page.run_page import keep_page

    figures = figures_of(spec, place, standing)
    with files_of_mode(spec.lake.file_mode):
        return keep_page(spec, place, standing, figures, run_report(standing, place, figures))
