"""The documentation that is installed with the package: pages of Markdown in er_pipeline/docs."""

import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from er_pipeline.terminal.exit_codes import UsageError

DOCS = Path(__file__).parents[1] / "docs"
# A misspelt page shares at least this much with the one that was meant (difflib's ratio).
NEAR = 0.4


class Page(NamedTuple):
    """One page. name: of its file, without the ending. title: its first heading."""

    name: str
    title: str
    text: str


def read_pages(folder: Path = DOCS) -> dict[str, Page]:
    """Return every page by name, in the order of the names."""
    pages = {}
    for file in sorted(folder.glob("*.md")):
        text = file.read_text("utf-8")
        pages[file.stem] = Page(file.stem, _title(text) or file.stem, text)
    return pages


def page_lines(pages: dict[str, Page]) -> Iterator[str]:
    """Write the list of the pages, line by line."""
    width = max(map(len, pages), default=0)
    for page in pages.values():
        yield f"{page.name:<{width}}  {page.title}"


def find_page(pages: dict[str, Page], name: str) -> Page:
    """Return the page of that name; an ending .md and capital letters do not matter.

    Raises UsageError that names the nearest page if there is none.
    """
    wanted = name.lower().removesuffix(".md")
    by_name = {page.name.lower(): page for page in pages.values()}
    if wanted in by_name:
        return by_name[wanted]
    near = get_close_matches(wanted, by_name, n=1, cutoff=NEAR)
    hint = f"did you mean {by_name[near[0]].name}? The pages are" if near else "the pages are"
    raise UsageError(f"there is no page {name!r}; {hint} {', '.join(pages) or 'none'}")


def print_page(page: Page) -> None:
    """Print a page: rendered on a terminal, as the Markdown it is when piped."""
    if not sys.stdout.isatty():
        sys.stdout.write(page.text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(page.text))


def _title(text: str) -> str:
    """Return the first heading, outside code blocks; "" if there is none."""
    in_code = False
    for line in text.splitlines():
        if line.startswith("```"):
            in_code = not in_code
        if not in_code and line.startswith("#"):
            return line.lstrip("#").strip()
    return ""
