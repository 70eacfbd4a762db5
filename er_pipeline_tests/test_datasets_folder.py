"""A project whose folder of datasets holds good and broken ones."""

import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from er_pipeline.orchestration.datasets_folder import load_datasets
from er_pipeline_tests.small_spec import HEAD

PYPROJECT = """\
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "{name}"
"""


class Project:
    """A Dagster project of its own, with a package that can be imported."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.defs = root / name / "defs"
        self.defs.mkdir(parents=True)
        for folder in (self.defs, self.defs.parent):
            (folder / "__init__.py").touch()
        (root / "pyproject.toml").write_text(PYPROJECT.format(name=name))

    def declare(self, folder: str, text: str) -> Path:
        file = self.defs / folder / "defs.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        return file

    def load(self) -> dg.Definitions:
        return load_datasets(self.root, f"{self.name}.defs")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    name = f"project_{tmp_path.name.replace('-', '_')}"
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Project(tmp_path, name)
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
        del sys.modules[module]


def named(name: str) -> str:
    return HEAD.replace("dataset: people", f"dataset: {name}")


def datasets(definitions: dg.Definitions) -> dict[str, int]:
    """Count the assets of each dataset that can be made."""
    counts: dict[str, int] = {}
    for key in definitions.resolve_asset_graph().materializable_asset_keys:
        counts[key.path[0]] = counts.get(key.path[0], 0) + 1
    return counts


def schedules(definitions: dg.Definitions) -> dict[str, str]:
    loaded = (definitions.resolve_schedule_def(s.name) for s in definitions.schedules or [])
    return {schedule.name: str(schedule.cron_schedule) for schedule in loaded}


def reason(definitions: dg.Definitions, dataset: str) -> str:
    """Run a broken dataset; return what its failure says."""
    result = definitions.resolve_job_def(f"{dataset}_nightly").execute_in_process(
        raise_on_error=False
    )
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    return str(data.description)


BROKEN = {
    "syntax": (HEAD + "  fields: [a\n", "not YAML"),
    "settings": (HEAD + "  blokcs: {}\n", "did you mean 'blocks'?"),
    "cron": (HEAD + "  schedule: {cron: 0 25 * * *}\n", "'25' is no hour"),
    "variable": (HEAD + "  description: '{{ env.NO_SUCH_NAME }}'\n", "NO_SUCH_NAME is not set"),
    "bomb": (
        HEAD
        + "  a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"  {b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n"
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "stands for more than",
    ),
    "circle": (HEAD + "  placeholders: &a [*a]\n", "contains itself"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_dataset_leaves_the_others_and_their_schedules(
    project: Project, kind: str
) -> None:
    text, message = BROKEN[kind]
    project.declare("customers", named("customers"))
    file = project.declare("people", text)
    definitions = project.load()
    counts = datasets(definitions)
    assert counts["people"] == 1
    assert counts["customers"] > 10
    assert schedules(definitions) == {
        "customers_nightly_schedule": "0 2 * * *",
        "people_nightly_schedule": "0 2 * * *",
    }
    (key,) = [
        k for k in definitions.resolve_asset_graph().get_all_asset_keys() if k.path[0] == "people"
    ]
    shown = definitions.resolve_asset_graph().get(key).description or ""
    for text in (reason(definitions, "people"), shown):
        assert message in text
        assert f"{file}:" in text


def test_the_schedule_of_a_broken_dataset_stays_as_it_is_declared(project: Project) -> None:
    declared = HEAD + "  schedule: {cron: 30 4 * * 1, enabled: false}\n  strategies: {a: town}\n"
    project.declare("people", declared)
    definitions = project.load()
    assert schedules(definitions) == {"people_nightly_schedule": "30 4 * * 1"}
    schedule = definitions.resolve_schedule_def("people_nightly_schedule")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert "unknown column 'town'" in reason(definitions, "people")


def test_a_copy_that_keeps_the_name_of_its_dataset_is_the_broken_one(project: Project) -> None:
    first = project.declare("a", named("people"))
    project.declare("b", named("People"))
    definitions = project.load()
    counts = datasets(definitions)
    assert counts["people"] > 10
    assert counts["b"] == 1
    assert f"is declared in {first} already" in reason(definitions, "b")


def test_definitions_in_python_are_loaded_beside_broken_datasets(project: Project) -> None:
    project.declare("people", "type: er_pipeline.BlockingPipeline\n")
    for name in ("single.py", "several/assets.py"):
        file = project.defs / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"import dagster as dg\n@dg.asset\ndef {file.parent.name}_one(): ...\n")
    (project.defs / "bad.py").write_text("1 / 0\n")
    counts = datasets(project.load())
    assert counts == {"people": 1, "defs_one": 1, "several_one": 1, "defs": 1}


def test_where_all_is_well_dagster_loads_the_folder_itself(project: Project) -> None:
    project.declare("people", HEAD)
    definitions = project.load()
    assert definitions.component_tree is not None
    assert datasets(definitions)["people"] > 10


def test_what_dagster_adds_to_a_dataset_stays_while_another_one_is_broken(project: Project) -> None:
    added = """
post_processing:
  assets:
    - target: "key:people/catalog"
      attributes: {tags: {domain: crm}}
"""
    project.declare("people", named("people") + added)
    project.declare("broken", named("broken") + "  mode: dedup\n")
    definitions = project.load()
    assert datasets(definitions)["broken"] == 1
    graph = definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["people", "catalog"])).tags["domain"] == "crm"
