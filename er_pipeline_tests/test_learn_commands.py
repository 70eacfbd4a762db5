import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.conftest import Rows, made_up_people
from er_pipeline_tests.declared_dataset import DeclaredDataset
from er_pipeline_tests.learned_people import KINDS
from er_pipeline_tests.projects import Project
from er_pipeline_tests.test_stale_tables import judged

pytestmark = pytest.mark.usefixtures("elsewhere")
SETTINGS: Mapping[str, Any] = {
    "fields": KINDS,
    "strategies": "auto",
    "learning": {"sample": 300, "max_rules": 4},
    "training_rules": {"same_last": "soundex(last_name)", "same_birth": "year(birth_date)"},
    "matching": {"recall": False, "max_u_pairs": 20_000},
    "labels": {},
}
Output = pytest.CaptureFixture[str]


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return made_up_people(tmp_path, 300, seed=4)


@pytest.fixture
def people(tmp_path: Path, rows: Rows) -> DeclaredDataset:
    return DeclaredDataset(tmp_path, rows, **SETTINGS)


def command(people: DeclaredDataset, *arguments: str) -> int:
    name, *others = arguments
    return main([name, str(people.defs), *others, "--lake", str(people.lake.root)])


def test_what_is_learned_is_compared_promoted_and_rolled_back(
    people: DeclaredDataset, rows: Rows, capsys: Output
) -> None:
    assert people.run() == 0
    first = capsys.readouterr().out
    assert "Learned:" in first
    assert "the model of 20" in first
    assert "from 300 records; learned in this first run" in first

    people.records([{**row, "phone": None} for row in rows])
    people.label(judged(20, 30, rows))
    assert people.run() == 0
    second = capsys.readouterr().out
    assert "from 300 records; in force since today" in second
    assert "50 labels are newer than what is in force: er-pipeline learn" in second
    assert "what_was_learned_still_fits: phone is filled in 0%" in second
    shown = people.catalog()

    assert command(people, "learn") == 0
    learned = capsys.readouterr().out
    assert "Held against what is in force, on the same 300 records" in learned
    version = learned.split()[-1]
    assert f"er-pipeline promote {people.defs} {version}" in learned
    assert people.catalog() == shown

    assert command(people, "promote", "--json") == 0
    one, other = json.loads(capsys.readouterr().out)["versions"]
    assert one["in_force"]
    assert one["records"] == other["records"] == 300
    assert other["version"] == version
    assert other["comparison"]["candidate"]["pairs"] > 0
    assert command(people, "promote") == 0
    listed = capsys.readouterr().out
    assert "candidate: " in listed
    assert "in force since 20" in listed

    assert command(people, "promote", version) == 0
    assert f"Version {version} is in force; the next run uses it" in capsys.readouterr().out
    assert people.catalog() == shown
    assert people.run() == 0
    third = capsys.readouterr().out
    assert "promoted since the last run" in third
    assert "labels are newer" not in third
    assert "what_was_learned_still_fits" not in third

    assert command(people, "promote", one["version"]) == 0
    people.declare(learning={"sample": 300, "max_rules": 3})
    capsys.readouterr()
    assert people.run() == 0
    assert "the rules of 20" in (report := capsys.readouterr().out)
    assert "learned anew in this run, as settings changed" in report


def test_yes_promotes_at_once_and_a_share_is_enough(
    people: DeclaredDataset, capsys: Output
) -> None:
    assert people.run() == 0
    capsys.readouterr()
    assert command(people, "learn", "--share", "0.5", "--yes", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["promoted"]
    assert 0 < answer["comparison"]["records"] < 300
    assert command(people, "promote", "--json") == 0
    versions = json.loads(capsys.readouterr().out)["versions"]
    assert [one["in_force"] for one in versions] == [False, True]
    assert versions[1]["version"] == answer["version"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("  learning: {promote: always}\n", "learns anew in every run"),
        ("  weights: false\n", "learns nothing"),
        ("", "holds nothing of people: is --lake right?"),
    ],
)
@pytest.mark.parametrize("arguments", [["learn"], ["promote", "2026"]])
def test_where_there_is_nothing_to_learn_beside_it_says_why_and_makes_nothing(
    project: Project, capsys: Output, settings: str, says: str, arguments: list[str]
) -> None:
    project.declare(project.defs.read_text().split("dataset: people\n")[1] + settings)
    name, *others = arguments
    assert main([name, str(project.defs), *others, "--lake", str(project.lake)]) == 1
    assert says in capsys.readouterr().err
    assert not project.lake.exists()


@pytest.mark.parametrize("share", ["0", "1.5", "-1", "some"])
def test_a_share_is_between_none_and_all(project: Project, share: str) -> None:
    assert main(["learn", str(project.defs), "--share", share]) == 2


def test_nothing_has_been_learned_yet(project: Project, capsys: Output) -> None:
    assert main(["promote", str(project.defs), "--lake", str(project.lake)]) == 0
    assert "nothing has been learned yet" in capsys.readouterr().out
