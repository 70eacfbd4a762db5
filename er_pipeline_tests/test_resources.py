from pathlib import Path

import pytest

from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.orchestration.resources import LakeFolder, lake_resources
from er_pipeline_tests.small_spec import small_spec


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
