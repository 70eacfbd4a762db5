import json
import re
from pathlib import Path

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import GENERATED, Project

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_rules_that_were_never_learned_are_an_error(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = ["--lake", str(project.lake)]
    before = project.defs.read_text()
    for arguments in (["list", str(project.defs)], ["pin", str(project.defs), "last_name"]):
        assert main(["rules", *arguments, *lake]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "error: no rules have been learned for people" in printed.err
    assert project.defs.read_text() == before


def test_training_rules_answer_their_keys_and_figures_as_json(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(GENERATED)
    arguments = ["training-rules", str(project.defs)]
    code = main([*arguments, "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert code == (answer["verdict"] == "failed")
    proposed = answer["figures"]["training_rules"]
    assert proposed
    assert sum(rule["pairs"] for rule in proposed.values()) == answer["figures"]["pairs"]
    assert all(rule["keys"] for rule in proposed.values())
    assert set(answer["figures"]["declared"]) == {"same_name", "same_email"}
    assert main(arguments) == code
    printed = capsys.readouterr().out
    for name, rule in proposed.items():
        assert re.search(rf"^{name} +{rule['pairs']:,} ", printed, re.M)


@pytest.mark.parametrize(
    "arguments",
    [["rules", "list"], ["rules", "pin"], ["training-rules"]],
    ids=["list", "pin", "training-rules"],
)
def test_a_missing_declaration_is_wrong_use(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = ["last_name"] if arguments[-1] == "pin" else []
    assert main([*arguments, str(tmp_path / "no.yaml"), *rule]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {tmp_path}/no.yaml: cannot be read")
