"""Data Docs: Great Expectations' own page of what came of a table's suite, beside the report.

    <root>/<dataset>/data_docs/index.html       one line for each table
    <root>/<dataset>/data_docs/<table>.html     the library's page of the last run

The library writes its pages for a network: style, icons, scripts and a picture that counts its
readers come from five servers, and values of records stand in them as they are, whatever they do
in HTML. So values are escaped before it renders them, all that points elsewhere is taken out, and a
style of our own takes the place of what is gone. The page needs no script, and its policy lets
none run.
"""

import json
import logging
import re
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from er_pipeline.blocking.records.expectation_outcomes import Outcome, load_library
from er_pipeline.blocking.records.expectation_sentences import reason, without_values
from er_pipeline.blocking.tables.errors import first_line
from er_pipeline.blocking.tables.files import write_whole
from er_pipeline.blocking.tables.page_style import page_colours
from er_pipeline.blocking.tables.printable import printable

logger = logging.getLogger(__name__)

DATA_DOCS = "data_docs"
INDEX = "index.html"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
# What a page loads, runs or shows from elsewhere, and what only a script could make work.
LOADED = re.compile(
    r"(?is)<script\b.*?</script>|<style\b.*?</style>|<link\b[^>]*>|<img\b[^>]*>|<footer\b.*?</footer>"
)
HANDLERS = re.compile(r"""(?i)\son\w+\s*=\s*("[^"]*"|'[^']*')""")
ELSEWHERE = re.compile(r"""(?is)<a\b[^>]*href=["']?(?:https?:|//)[^>]*>(.*?)</a>""")
NAVIGATION = re.compile(r"(?is)^.*?(?=<div class=\"container-fluid)")
# Links to parts of the library's site that is not made here: the suite alone, the list of runs.
OTHER_PAGES = re.compile(r"""(?is)<a\b[^>]*href=["'](?!#)[^"']*["'][^>]*>(.*?)</a>""")


def keep_data_docs(
    folder: Path, dataset: str, table: str, outcomes: Sequence[Outcome], *, with_values: bool
) -> Path | None:
    """Write the page of a table's suite, and the list of pages; return the path of the list.

    folder: of the dataset. with_values: whether values of records may stand in it.
    A page that cannot be made is a warning in the log: what was found is on the check as well.
    """
    place = folder / DATA_DOCS
    try:
        page = data_docs_page(dataset, table, outcomes, with_values=with_values)
        write_whole(place / f"{table}.html", page)
    except Exception as error:  # of the library's insides, which other versions change
        name = type(error).__name__
        logger.warning("%s was not written: %s: %s", place / table, name, first_line(error))
        logger.debug("why it was not", exc_info=True)
        drop_data_docs(folder, dataset, [table])
        return None
    write_whole(place / INDEX, _index(dataset, place))
    return place / INDEX


def drop_data_docs(folder: Path, dataset: str, tables: Iterable[str]) -> None:
    """Take the pages of tables away, and with the last one the list."""
    place = folder / DATA_DOCS
    for table in tables:
        (place / f"{table}.html").unlink(missing_ok=True)
    if tables_of(place):
        write_whole(place / INDEX, _index(dataset, place))
    else:
        shutil.rmtree(place, ignore_errors=True)


def tables_of(place: Path) -> list[str]:
    """List the tables that have a page in a folder."""
    return sorted(path.stem for path in place.glob("*.html") if path.name != INDEX)


def data_docs_of(folder: Path) -> Path | None:
    """Find the list of pages of a dataset; None if there is none."""
    index = folder / DATA_DOCS / INDEX
    return index if index.is_file() else None


def data_docs_page(
    dataset: str, table: str, outcomes: Sequence[Outcome], *, with_values: bool
) -> str:
    """Have the library render what came of a suite; return the page, complete in itself."""
    load_library()
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    results = []
    for outcome in outcomes:
        expectation = outcome.expectation
        result = outcome.result if with_values else without_values(outcome.result)
        why_not = reason(outcome, with_values=with_values)
        results.append(
            ExpectationValidationResult(
                success=outcome.succeeded,
                expectation_config=ExpectationConfiguration(
                    type=expectation.name,
                    kwargs=dict(expectation.kwargs),  # the library escapes these
                    severity=FailureSeverity(expectation.severity),
                ),
                result=_escaped(result),
                meta={},
                exception_info={
                    "raised_exception": bool(why_not),
                    "exception_message": escape(why_not),
                    "exception_traceback": "",
                },
            )
        )
    n_held = sum(outcome.succeeded for outcome in outcomes)
    suite = ExpectationSuiteValidationResult(
        success=n_held == len(outcomes),
        results=results,
        suite_name=f"{dataset}.{table}",
        statistics={
            "evaluated_expectations": len(outcomes),
            "successful_expectations": n_held,
            "unsuccessful_expectations": len(outcomes) - n_held,
            "success_percent": 100 * n_held / len(outcomes) if outcomes else 100.0,
        },
        meta={
            "batch_spec": {"data_asset_name": table},
            "run_id": {"run_name": dataset, "run_time": datetime.now(UTC).isoformat()},
        },
    )
    rendered = ValidationResultsPageRenderer().render(suite)
    view: Any = DefaultJinjaPageView()  # without types
    return _complete(str(view.render(rendered)), f"{dataset}.{table}")


def _escaped(value: Any) -> Any:
    """Return plain data whose texts are text in HTML, too, and steer no template."""
    if isinstance(value, dict):
        return {name: _escaped(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(part) for part in value]
    if isinstance(value, str):
        return escape(printable(value)).replace("$", "&#36;")
    return value if isinstance(value, int | float | None) else _escaped(json.loads(_as_json(value)))


def _as_json(value: Any) -> str:
    return json.dumps(value, default=str)


def _complete(page: str, title: str) -> str:
    """Take out all that a page has from elsewhere, and put our own style in its place."""
    own = OTHER_PAGES.sub(r"\1", ELSEWHERE.sub(r"\1", HANDLERS.sub("", LOADED.sub("", page))))
    body = NAVIGATION.sub("", own[own.index("<body") : own.rindex("</body>")])
    home = f'<ol class="ge-breadcrumbs"><li><a href="{INDEX}">Data Docs</a></li></ol>'
    return _page(title, home + body)


def _page(title: str, body: str) -> str:
    style = page_colours() + files(__package__).joinpath("data_docs.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}: Data Docs</title>\n<style>{style}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _index(dataset: str, place: Path) -> str:
    items = "".join(f'<li><a href="{t}.html">{t}</a></li>' for t in tables_of(place))
    body = (
        f'<div class="container-fluid"><h4>Data Docs of {escape(dataset)}</h4>'
        "<p>Made by Great Expectations in the last run that judged them.</p>"
        f'<ul class="tables">{items}</ul>'
        '<p><a href="../report.html">The report of the run</a></p></div>'
    )
    return _page(dataset, body)
