import json
import re
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import SMALL, Project

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_a_dry_run_counts_exactly_what_a_run_makes(
    finished: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "lake"
    assert main(["run", str(finished.defs), "--lake", str(new), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert not new.exists()
    told = {
        name: (int(blocks), int(pairs), int(over), int(avoided))
        for name, blocks, pairs, over, avoided in re.findall(
            r"^(\w+) +(\d+) +(\d+) +(\d+) +(\d+)$", printed.replace(",", ""), re.M
        )
    }
    facts = Lake(finished.lake, "people").facts("filtered_blocks")
    assert len(told) == 6
    assert told == {
        name: (
            counts["kept_blocks"],
            counts["pairs"],
            counts["dropped_blocks"]["oversized"],
            counts["dropped_pairs"]["oversized"],
        )
        for name, counts in facts["strategies"].items()
    }
    assert sum(avoided for *_, avoided in told.values()) > 0
    assert f"[ok] pairs_within_budget: The strategies propose {facts['pairs']:,} pairs" in printed
    rules = Lake(finished.lake, "people").facts("em_training_rules")
    assert f"training rules make {rules['pairs']:,} pairs together" in printed


def test_a_dry_run_over_budget_exits_1_and_changes_nothing(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL + "  checks: {max_pairs: 1}\n")
    assert project.run("--dry-run") == 1
    told = "[FAILED] pairs_within_budget: The strategies propose 2 pairs"
    assert told in capsys.readouterr().out
    assert not project.lake.exists()


@pytest.mark.parametrize(
    ("budget", "code", "told"),
    [
        ("{max_pairs: 1}", 0, "[ok] budget_is_kept: The best 1 pairs are kept of at least 2 and"),
        (
            "{max_pairs: 1, on_over_budget: fail}",
            1,
            "[FAILED] budget_is_kept: At least 2 pairs would be made, 1 more than the budget of 1",
        ),
        ("{max_pairs: 2, on_over_budget: fail}", 0, "[ok] budget_is_kept: The best 2 pairs"),
    ],
)
def test_a_dry_run_judges_the_budget(
    project: Project, capsys: pytest.CaptureFixture[str], budget: str, code: int, told: str
) -> None:
    project.declare(SMALL + f"  budget: {budget}\n")
    assert project.run("--dry-run") == code
    assert told in capsys.readouterr().out


def test_a_dry_run_answers_its_figures_and_checks_as_json(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL + "  checks: {max_pairs: 1}\n")
    assert project.run("--dry-run", "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdict"] == "failed"
    assert answer["figures"]["records"] == 4
    assert answer["figures"]["fields"]["first_name"]["distinct"] == 3
    assert answer["figures"]["strategies"]["same_last"]["pairs"] == 2
    assert set(answer["figures"]["training_rules"]) == {"first", "last"}
    checks = {check["check"]: check for check in answer["checks"]}
    assert checks["pairs_within_budget"]["passed"] is False
    assert checks["pairs_within_budget"]["severity"] == "error"
    assert checks["pairs_within_budget"]["numbers"] == {"pairs": 2, "max_pairs": 1}
    assert checks["key_coverage_is_enough"]["passed"] is True


def test_a_dry_run_of_a_part_is_wrong_use(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    assert project.run("--dry-run", "--select", "unified_pairs") == 2
    assert "leave --select out" in capfd.readouterr().err
