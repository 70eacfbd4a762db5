import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.orchestration.declared_job import load_job
from er_pipeline_tests.projects import Project


def assets_of(job: dg.JobDefinition) -> set[str]:
    return {key.path[-1] for key in job.asset_layer.executable_asset_keys}


def test_the_job_is_that_of_the_yaml_with_its_overrides(project: Project) -> None:
    plain = load_job(str(project.defs), str(project.lake), "", "{}", "a")
    assert plain.name == "people_nightly"
    assert "blocks_same_last" in assets_of(plain)
    assert "pair_weights" in assets_of(plain)
    overrides = json.dumps({"weights": False})
    without = load_job(str(project.defs), str(project.lake), "", overrides, "a")
    assert assets_of(plain) - assets_of(without) == {"key_codes", "pair_weights"}


@pytest.mark.parametrize(
    ("declared", "asked", "expected"),
    [
        ("in_process", "", "in_process"),
        ("in_process", "multiprocess", "multiprocess"),
        ("multiprocess", "", "multiprocess"),
        ("multiprocess", "in_process", "in_process"),
    ],
)
def test_an_executor_that_is_asked_for_wins(
    project: Project, declared: str, asked: str, expected: str
) -> None:
    overrides = json.dumps({"executor": declared})
    job = load_job(str(project.defs), str(project.lake), asked, overrides, "a")
    assert job.executor_def.name == expected


def test_the_job_writes_into_its_lake_and_shows_progress(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    job = load_job(str(project.defs), str(project.lake), "in_process", "{}", digest="b")
    keys = [dg.AssetKey(["people", name]) for name in ("cleaned_records", "rejected_records")]
    config: dict[str, Any] = {"loggers": {"progress": {}}}
    assert job.execute_in_process(asset_selection=keys, run_config=config).success
    assert set(project.versions()) >= {"cleaned_records", "rejected_records"}
    assert "cleaned_records ..." in capfd.readouterr().err


def test_a_wrong_yaml_is_an_error_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "defs.yaml").write_text("dataset: people\n")
    with pytest.raises(SpecError, match=r"defs\.yaml:1: must begin with"):
        load_job(str(tmp_path / "defs.yaml"), str(tmp_path), "", "{}", "a")
