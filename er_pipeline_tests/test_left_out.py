"""What `er-pipeline run` leaves out, and what it says of it."""

import json
import re

import pytest

from er_pipeline.terminal.left_out import LeftOut, left_out_lines
from er_pipeline_tests.projects import SMALL, Project

pytestmark = pytest.mark.usefixtures("elsewhere")
PEOPLE = ["1,Ann,Smith", "2,Bob,Smith", "3,Ann,Jones", "4,Cy,Jones"]


def test_reasons_are_named_only_where_something_is_left_out() -> None:
    left = LeftOut(["a", "b"], ["a"], "2026-11-26 02:00 UTC", False, {"c": "c.csv has changed"})
    assert list(left_out_lines(left, 3)) == [
        "at least 2 of 3 steps unchanged since 2026-11-26 02:00 UTC: will be skipped",
        "c runs: c.csv has changed",
    ]
    assert list(left_out_lines(LeftOut(["a"], ["a"], "2026-11-26 02:00 UTC"), 1)) == [
        "1 of 1 steps unchanged since 2026-11-26 02:00 UTC: will be skipped",
    ]
    assert list(left_out_lines(LeftOut(reasons={"c": "is not in the lake"}), 3)) == []


def test_a_second_run_skips_all_and_answers_as_the_first(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run() == 0
    first = capsys.readouterr().out
    versions, note = project.versions(), (project.lake / "people" / "published.json").read_bytes()
    assert project.run() == 0
    printed = capsys.readouterr()
    (skipped,) = re.findall(r"Skipped:  (\d+) of (\d+) steps unchanged since .* UTC", printed.out)
    assert skipped[0] == skipped[1]
    assert [line for line in printed.out.splitlines() if "Skipped:" not in line] == (
        first.splitlines()
    )
    assert "cleaned_records" not in printed.err
    assert project.versions() == versions
    assert (project.lake / "people" / "published.json").read_bytes() == note
    assert project.run("--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["tables"] == []
    assert len(answer["unchanged"]) == int(skipped[1])
    assert answer["figures"]["run"]["records"] == 4
    # A selected table that is current is skipped, too, unless all is to be made again.
    assert project.run("--select", "blocks_same_last") == 0
    assert "Skipped:  1 of 1 steps unchanged" in capsys.readouterr().out
    assert project.versions() == versions
    assert project.run("--full") == 0
    assert "Skipped" not in capsys.readouterr().out
    now = project.versions()
    # What was learned stays in force: `learn` and `promote` change it.
    assert [table for table in now if now[table] == versions[table]] == ["pair_weights"]


def test_what_changed_is_named_and_only_what_hangs_on_it_runs(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run() == 0
    before = project.versions()
    project.declare(SMALL.replace("first: first_name", "first: 'left(first_name, 2)'"))
    capsys.readouterr()
    assert project.run() == 0
    said = capsys.readouterr()
    assert "em_training_rules runs: em_training_rules was made under other settings" in said.err
    # Judged anew, since the declaration has changed, but not made.
    assert re.search(r"cleaned_records +unchanged since .*, skipped", said.err)
    after = project.versions()
    kept = {table for table in after if after[table] == before[table]}
    assert {"cleaned_records", "blocks_same_last", "unified_pairs"} <= kept
    assert {"em_training_rules", "run_metrics"}.isdisjoint(kept)
    project.records(*PEOPLE[::-1])  # the same records
    assert project.run() == 0
    said = capsys.readouterr()
    assert "blocks_same_last " in said.err  # looked at, since records were read
    assert re.search(r"Skipped:  \d+ of \d+ steps unchanged", said.out)
    last = project.versions()
    made = {table for table in last if last[table] != after[table]}
    assert made == {"cleaned_records", "rejected_records", "record_contents", "run_metrics"}


def test_a_warning_and_a_failure_are_given_again(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.records("only,Ann,Smith")
    assert project.run("--json") == 0
    first = json.loads(capsys.readouterr().out)["failed_checks"]
    assert first
    assert project.run("--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["tables"] == []
    in_order = sorted(first, key=json.dumps)
    assert sorted(answer["failed_checks"], key=json.dumps) == in_order
    project.records(*PEOPLE)
    project.declare(SMALL + "  checks: {max_pairs: 1}\n")
    assert project.run() == 1
    versions = project.versions()
    capsys.readouterr()
    assert project.run("--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert "pairs_within_budget" in {check["check"] for check in answer["failed_checks"]}
    assert "unified_pairs" in answer["withheld"]
    assert project.versions() == versions
    project.declare(SMALL + "  checks: {max_pairs: 10}\n")
    assert project.run() == 0
    assert project.versions()["filtered_blocks"] == versions["filtered_blocks"]
    assert project.catalog()["unified_pairs"]


def test_a_new_dagster_home_learns_of_every_table(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import dagster as dg

    assert project.run() == 0
    versions = project.versions()
    home = project.folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    pairs = dg.AssetKey(["people", "unified_pairs"])
    n_seen = []
    for _ in range(3):
        assert project.run() == 0
        with dg.DagsterInstance.get() as instance:
            made = instance.fetch_materializations(pairs, limit=10).records
            seen = instance.fetch_observations(pairs, limit=10).records
        assert len(made) == 1
        n_seen.append(len(seen))
    assert n_seen == [0, 1, 2]
    assert project.versions() == versions


def test_dry_run_and_full_do_not_go_together(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run("--dry-run", "--full") == 2
    assert "--dry-run makes no table; leave --full out" in capsys.readouterr().err
