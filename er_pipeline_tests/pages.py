"""The README and the pages of er_pipeline/docs, taken apart as a reader sees them."""

import re
from collections.abc import Iterator
from pathlib import Path

from er_pipeline.terminal.docs import DOCS

README = Path(__file__).parents[1] / "README.md"
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def pages() -> dict[str, Path]:
    """Give every page by its name, the README first."""
    return {"README": README, **{path.stem: path for path in sorted(DOCS.glob("*.md"))}}


def blocks_of(text: str, language: str) -> list[str]:
    """List the code blocks of a language, without the indentation of a list they stand in."""
    return [
        re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE)
        for found in FENCED.finditer(text)
        if found[2] == language
    ]


def prose_of(text: str) -> str:
    """Return a page without its code blocks."""
    return FENCED.sub("", text)


def inline_code(text: str) -> Iterator[str]:
    """Give what stands between backticks in the prose of a page."""
    yield from re.findall(r"`([^`\n]+)`", prose_of(text))


def links_of(text: str) -> Iterator[str]:
    """Give the targets of a page's links, those to other sites left out."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(text)):
        if not target.startswith(("http://", "https://")):
            yield target


def anchors_of(text: str) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", prose_of(text), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }
