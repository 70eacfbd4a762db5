from pathlib import Path

import pytest

from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.orchestration.resources import LakeFolder, default_lake, lake_resources
from er_pipeline_tests.small_spec import small_spec


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


def test_datasets_of_one_lake_share_their_resources(tmp_path: Path) -> None:
    made = lake_resources(tmp_path)
    again, other = lake_resources(tmp_path), lake_resources(tmp_path / "other")
    for name in ("lake", "catalog"):
        assert made[name] is again[name]
        assert made[name] is not other[name]
    assert getattr(made["catalog"], "database", None) == str(tmp_path / "catalog.duckdb")


def test_the_lake_of_a_dataset_knows_its_settings(tmp_path: Path) -> None:
    folder = LakeFolder(root=str(tmp_path))
    spec = small_spec()
    lake = folder.of(spec)
    assert lake.folder == tmp_path / "people"
    assert set(lake.plans) >= {"cleaned_records", "blocks_name", "unified_pairs"}
    with pytest.raises(LakeError, match="people/cleaned_records is not in the lake"):
        lake.check("cleaned_records")
