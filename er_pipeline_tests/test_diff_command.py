import json

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import SMALL, Project

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_two_runs_are_compared_by_moments_and_by_ids(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["diff", str(project.defs), "--lake", str(project.lake)]
    assert main(command) == 1
    assert "run er-pipeline run first" in capsys.readouterr().err
    assert project.run() == 0
    assert main(command) == 1
    assert "nothing to compare it with yet" in capsys.readouterr().err
    project.records("1,Ann,Smith", "2,Bob,Smith", "3,Ann,Smith")
    project.declare(SMALL + "  blocks: {max_size: 9}\n")
    assert project.run() == 0
    capsys.readouterr()
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    figures = {row["figure"]: (row["before"], row["now"]) for row in found["figures"]}
    assert figures["records"] == (4, 3)
    assert figures["pairs"] == (2, 3)
    assert {row["setting"] for row in found["settings"]} == {"blocks.max_size"}
    assert sum(row["pairs"] for row in found["changes"]["pairs"] if row["change"] == "gained") == 2
    assert main(command) == 0
    assert "Candidate pairs" in capsys.readouterr().out
    rows = ["show", *command[1:], "run_metrics", "--order-by", '"at"', "--limit", "9999", "--json"]
    assert main(rows) == 0
    runs = dict.fromkeys(row["run_id"] for row in json.loads(capsys.readouterr().out)["rows"])
    first, second = runs
    assert main([command[0], command[1], first[:12], second, *command[2:], "--json"]) == 0
    by_id = json.loads(capsys.readouterr().out)
    assert by_id["before"].startswith(first[:8])
    assert (by_id["settings"], by_id["changes"]) == (found["settings"], found["changes"])
    assert main([command[0], command[1], second, first, *command[2:]]) == 2
    assert "name the older one first" in capsys.readouterr().err
