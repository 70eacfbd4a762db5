import json

import pytest

from er_pipeline_tests.projects import Project
from er_pipeline_tests.projects import elsewhere as elsewhere
from er_pipeline_tests.projects import project as project

DATED = """
  sources: [{path: 'people_{date}.csv', record_id: id}]
  fields: {first_name: person_name, last_name: person_name}
  strategies: {same_last: last_name}
  checks: {min_key_coverage: 0, max_coverage_lost: 1, max_pairs_drop: 1}
"""
SMITHS = ["1,Ann,Smith", "2,Bob,Smith", "3,Ann,Jones"]


@pytest.fixture
def dated(project: Project) -> Project:
    """Three snapshots of the four people, declared, not run."""
    project.declare(DATED)
    for day, more in (("01", []), ("02", ["4,Cy,Jones"]), ("04", ["4,Cy,Jones", "5,Di,Jones"])):
        project.records(*SMITHS, *more)
        (project.folder / "people.csv").rename(project.folder / f"people_2026-11-{day}.csv")
    return project


def n_records(project: Project) -> int:
    return len(project.catalog()["cleaned_records"])


def test_all_snapshots_of_some_dates_run_one_after_another(
    dated: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    assert dated.run("--dates", "2026-11-01..2026-11-03", "--json") == 0
    printed = capfd.readouterr()
    answer = json.loads(printed.out)
    assert [run["snapshot"] for run in answer["runs"]] == ["2026-11-01", "2026-11-02"]
    assert answer["left"] == []
    assert "run 2 of 2, 2026-11-02" in printed.err
    assert n_records(dated) == 4
    gained = [row for row in dated.catalog()["pair_changes"] if "gained" in row]
    assert len(gained) == 1

    assert dated.run("--dates", "2026-11-01..") == 1
    refused = capfd.readouterr().err
    assert "the snapshot of 2026-11-01 is older than that of 2026-11-02" in refused
    assert dated.run("--date", "2026-11-03") == 1
    missing = capfd.readouterr().err
    assert "people_2026-11-03.csv: there is no such snapshot; the newest is 2026-11-04" in missing
    assert n_records(dated) == 4

    assert dated.run("--select", "unified_pairs") == 0  # of the date that is there
    assert "the snapshot of 2026-11-02" in capfd.readouterr().err
    assert dated.run() == 0
    assert "Sources: the snapshot of 2026-11-04" in capfd.readouterr().out
    assert n_records(dated) == 5


def test_a_date_that_fails_ends_the_others(
    dated: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    (dated.folder / "people_2026-11-02.csv").write_text("id,first_name\n1,Ann\n", "utf-8")
    assert dated.run("--dates", "..2026-11-04") == 1
    said = capfd.readouterr().err
    assert "2026-11-02 did not go well, so the 1 dates after it were not begun" in said
    assert "run --dates 2026-11-02..2026-11-04" in said
    assert n_records(dated) == 3


def test_a_dry_run_names_its_snapshot(dated: Project, capfd: pytest.CaptureFixture[str]) -> None:
    assert dated.run("--dry-run") in (0, 1)
    assert "5 records of the snapshot of 2026-11-04 cleaned" in capfd.readouterr().out
    assert dated.run("--dry-run", "--date", "2026-11-01", "--json") in (0, 1)
    assert json.loads(capfd.readouterr().out)["figures"]["snapshot"] == "2026-11-01"
    assert not dated.lake.exists()


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (("--date", "2026-11-01", "--dates", "2026-11-01.."), "leave one of them out"),
        (("--dates", "2026-11-01"), "write FROM..TO"),
        (("--dates", "2026-11-01..", "--dry-run"), "write --date"),
        (("--select", "matches", "--dry-run"), "leave --select out"),
        (("--full", "--dry-run"), "leave --full out"),
    ],
)
def test_options_that_do_not_fit_are_wrong_use(
    dated: Project, arguments: tuple[str, ...], cure: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert dated.run(*arguments) == 2
    assert cure in capfd.readouterr().err


def test_sources_without_dates_take_none(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    assert project.run("--date", "2026-11-01") == 2
    assert "no source of people has a snapshot for every date" in capfd.readouterr().err
