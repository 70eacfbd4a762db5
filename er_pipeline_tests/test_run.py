import json
import os
import signal
import sqlite3
import subprocess

import pytest

from er_pipeline_tests.projects import COMMAND, GENERATED, SMALL, Project, command, environment

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_a_run_publishes_every_table_with_the_ids_as_they_were_given(finished: Project) -> None:
    catalog = finished.catalog()
    strategies = ["email_exact", "email_domain", "name_key", "soundex", "company_word"]
    assert set(catalog) == {
        *("cleaned_records", "rejected_records", "true_pairs", "filtered_blocks"),
        *("dropped_blocks", "unified_pairs", "em_training_blocks", "em_training_rules"),
        *("blocking_report", "run_metrics", "blocks_name_combo", "pair_weights", "missed_matches"),
        *("recall_views", "pair_changes"),
        *(f"blocks_{name}" for name in strategies),
    }
    ids = {row[0] for row in catalog["cleaned_records"]}
    assert len(ids) == 400
    assert catalog["unified_pairs"]
    for left_id, right_id, names, *_ in catalog["unified_pairs"]:
        assert left_id < right_id
        assert {left_id, right_id} <= ids
        assert names


def test_bad_input_exits_1_and_leaves_tables_and_catalog_as_they_were(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run() == 0
    versions, catalog = project.versions(), project.catalog()
    file = (project.lake / "catalog.duckdb").stat().st_ino
    capsys.readouterr()
    project.records("1,Ann,Smith", "1,Bob,Smith")
    assert project.run() == 1
    told = capsys.readouterr().err
    assert "error: " in told
    assert "people.csv: 1 ids stand more than once in column 'id': '1' (2 times)" in told
    assert "Traceback" not in told
    assert "still shows the tables of the last good run" in told
    assert project.versions() == versions
    assert project.catalog() == catalog
    assert (project.lake / "catalog.duckdb").stat().st_ino == file


def test_a_failed_check_exits_1_and_leaves_pairs_and_catalog_as_they_were(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, catalog = finished.versions()["unified_pairs"], finished.catalog()
    before = finished.defs.read_text()
    finished.declare(GENERATED + "  checks: {max_coverage_lost: 1, max_pairs_per_strategy: 10}\n")
    try:
        assert finished.run("--select", "filtered_blocks,unified_pairs,catalog") == 1
    finally:
        finished.defs.write_text(before)
    told = capsys.readouterr().err
    assert "[FAILED] filtered_blocks: every_strategy_within_budget: Over budget: " in told
    assert "unified_pairs ..." not in told
    assert finished.versions()["unified_pairs"] == pairs
    assert finished.catalog() == catalog


SAME_PEOPLE = [f"{i},Ann,Smith" for i in range(2_000)]


def test_the_budget_stops_identical_records_before_a_pair_is_made(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.records(*SAME_PEOPLE)
    project.declare(SMALL + "  blocks: {max_size: null}\n  checks: {max_pairs: 1_000_000}\n")
    assert project.run() == 1
    told = capsys.readouterr().err
    assert "pairs_within_budget: The strategies propose 1,999,000 pairs" in told
    assert "The most expensive is same_last with 1,999,000; lower blocks: max_size" in told
    assert "filtered_blocks" in project.versions()
    assert "unified_pairs" not in project.versions()
    assert not (project.lake / "people" / "unified_pairs").exists()
    # What does not hang on the check is published.
    assert "unified_pairs" not in project.catalog()
    assert len(project.catalog()["cleaned_records"]) == 2_000


def test_the_coverage_check_stops_identical_records_under_the_cap(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.records(*SAME_PEOPLE)
    assert project.run() == 1
    told = capsys.readouterr().err
    assert "[FAILED] filtered_blocks: filtering_keeps_coverage: 100.00% of the records" in told
    assert "unified_pairs" not in project.versions()


def test_one_record_runs_to_the_end_with_warnings(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.records("only,Ann,Smith")
    assert project.run() == 0
    printed = capsys.readouterr()
    assert "[warning] em_training_rules: every_rule_makes_pairs" in printed.err
    assert "Records:               1\n" in printed.out
    catalog = project.catalog()
    assert catalog["cleaned_records"] == [("only", "people", "ann", "smith", 0)]
    assert catalog["unified_pairs"] == []


@pytest.mark.filterwarnings("ignore:Query string argument")
def test_a_password_is_neither_printed_nor_stored(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home = project.folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    with sqlite3.connect(project.folder / "people.sqlite") as con:
        con.execute("create table people (id, first_name, last_name)")
        con.execute("insert into people values (1, 'Ann', 'Smith'), (2, 'Bob', 'Smith')")
    con.close()
    source = "[{path: people.csv, record_id: id}]"
    url = f"sqlite:///{project.folder}/people.sqlite?password={{{{ env.DB_PASSWORD }}}}"
    for table, code in (("person", 1), ("people", 0)):
        query = f'[{{url: "{url}", query: "select * from {table}"}}]'
        project.declare(SMALL.replace(source, query))
        assert project.run() == code
    printed = capfd.readouterr()
    assert "no such table: person" in printed.err
    assert "hunter2" not in printed.out + printed.err
    files = [path for path in project.folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files), "the runs were not stored at all"
    assert [path for path in files if b"hunter2" in path.read_bytes()] == []


def test_the_multiprocess_executor_makes_the_same_table_in_another_process(
    finished: Project,
) -> None:
    before, catalog = finished.versions(), finished.catalog()
    arguments = ["run", str(finished.defs), "--lake", str(finished.lake)]
    arguments += ["--select", "blocks_soundex", "--full", "--executor", "multiprocess"]
    ran = command(*arguments, folder=finished.folder)
    assert ran.returncode == 0, ran.stderr
    assert "DEBUG" not in ran.stderr
    after = finished.versions()
    assert {table for table in after if after[table] != before[table]} == {"blocks_soundex"}
    assert finished.run("--select", "catalog") == 0
    assert finished.catalog()["blocks_soundex"] == catalog["blocks_soundex"]


def test_what_has_not_changed_is_skipped_in_several_processes_too(finished: Project) -> None:
    before = finished.versions()
    arguments = ["run", str(finished.defs), "--lake", str(finished.lake)]
    arguments += ["--executor", "multiprocess", "--json"]
    arguments += ["--select", "+blocks_soundex"]
    (finished.folder / "dagster").mkdir()
    # This instance has not seen the tables made, so that every step is looked at in its process.
    variables = environment(DAGSTER_HOME=str(finished.folder / "dagster"))
    for skips_all in (False, True):
        ran = subprocess.run(
            [*COMMAND, *arguments],
            cwd=finished.folder,
            env=variables,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        answer = json.loads(ran.stdout)
        assert answer["tables"] == []
        assert {"cleaned_records", "blocks_soundex"} <= set(answer["unchanged"])
        assert ('"people__blocks_soundex" in subprocess' in ran.stderr) is not skips_all
        assert finished.versions() == before


def test_ctrl_c_stops_a_run_with_130_and_no_traceback(project: Project) -> None:
    project.declare(
        SMALL.replace("{path: people.csv, record_id: id}", "{generate: {records: 100000}}")
    )
    running = subprocess.Popen(
        [*COMMAND, "run", str(project.defs), "--lake", str(project.lake)],
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # as at a terminal, every process of the run gets the signal
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "cleaned_records ..." in line:
            break
    os.killpg(running.pid, signal.SIGINT)
    printed, shown = running.communicate(timeout=60)
    assert running.returncode == 130, shown
    assert shown.endswith("stopped; the last good tables are as they were\n")
    assert "Traceback" not in shown
    assert printed == ""
    assert not (project.lake / "catalog.duckdb").exists()


def test_a_second_run_of_a_dataset_waits_and_both_end_well(project: Project) -> None:
    started = [
        subprocess.Popen(
            [*COMMAND, "run", str(project.defs), "--lake", str(project.lake)],
            cwd=project.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [run.communicate(timeout=300)[1] for run in started]
    assert [run.returncode for run in started] == [0, 0], said
    (waited,) = (text for text in said if "another run of people is at work" in text)
    first = started[1 - said.index(waited)]
    assert f"(process {first.pid} on " in waited
    assert project.catalog()["cleaned_records"]
