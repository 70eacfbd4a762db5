from collections.abc import Callable
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.terminal.lakes import lake_folder, lake_with_records, open_lake
from er_pipeline_tests.conftest import Dataset

pytestmark = pytest.mark.usefixtures("elsewhere")

PEOPLE = [{"id": "a", "name": "ann", "city": "york"}, {"id": "b", "name": "bob", "city": "york"}]


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Dataset:
    return dataset(PEOPLE, strategies={"city": "city"})


def test_the_option_comes_before_the_variable_and_that_before_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lake_folder(None) == tmp_path / ".lake"
    monkeypatch.setenv("ER_PIPELINE_LAKE", "theirs")
    assert lake_folder(None) == tmp_path / "theirs"
    assert lake_folder(Path("mine")) == tmp_path / "mine"
    monkeypatch.setenv("ER_PIPELINE_LAKE", "")
    assert lake_folder(None) == tmp_path / ".lake"


def test_a_lake_holds_the_tables_of_its_dataset(people: Dataset) -> None:
    people.clean()
    assert open_lake(people.spec, people.root).has("cleaned_records")
    assert not open_lake(people.spec, people.root / "another").has("cleaned_records")


def test_records_as_declared_are_taken_from_the_lake(people: Dataset, tmp_path: Path) -> None:
    people.clean()
    scratch = tmp_path / "scratch"
    lake = lake_with_records(people.spec, scratch, people.root)
    assert lake.root == people.root
    assert not scratch.exists()


def test_records_of_another_declaration_are_cleaned_anew(people: Dataset, tmp_path: Path) -> None:
    people.clean()
    before = people.lake.version("cleaned_records")
    changed = people.spec.model_copy(update={"fields": {"name": "person_name", "city": "text"}})
    scratch = tmp_path / "scratch"
    lake = lake_with_records(changed, scratch, people.root)
    assert lake.root == scratch
    lake.check("cleaned_records")
    assert people.lake.version("cleaned_records") == before


def test_without_a_lake_the_sources_are_cleaned_into_scratch(
    people: Dataset, tmp_path: Path
) -> None:
    lake = lake_with_records(people.spec, tmp_path / "scratch", None)
    assert lake.has("cleaned_records")
    assert not people.root.exists()


def test_a_missing_source_is_an_error(people: Dataset, tmp_path: Path) -> None:
    (people.folder / "people.csv").unlink()
    with pytest.raises(InputError, match=r"people\.csv"):
        lake_with_records(people.spec, tmp_path / "scratch", None)
