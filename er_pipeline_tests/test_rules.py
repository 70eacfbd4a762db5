import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.terminal.cli import main
from er_pipeline.terminal.lakes import open_lake
from er_pipeline_tests.projects import HEAD, Project

LEARNED = """
  sources: [{generate: {records: 600, seed: 5}}]  # so many are enough
  fields: {first_name: person_name, last_name: person_name, city: text, birth_date: date}
  strategies: auto
  training_rules: {same_name: [first_name, last_name], same_birth_date: birth_date}
"""


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """People whose rules have been learned; a test must not change the declaration."""
    folder = tmp_path_factory.mktemp("learned")
    project = Project(folder, folder / "defs.yaml", folder / "lake")
    project.declare(LEARNED)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DAGSTER_HOME", raising=False)
        assert project.run("--select", "+learned_rules") == 0
    return project


@pytest.fixture
def facts(learned: Project) -> dict[str, Any]:
    return open_lake(read_spec(learned.defs), learned.lake).facts("learned_rules")


@pytest.fixture
def rules(learned: Project) -> Callable[..., int]:
    def run(verb: str, defs: Path, *arguments: str) -> int:
        return main(["rules", verb, str(defs), *arguments, "--lake", str(learned.lake)])

    return run


def test_the_list_shows_every_rule_with_its_pairs_and_keys(
    learned: Project,
    facts: dict[str, Any],
    rules: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rules("list", learned.defs) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["rule", "pairs", "finds", "new", "recall,", "95%", "keys"]
    assert facts["rules"]
    for line, rule in zip(lines, facts["rules"], strict=False):
        assert line.split()[:2] == [rule["rule"], f"{rule['pairs']:,}"]
        assert line.endswith(" and ".join(rule["expressions"]))
    assert f"{len(facts['rules'])} rules, {facts['pairs']:,} pairs with repeats" in lines[-1]


def test_the_list_as_json_has_the_same_rules_and_names_the_interval(
    learned: Project,
    facts: dict[str, Any],
    rules: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rules("list", learned.defs, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [rule["rule"] for rule in answer["rules"]] == [rule["rule"] for rule in facts["rules"]]
    assert answer["pairs"] == facts["pairs"]
    assert {"recall", "recall_low", "recall_high"} <= set(answer["rules"][0])
    assert "fingerprint" not in answer


def test_a_pinned_rule_is_a_strategy_and_comments_stay(
    learned: Project,
    facts: dict[str, Any],
    rules: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    defs = tmp_path / "defs.yaml"
    defs.write_text(learned.defs.read_text())
    rule = facts["rules"][0]
    assert rules("pin", defs, rule["rule"], "--as", "kept") == 0
    assert "kept is a strategy now" in capsys.readouterr().out
    text = defs.read_text()
    assert "# so many are enough" in text
    keys = rule["expressions"]
    attributes = yaml.safe_load(text)["attributes"]
    assert attributes["strategies"] == {"kept": keys if len(keys) > 1 else keys[0]}
    assert attributes["learning"] == {}  # auto meant learning, and that goes on
    assert [strategy.name for strategy in read_spec(defs).strategy_conjunctions] == ["kept"]


def test_an_unknown_rule_or_a_taken_name_is_wrong_use_and_changes_nothing(
    learned: Project,
    facts: dict[str, Any],
    rules: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    defs = tmp_path / "defs.yaml"
    text = HEAD + LEARNED.replace("auto", "{mine: city}\n  learning: {}")
    defs.write_text(text)
    name = facts["rules"][0]["rule"]
    assert rules("pin", defs, f"{name}x") == 2
    assert f"there is no learned rule '{name}x'; did you mean {name}?" in capsys.readouterr().err
    assert rules("pin", defs, name, "--as", "mine") == 2
    assert "there is a strategy 'mine' already" in capsys.readouterr().err
    assert defs.read_text() == text
