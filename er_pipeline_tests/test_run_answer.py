import json
import re

import pytest

from er_pipeline_tests.projects import SMALL, Project, command

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_a_run_prints_progress_a_report_and_where_to_look(finished: Project) -> None:
    assert re.search(r"^\[OK\] created \d+ blocks with \d+ potential comp", finished.printed, re.M)
    for table in ("cleaned_records", "blocks_soundex", "unified_pairs", "catalog"):
        assert f"\n{table} ..." in f"\n{finished.printed}"
    assert "Records:               400\n" in finished.printed
    assert "Pairs completeness:" in finished.printed
    assert f"Catalog:  {finished.lake}/catalog.duckdb" in finished.printed


def test_a_run_answers_one_json_object_on_stdout_and_shows_progress_on_stderr(
    project: Project,
) -> None:
    arguments = ["run", str(project.defs), "--lake", str(project.lake), "--json"]
    ran = command(*arguments, folder=project.folder)
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["verdict"] == "ok"
    assert answer["dataset"] == "people"
    assert {"cleaned_records", "unified_pairs", "blocking_report"} <= set(answer["tables"])
    assert answer["figures"]["run"]["records"] == 4
    assert answer["figures"]["run"]["pairs"] == 2
    assert answer["errors"] == []
    assert answer["catalog"] == str(project.lake / "catalog.duckdb")
    assert 0 < answer["seconds"] < 300
    assert "cleaned_records ...\n" in ran.stderr
    assert "\x1b" not in ran.stdout + ran.stderr


def test_a_failed_run_answers_json_with_the_checks_and_errors(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL + "  checks: {max_pairs: 1}\n")
    assert project.run("--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdict"] == "failed"
    assert answer["figures"]["run"]["records"] == 4
    assert set(answer["withheld"]) > {"filtered_blocks", "unified_pairs"}
    assert answer["next"].startswith("filtered_blocks: The strategies propose 2 pairs")
    (stopping,) = [check for check in answer["failed_checks"] if check["severity"] == "error"]
    assert (stopping["table"], stopping["check"]) == ("filtered_blocks", "pairs_within_budget")
    assert "The strategies propose 2 pairs" in stopping["text"]
    assert "unified_pairs" not in answer["tables"]


def test_warnings_are_failed_checks_of_a_good_run(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.records("only,Ann,Smith")
    assert project.run("--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdict"] == "ok"
    assert {check["severity"] for check in answer["failed_checks"]} == {"warn"}


def test_warnings_stand_at_the_end_again_and_a_part_of_the_run_publishes_nothing(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.records("only,Ann,Smith")
    assert project.run() == 0
    whole = capsys.readouterr().out
    assert "[warning] em_training_rules: every_rule_makes_pairs: " in whole
    assert project.run("--select", "cleaned_records") == 0
    part = capsys.readouterr().out
    assert "The catalog shows what it showed before; add catalog to --select" in part
    assert "Catalog:" not in part


def test_a_failed_first_run_says_that_the_catalog_shows_nothing(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.records("1,Ann,Smith", "1,Bob,Smith")
    assert project.run() == 1
    printed = capsys.readouterr()
    verdict, what_next = printed.out.splitlines()[:2]
    assert re.match(r"\[FAILED\] (\d+) of \1 tables are withheld", verdict)
    assert what_next.startswith("Next:    cleaned_records: ")
    assert "1 ids stand more than once" in what_next
    assert not (project.lake / "catalog.duckdb").exists()
    assert "no run of people has succeeded yet, so the catalog shows none of" in printed.err


def test_a_part_without_the_report_answers_no_figures(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run("--select", "cleaned_records", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["tables"]) >= {"cleaned_records"}
    assert "unified_pairs" not in answer["tables"]
    assert answer["figures"] is None
