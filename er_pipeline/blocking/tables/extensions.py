"""Extensions of DuckDB, loaded from wheels: nothing is ever fetched at run time.

A wheel such as duckdb-extension-ducklake brings the extension for one version of DuckDB. What
somebody has installed into DuckDB's own folder by hand is taken, too.
"""

from importlib.util import find_spec
from pathlib import Path

import duckdb

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError, first_line
from er_pipeline.blocking.tables.sql import literal


def load_extension(engine: Engine, name: str, needed_for: str) -> None:
    """Load an extension of DuckDB. needed_for: how the error begins, such as `a DuckLake`.

    Raises InputError that names the wheel to install.
    """
    file = extension_file(name)
    try:
        engine.execute(f"load {literal(str(file))}" if file else f"load {name}")
    except duckdb.Error as error:
        wheel, version = wheel_of(name), duckdb.__version__
        found = versions_in_wheel(name)
        if found and not file:
            why = f"{wheel} is installed for DuckDB {', '.join(found)}, and this is {version}"
        elif file:
            why = f"{file} cannot be loaded ({first_line(error)})"
        else:
            why = f"it comes as the wheel {wheel}"
        raise InputError(
            f"{needed_for} needs DuckDB's extension {name}, and nothing is fetched at run time:"
            f" {why}. Install it, pip install {wheel}=={version}; if there is none of that version"
            f" yet, a DuckDB for which there is one, pip install {wheel} duckdb==VERSION"
        ) from error


def wheel_of(name: str) -> str:
    """Name the wheel that brings an extension."""
    return f"duckdb-extension-{name.replace('_', '-')}"


def extension_file(name: str) -> Path | None:
    """Find the extension of an installed wheel that is for this version of DuckDB."""
    for folder in _folders(name):
        file = folder / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.is_file():
            return file
    return None


def versions_in_wheel(name: str) -> list[str]:
    """List the versions of DuckDB that an installed wheel is for; none if there is no wheel."""
    return sorted(
        file.parent.name.removeprefix("v")
        for folder in _folders(name)
        for file in folder.glob(f"v*/{name}.duckdb_extension")
    )


def _folders(name: str) -> list[Path]:
    found = find_spec(wheel_of(name).replace("-", "_"))
    places = found.submodule_search_locations if found else None
    return [Path(place) / "extensions" for place in places or ()]
