"""The page as HTML: one file that holds its style, its scripts, its data and nothing from outside.

What comes from records and messages is text wherever it stands: escaped in HTML, written as data in
JSON, and set by the script as the text of nodes. The policy of the page says so to the browser,
too: it runs the page's own scripts, known by their digests, no others, and loads nothing.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from er_pipeline.blocking.tables.page_style import page_colours, policy_digest
from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.printable import printable
from er_pipeline.evaluation.page.page_parts import Chart, Link, Listing, PairViewer, Part, Section

# Cells that stand to the right: counts, shares, changes.
NUMBER = re.compile(r"^(under )?[+\-−]?[\d.,]+(e[+-]?\d+)?( ?%| points)?$|^=$")
LINE_ENDS = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def page_html(
    title: str,
    lead: Sequence[str],
    sections: Sequence[Section],
    libraries: Sequence[str],
    made_from: str,
) -> str:
    """Write a page whole.

    title: of the page. lead: lines below it, the verdict first. libraries: scripts that draw the
    pictures. made_from: stands for all that the page shows, see `read_made_from`.
    """
    data: dict[str, Any] = {}
    body = "".join(_section_html(n, section, data) for n, section in enumerate(sections, 1))
    scripts = [*libraries, _asset("page.js")]
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src " + " ".join(
        policy_digest(script) for script in scripts
    )
    entries = "".join(
        f'<li><a href="#s{n}">{_text(section.label)}</a></li>'
        for n, section in enumerate(sections, 1)
    )
    verdict, *others = lead
    kind = "bad" if "[FAILED]" in verdict else "good"
    paragraphs = "".join(f"<p>{_text(line)}</p>" for line in others)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta name="made-from" content="{escape(made_from)}">\n'
        f"<title>{_text(title)}</title>\n<style>{page_colours()}{_asset('page.css')}</style>\n</head>\n<body>\n"
        f'<nav aria-label="Contents"><ol>{entries}</ol></nav>\n<main>\n<header>\n'
        f'<h1>{_text(title)}</h1>\n<p class="verdict {kind}">{_text(verdict)}</p>\n{paragraphs}'
        f"\n</header>\n{body}</main>\n"
        f'<script type="application/json" id="data">{json_text(data)}</script>\n'
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


def read_made_from(page: str) -> str | None:
    """Read from the beginning of a page what it was made from; None if it does not say."""
    found = re.search(r'<meta name="made-from" content="([0-9a-f]+)">', page)
    return found.group(1) if found else None


def read_data(page: str) -> dict[str, Any]:
    """Read the data of a page: its pictures and pairs, by the place where they stand."""
    text = page.partition('<script type="application/json" id="data">')[2]
    data: dict[str, Any] = json.loads(text.partition("</script>")[0])
    return data


def json_text(value: Any) -> str:
    """Write data as JSON that can stand in a script of a page: nothing in it ends the script."""
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda found: LINE_ENDS[found.group()], text)


def _plain(value: Any) -> Any:
    """Take texts as they can be written in UTF-8, and numbers as JSON has them."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return printable(value) if isinstance(value, str) else value


def _section_html(n: int, section: Section, data: dict[str, Any]) -> str:
    parts = "".join(_part_html(f"s{n}p{i}", part, data) for i, part in enumerate(section.parts))
    return (
        f'<section id="s{n}">\n<h2>{_text(section.title)}</h2>\n'
        f'<p class="answer">{_text(section.answer)}</p>\n{parts}</section>\n'
    )


def _part_html(name: str, part: Part, data: dict[str, Any]) -> str:
    if isinstance(part, str):
        return f"<p>{_text(part)}</p>\n"
    if isinstance(part, Link):
        return f'<p><a href="{_text(part.path)}">{_text(part.text)}</a></p>\n'
    about = f'<p class="about">{_text(part.about)}</p>' if part.about else ""
    if isinstance(part, Chart):
        data[name] = part.spec
        return (
            f"<figure><figcaption>{_text(part.title)}</figcaption>{about}"
            f'<div class="chart" id="{name}" role="img" aria-label="{_text(part.title)}"></div>'
            "</figure>\n"
        )
    if isinstance(part, Listing):
        table = f'<div class="table">{_table_html(part.grid)}</div>'
        if part.is_folded:
            return f"<details><summary>{_text(part.title)}</summary>{about}{table}</details>\n"
        return f"<h3>{_text(part.title)}</h3>{about}{table}\n"
    return _viewer_html(name, part, about, data)


def _viewer_html(name: str, part: PairViewer, about: str, data: dict[str, Any]) -> str:
    data[name] = {"chart": part.chart, "pairs": part.pairs}
    return (
        f'<div class="viewer" id="{name}"><h3>{_text(part.title)}</h3>{about}'
        f'<p><label for="{name}c">Pair </label><select id="{name}c"></select>'
        ' <button type="button" class="previous">Heavier</button>'
        ' <button type="button" class="next">Lighter</button></p>'
        '<p class="said"></p><div class="table values"></div>'
        f'<figure><figcaption>How its score comes about</figcaption><div class="waterfall"></div>'
        "</figure></div>\n"
    )


def _table_html(grid: Grid) -> str:
    n_columns = len(grid.header)
    is_number = [
        any(row[i] for row in grid.rows)
        and all(NUMBER.match(row[i]) or not row[i] for row in grid.rows)
        for i in range(n_columns)
    ]
    mark = [' class="number"' if right else "" for right in is_number]
    head = "".join(
        f"<th{mark[i]} scope=col>{_text(cell)}</th>" for i, cell in enumerate(grid.header)
    )
    rows = "".join(
        "<tr>" + "".join(f"<td{mark[i]}>{_text(cell)}</td>" for i, cell in enumerate(row)) + "</tr>"
        for row in grid.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _text(text: str) -> str:
    return escape(printable(text))


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
