from pathlib import Path

import pytest

from er_pipeline.blocking.tables.default_lake import default_lake


@pytest.mark.parametrize(
    ("variable", "expected"), [(None, ".lake"), ("", ".lake"), ("here", "here"), ("/a/b", "/a/b")]
)
def test_the_lake_is_that_of_the_variable_or_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ER_PIPELINE_LAKE", raising=False)
    if variable is not None:
        monkeypatch.setenv("ER_PIPELINE_LAKE", variable)
    assert default_lake() == tmp_path / expected
