import csv
import re
from pathlib import Path

import pytest
import yaml

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline_tests.pages import blocks_of

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
MOST_LINES = 200


def test_the_readme_is_a_front_door() -> None:
    assert len(README.splitlines()) < MOST_LINES


def test_the_readmes_smallest_declaration_is_valid() -> None:
    smallest = blocks_of(README, "yaml")[0]
    spec = PipelineSpec.model_validate(yaml.safe_load(smallest)["attributes"])
    assert [strategy.name for strategy in spec.strategy_conjunctions] == [
        "email_exact",
        "email_domain",
        "name_key",
        "soundex",
        "company_word",
        "name_combo",
    ]
    assert spec.field_kinds == {
        "first_name": "person_name",
        "last_name": "person_name",
        "email": "email",
        "company": "company",
    }


def test_the_two_commands_stand_in_the_readme_each_complete() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert commands[0].endswith("er-pipeline demo")
    assert commands[1].endswith("pytest")


def test_the_readmes_rooms_are_those_of_the_package() -> None:
    package = Path(__file__).parents[1] / "er_pipeline"
    (rooms,) = (text for text in blocks_of(README, "text") if text.startswith("er_pipeline/"))
    listed = [
        name
        for names in re.findall(r"^  (?:  )?(\w[\w./]*(?:, [\w./]+)*)(?=  |$)", rooms, re.MULTILINE)
        for name in re.findall(r"[\w.]+", names)
    ]
    there = {path.name for path in package.iterdir() if path.name[0].isalpha()}
    there |= {path.name for path in (package / "blocking").iterdir() if path.name[0].isalpha()}
    assert set(listed) == there - {"defs", "definitions.py", "py.typed"}


def test_the_readmes_library_example_makes_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "defs.yaml").write_text(blocks_of(README, "yaml")[0])
    rows = [
        ("customer_no", "fname", "lname", "email_address", "org"),
        ("1", "John", "Smith", "john@acme.com", "Acme Inc."),
        ("2", "Jon", "Smyth", "john@acme.com", "The Acme Company"),
        ("3", "Mary", "Jones", "mary@other.org", "Other Ltd."),
    ]
    with (tmp_path / "customers.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    (example,) = blocks_of(README, "python")
    exec(compile(example, "README.md", "exec"), {})
    steps = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert (steps[0], steps[-1]) == ("cleaned_records", "unified_pairs")
    assert Lake(tmp_path / "lake", "customers").facts("unified_pairs")["pairs"] == 1
