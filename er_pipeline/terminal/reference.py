"""The reference: pages of Markdown that are made from the code.

    python -m er_pipeline.terminal.reference            write them
    python -m er_pipeline.terminal.reference --check    name the stale ones, and write nothing

Exits with 1 if --check finds a page that is not as the code would have it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from er_pipeline.terminal.checks_page import checks_page
from er_pipeline.terminal.docs import DOCS
from er_pipeline.terminal.keys_page import keys_page
from er_pipeline.terminal.settings_page import settings_page
from er_pipeline.terminal.tables_page import tables_page

PAGES: Mapping[str, Callable[[], str]] = {
    "settings": settings_page,
    "tables": tables_page,
    "checks": checks_page,
    "keys": keys_page,
}
GENERATED = "<!-- made from the code by python -m er_pipeline.terminal.reference -->\n"


def reference_pages() -> dict[str, str]:
    """Return every page by name, as the code has it now."""
    return {name: f"{write()}\n{GENERATED}" for name, write in PAGES.items()}


def stale_pages(folder: Path) -> list[str]:
    """Name the pages in a folder that are missing, or not as the code would have them."""
    stale = []
    for name, text in reference_pages().items():
        file = folder / f"{name}.md"
        if not file.is_file() or file.read_text("utf-8") != text:
            stale.append(name)
    return stale


def main(arguments: Sequence[str], folder: Path = DOCS) -> int:
    """Write the pages into a folder, or with --check name the stale ones; return the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m er_pipeline.terminal.reference [--check]", file=sys.stderr)
        return 2
    if arguments:
        stale = stale_pages(folder)
        for name in stale:
            print(f"{folder / name}.md is stale: run python -m er_pipeline.terminal.reference")
        return int(bool(stale))
    for name, text in reference_pages().items():
        (folder / f"{name}.md").write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
