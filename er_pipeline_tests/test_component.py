from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.pages import blocks_of, pages
from er_pipeline_tests.small_spec import HEAD, small_spec
from er_pipeline_tests.test_definitions import people as people
from er_pipeline_tests.test_definitions import run_graph


def test_a_second_dataset_in_the_same_lake_keeps_its_own_schema(
    people: Dataset, tmp_path: Path
) -> None:
    assert run_graph(people).success
    spec = people.spec.model_copy(update={"dataset": "customers"})
    component = BlockingPipeline(spec)
    job = component.definitions(people.lake.root).resolve_job_def("customers_nightly")
    assert job.execute_in_process(raise_on_error=False).success
    with duckdb.connect(str(people.lake.root / "catalog.duckdb"), read_only=True) as con:
        for schema in ("people", "customers"):
            assert con.execute(f"select count(*) from {schema}.unified_pairs").fetchall() == [(2,)]


@contextmanager
def loaded(text: str) -> Iterator[BlockingPipeline]:
    """Load a defs.yaml as Dagster does when a project is opened."""
    with create_defs_folder_sandbox() as project:
        folder = project.defs_folder_path / "people"
        folder.mkdir()
        (folder / "defs.yaml").write_text(text)
        with project.build_component_tree() as tree:
            component = tree.load_component("people")
            assert isinstance(component, BlockingPipeline)
            yield component


def test_paths_start_from_the_folder_and_variables_are_filled_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PEOPLE_FOLDER", "elsewhere")
    with loaded(HEAD.replace("people.csv", '"{{ env.PEOPLE_FOLDER }}/people.csv"')) as component:
        spec = component.spec
        assert spec.sources[0].path == "elsewhere/people.csv"
        assert spec.resolved(spec.sources[0].path) == spec.folder / "elsewhere" / "people.csv"
        assert (spec.folder / "defs.yaml").is_file()


def test_a_setting_that_stands_twice_is_refused() -> None:
    twice = HEAD + "  mode: dedupe\n  mode: dedupe\n"
    with pytest.raises(Exception, match="while loading component") as caught, loaded(twice):
        pass
    assert "mode stands a second time (first in line 6)" in str(caught.value.__cause__)


def test_a_suite_that_is_wrong_is_an_error_when_the_dataset_is_loaded() -> None:
    declared = HEAD + "  expectations: {suites: [gone.json]}\n"
    with pytest.raises(Exception, match="loading component") as caught, loaded(declared):
        pass
    assert "gone.json: no such file" in str(caught.value.__cause__)


def test_the_definitions_are_of_one_dataset_over_one_lake(tmp_path: Path) -> None:
    definitions = BlockingPipeline(small_spec()).definitions(tmp_path)
    graph = definitions.resolve_asset_graph()
    assert {key.path[0] for key in graph.get_all_asset_keys()} == {"people"}
    checked = {key.asset_key for key in graph.asset_check_keys}
    assert checked == graph.materializable_asset_keys
    jobs = [job.name for job in definitions.jobs or []]
    assert jobs == ["people_nightly", "people_blocking", "people_evaluation", "people_learn"]
    assert (definitions.resources or {})["lake"].root == str(tmp_path)


def test_dagster_reads_of_whom_to_notify_what_the_command_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOOK", "https://hooks.example.org/secret")
    said = '  notify: {on: [success], webhook: "{{ env.HOOK }}", timeout_seconds: 5}\n'
    with loaded(HEAD + said) as component:
        notify = component.spec.notify
        assert notify is not None
        assert notify.on == ["success"]
        assert notify.webhook is not None
        assert notify.webhook.get_secret_value() == "https://hooks.example.org/secret"


def test_post_processing_as_the_page_shows_it_adds_tags_and_owners() -> None:
    (page,) = (
        text
        for text in blocks_of(pages()["operations"].read_text("utf-8"), "yaml")
        if "post_processing" in text
    )
    with create_defs_folder_sandbox() as project:
        folder = project.defs_folder_path / "customers"
        folder.mkdir()
        (folder / "defs.yaml").write_text(page)
        with project.build_all_defs() as definitions:
            graph = definitions.resolve_asset_graph()
    marked = {
        key.path[-1]: graph.get(key).owners
        for key in graph.materializable_asset_keys
        if graph.get(key).tags.get("domain") == "crm"
    }
    assert marked == {"unified_pairs": ["team:crm"], "catalog": ["team:crm"]}
    parents = graph.get(dg.AssetKey(["customers", "cleaned_records"])).parent_keys
    assert parents == {dg.AssetKey(["shop", "customers"])}
