from pathlib import Path

import duckdb
import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.extensions import (
    extension_file,
    load_extension,
    versions_in_wheel,
    wheel_of,
)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a wheel that brings an extension which does not exist, for no version yet."""
    package = tmp_path / "duckdb_extension_ink_scanner"
    (package / "extensions").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    return package / "extensions"


def put(wheel: Path, version: str) -> Path:
    file = wheel / f"v{version}" / "ink_scanner.duckdb_extension"
    file.parent.mkdir()
    file.write_bytes(b"no extension")
    return file


def test_a_wheel_is_found_by_its_name_and_version(wheel: Path) -> None:
    assert wheel_of("ink_scanner") == "duckdb-extension-ink-scanner"
    assert extension_file("ink_scanner") is None
    put(wheel, "0.0.1")
    assert extension_file("ink_scanner") is None
    assert versions_in_wheel("ink_scanner") == ["0.0.1"]
    file = put(wheel, duckdb.__version__)
    assert extension_file("ink_scanner") == file


def test_a_missing_extension_is_an_error_that_names_the_wheel(engine: DuckDBEngine) -> None:
    with pytest.raises(InputError) as caught:
        load_extension(engine, "ink_scanner", "an ink pot")
    text = str(caught.value)
    assert text.startswith("an ink pot needs DuckDB's extension ink_scanner")
    assert f"pip install duckdb-extension-ink-scanner=={duckdb.__version__}" in text


def test_a_wheel_for_another_version_is_named(engine: DuckDBEngine, wheel: Path) -> None:
    put(wheel, "0.0.1")
    why = rf"is installed for DuckDB 0\.0\.1, and this is {duckdb.__version__}"
    with pytest.raises(InputError, match=why):
        load_extension(engine, "ink_scanner", "an ink pot")
    put(wheel, duckdb.__version__)
    with pytest.raises(InputError, match="cannot be loaded"):
        load_extension(engine, "ink_scanner", "an ink pot")


def test_what_duckdb_has_itself_is_loaded(engine: DuckDBEngine) -> None:
    load_extension(engine, "json", "a json file")
