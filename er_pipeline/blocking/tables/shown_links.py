"""Links for people: what a dataset shows, as folders of parquet that any program opens.

    <dataset>/.shown/<moment>/<table>/  links to the parquet files of the version that is shown
    <dataset>/.shown/now                a link to the last of these: all tables move at once
    <dataset>/<table>/current           a link through it

They are no links to the version's own folder, in which notes lie: Spark and Polars take every file
of a folder for parquet.
"""

import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from er_pipeline.blocking.tables.files import flush, point

CURRENT = "current"
SHOWN = ".shown"
NOW = "now"


def prepare_links(folder: Path, at: str, tables: Mapping[str, str]) -> None:
    """Make the links of what is to be shown, where nobody looks yet.

    folder: of the dataset. at: the moment, not one that is shown. tables: table -> version.
    """
    links = folder / SHOWN / at
    links.mkdir(parents=True)
    for table, version in tables.items():
        (links / table).mkdir()
        for file in sorted((folder / table / version).glob("*.parquet")):
            (links / table / file.name).symlink_to(f"../../../{table}/{version}/{file.name}")
    flush(links)


def move_links(folder: Path, at: str, tables: Collection[str]) -> None:
    """Let the links of all tables lead to what was prepared, in one step."""
    point(folder / SHOWN / NOW, at)
    for table in tables:
        link, target = folder / table / CURRENT, f"../{SHOWN}/{NOW}/{table}"
        if target_of(link) != target:
            point(link, target)


def take_links_back(folder: Path, at: str) -> None:
    """Remove what was prepared, unless it is shown by now."""
    if moment_shown(folder) != at:
        shutil.rmtree(folder / SHOWN / at, ignore_errors=True)


def drop_links(folder: Path, kept: Collection[str]) -> None:
    """Remove the links of all moments but some, and but those that are shown."""
    now = moment_shown(folder)
    with suppress(OSError):
        for links in (folder / SHOWN).iterdir():
            if links.name not in kept and links.name != now and not links.is_symlink():
                shutil.rmtree(links, ignore_errors=True)


def drop_broken_links(folder: Path) -> None:
    """Remove the links to files that are gone, and the folders that hold no other."""
    for pattern in (f"{SHOWN}/*/*/*", f"{SHOWN}/*/*", f"{SHOWN}/*", "*/*"):
        for link in sorted(folder.glob(pattern)):
            if pattern == "*/*" and link.name != CURRENT:
                continue  # a pattern that ends in a plain name finds no broken link
            if link.is_symlink():
                if not link.exists():
                    link.unlink()
            elif link.is_dir() and not any(link.iterdir()):
                link.rmdir()


def moment_shown(folder: Path) -> str:
    """Return the moment that the links of a dataset lead to; empty if there is none."""
    return target_of(folder / SHOWN / NOW) or ""


def version_shown(table: Path) -> Path | None:
    """Return the folder of the version that a table's link leads to; None if it leads nowhere."""
    file = next(iter((table / CURRENT).glob("*.parquet")), None)
    return file.resolve().parent if file and file.exists() else None


def target_of(link: Path) -> str | None:
    """Return what a link names, None if it is none."""
    try:
        return os.readlink(link)
    except OSError:
        return None
