from pathlib import Path

import dagster as dg
import pytest
from pydantic import ValidationError

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.orchestration.asset_keys import asset_key, name_of_dataset
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline.orchestration.jobs import publish_request
from er_pipeline.orchestration.run_tags import is_of_dataset, run_tags
from er_pipeline.orchestration.snapshot_partitions import partitions_name
from er_pipeline_tests.projects import SMALL, Project
from er_pipeline_tests.projects import elsewhere as elsewhere
from er_pipeline_tests.projects import project as project
from er_pipeline_tests.small_spec import small_spec

PUBLISHED = [{"parquet": "out", "tables": ["unified_pairs"]}]


def keys_of(spec: PipelineSpec, lake: Path) -> set[str]:
    graph = BlockingPipeline(spec).definitions(lake).resolve_asset_graph()
    return {key.to_user_string() for key in graph.get_all_asset_keys()}


def test_every_key_of_a_dataset_begins_with_its_prefix_and_is_the_same_but_for_it(
    tmp_path: Path,
) -> None:
    settings = {"publish": PUBLISHED, "matching": {}}
    plain = keys_of(small_spec(**settings), tmp_path)
    assert keys_of(small_spec(**settings, key_prefix=["crm", "eu"]), tmp_path) == {
        f"crm/eu/{key}" for key in plain
    }
    assert keys_of(small_spec(**settings, key_prefix="crm/eu"), tmp_path) == {
        f"crm/eu/{key}" for key in plain
    }


def test_the_asset_that_makes_a_source_keeps_its_own_key(tmp_path: Path) -> None:
    sources = [{"path": "people.csv", "asset_key": "shop/people"}]
    keys = keys_of(small_spec(sources=sources, key_prefix="crm"), tmp_path)
    assert {key for key in keys if not key.startswith("crm/people/")} == {"shop/people"}


def test_jobs_are_of_the_prefixed_dataset_and_tags_name_it(tmp_path: Path) -> None:
    spec = small_spec(key_prefix="crm")
    definitions = BlockingPipeline(spec).definitions(tmp_path)
    job = definitions.resolve_job_def("people_nightly")
    graph = definitions.resolve_asset_graph()
    assert set(job.asset_layer.executable_asset_keys) == graph.materializable_asset_keys
    tags = run_tags(spec, "nightly")
    assert tags["er_pipeline/dataset"] == name_of_dataset(spec) == "crm/people"
    ours = dg.DagsterRun(job_name="x", asset_selection={dg.AssetKey(asset_key(spec, "matches"))})
    assert is_of_dataset(ours, "crm/people")
    assert not is_of_dataset(ours, "people")
    request = publish_request(spec, dg.DagsterRun(job_name="people_nightly", tags=tags))
    assert isinstance(request, dg.RunRequest)
    assert request.asset_selection == [dg.AssetKey(["crm", "people", "catalog"])]


def test_two_teams_have_a_dataset_of_one_name_in_one_deployment(tmp_path: Path) -> None:
    teams = [small_spec(key_prefix=team) for team in ("sales", "care")]
    sales, care = (keys_of(spec, tmp_path) for spec in teams)
    assert not sales & care
    assert len({partitions_name(spec) for spec in teams}) == 2


def test_a_prefixed_dataset_runs_whole_and_in_parts(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    project.declare("  key_prefix: [crm, eu]" + SMALL)
    assert project.run() == 0
    assert (project.lake / "people" / "unified_pairs").is_dir()
    assert len(project.catalog()["cleaned_records"]) == 4
    before = project.versions()
    assert project.run("--select", "unified_pairs+", "--full") == 0
    moved = {table for table, version in project.versions().items() if version != before[table]}
    assert "unified_pairs" in moved
    assert "cleaned_records" not in moved
    capfd.readouterr()
    assert project.run() == 0
    assert "steps unchanged since" in capfd.readouterr().err


@pytest.mark.parametrize("wrong", ["", "crm//eu", [], [" "], "crm/*"])
def test_a_prefix_that_is_no_key_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError, match="key_prefix"):
        small_spec(key_prefix=wrong)
