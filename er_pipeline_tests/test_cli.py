import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from er_pipeline.blocking.tables.engine_duckdb import quoted
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.terminal.cli import main

HEAD = "type: er_pipeline.BlockingPipeline\nattributes:\n  dataset: people\n"
SMALL = """
  sources: [{path: people.csv, record_id: id}]
  fields: {first_name: person_name, last_name: person_name}
  strategies: {same_last: last_name}
  training_rules: {first: first_name, last: last_name}
"""
GENERATED = """
  sources: [{generate: {records: 400, seed: 5}}]
  fields: {first_name: person_name, last_name: person_name, email: email, company: company}
  blocks: {max_size: 8}
  training_rules: {same_name: [first_name, last_name], same_email: email}
  truth: {cluster_column: person_id}
"""
HEADER = "id,first_name,last_name"


class Project(NamedTuple):
    """A dataset in a folder of its own, with its lake and what its first run printed."""

    folder: Path
    defs: Path
    lake: Path
    printed: str = ""

    def run(self, *arguments: str) -> int:
        return main(["run", str(self.defs), "--lake", str(self.lake), *arguments])

    def records(self, *rows: str) -> None:
        (self.folder / "people.csv").write_text("\n".join([HEADER, *rows, ""]))

    def declare(self, settings: str) -> None:
        self.defs.write_text(HEAD + settings)

    def versions(self) -> dict[str, str]:
        lake = Lake(self.lake, "people")
        return {table: lake.version(table) for table in lake.tables()}

    def catalog(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything the catalog shows, view by view."""
        with duckdb.connect(str(self.lake / "catalog.duckdb"), read_only=True) as con:
            views = con.execute(
                "select view_name from duckdb_views() where schema_name = 'people' order by 1"
            ).fetchall()
            return {
                view: con.execute(f"select * from people.{quoted(view)} order by all").fetchall()
                for (view,) in views
            }


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand where no dagster.yaml is, so that no run is written into the project's own history."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("ER_PIPELINE_LAKE", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Four people, declared, not run."""
    project = Project(tmp_path, tmp_path / "defs.yaml", tmp_path / "lake")
    project.declare(SMALL)
    project.records("1,Ann,Smith", "2,Bob,Smith", "3,Ann,Jones", "4,Cy,Jones")
    return project


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """400 generated people, run once; a test may run parts again."""
    folder = tmp_path_factory.mktemp("finished")
    project = Project(folder, folder / "defs.yaml", folder / "lake")
    project.declare(GENERATED + "  checks: {max_coverage_lost: 1}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DAGSTER_HOME", raising=False)
        printed: list[str] = []
        patch.setattr("builtins.print", lambda *text, **_: printed.append(" ".join(map(str, text))))
        assert project.run() == 0
    return project._replace(printed="\n".join(printed))


def test_a_run_prints_progress_a_report_and_where_to_look(finished: Project) -> None:
    assert re.search(r"^\[OK\] created \d+ blocks with \d+ potential comp", finished.printed, re.M)
    for table in ("cleaned_records", "blocks_soundex", "unified_pairs", "catalog"):
        assert f"\n{table} ..." in f"\n{finished.printed}"
    assert "Records:               400\n" in finished.printed
    assert "Pairs completeness:" in finished.printed
    assert f"Catalog:  {finished.lake}/catalog.duckdb" in finished.printed


def test_a_run_publishes_every_table_with_the_ids_as_they_were_given(finished: Project) -> None:
    catalog = finished.catalog()
    strategies = ["email_exact", "email_domain", "name_key", "soundex", "company_word"]
    assert set(catalog) == {
        *("cleaned_records", "rejected_records", "true_pairs", "filtered_blocks"),
        *("dropped_blocks", "unified_pairs", "em_training_blocks", "em_training_rules"),
        *("blocking_report", "run_metrics", "blocks_name_combo", "pair_weights", "missed_matches"),
        *(f"blocks_{name}" for name in strategies),
    }
    ids = {row[0] for row in catalog["cleaned_records"]}
    assert len(ids) == 400
    assert catalog["unified_pairs"]
    for left_id, right_id, names, *_ in catalog["unified_pairs"]:
        assert left_id < right_id
        assert {left_id, right_id} <= ids
        assert names


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


@pytest.mark.parametrize(
    ("selection", "made"),
    [
        ("blocks_soundex", {"blocks_soundex"}),
        ("filtered_blocks", {"filtered_blocks", "dropped_blocks", "record_codes"}),
        ("blocks_soundex, unified_pairs", {"blocks_soundex", "unified_pairs"}),
        (
            'key:"people/unified_pairs"+',
            {"unified_pairs", "missed_matches", "blocking_report", "run_metrics"},
        ),
    ],
    ids=["a table", "one of two", "a list", "a Dagster selection"],
)
def test_select_makes_the_chosen_tables_and_no_other(
    finished: Project, selection: str, made: set[str]
) -> None:
    before = finished.versions()
    assert finished.run("--select", selection) == 0
    after = finished.versions()
    assert {table for table in after if after[table] != before[table]} == made


@pytest.mark.parametrize("selection", ["pairs", "unified_pairs, nope", 'key:"', "group:none", ""])
def test_selecting_what_does_not_exist_names_the_tables(
    project: Project, selection: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run("--select", selection) == 1
    told = capsys.readouterr().err
    assert re.search(r"error: --select '.*' selects nothing.*; tables are blocking_report, ", told)
    assert not project.lake.exists()


def test_selecting_a_table_before_its_input_says_what_to_make_first(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run("--select", "filtered_blocks") == 1
    told = capsys.readouterr().err
    assert "cleaned_records is not in the lake" in told
    assert "materialize people/cleaned_records first" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("settings", "line", "told"),
    [
        ("  block: {max_size: 3}\n", 9, "block: unknown setting 'block'; did you mean 'blocks'?"),
        (
            "  blocks:\n    max_size: many\n",
            10,
            "blocks.max_size: Input should be a valid integer",
        ),
        ("  checks: {max_pairs: -1}\n", 9, "checks.max_pairs: Input should be greater than or eq"),
        (
            "  cleaning: {rejects: 3}\n",
            9,
            "cleaning.rejects: unknown setting 'rejects'; there are phone_region, gmail_dots,",
        ),
        ("  owners: [x\n", 10, "not YAML: "),
    ],
    ids=["unknown", "wrong type", "out of range", "unknown below", "no YAML"],
)
def test_a_wrong_setting_is_told_with_file_and_line(
    project: Project, settings: str, line: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL + settings)
    for arguments in ((), ("--dry-run",)):
        assert project.run(*arguments) == 1
        assert f"error: {project.defs}:{line}: {told}" in capsys.readouterr().err
    assert not project.lake.exists()


def test_a_missing_or_foreign_declaration_is_an_error(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.defs.write_text("dataset: people\n")
    assert project.run() == 1
    assert "defs.yaml:1: must begin with `type: er_pipeline.Blocking" in capsys.readouterr().err
    project.defs.unlink()
    assert project.run() == 1
    assert "defs.yaml: cannot be read (No such file or directory)" in capsys.readouterr().err


def test_an_unset_variable_is_an_error_that_names_it(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL.replace("people.csv", '"{{ env.NO_SUCH_PLACE }}"'))
    assert project.run() == 1
    assert "environment variable NO_SUCH_PLACE is not set" in capsys.readouterr().err


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
    assert not (project.lake / "catalog.duckdb").exists()


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


def test_a_password_in_a_wrong_line_is_not_shown(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    source = '[{url: "postgresql://ann:hun@ter2@host/name"}]'
    project.declare(SMALL.replace("[{path: people.csv, record_id: id}]", source))
    assert project.run() == 1
    told = capsys.readouterr().err
    assert f"error: {project.defs}:5: sources.0: url and query belong toge" in told
    assert "hun" not in told
    assert "ter2" not in told


def test_the_multiprocess_executor_makes_the_same_table_in_another_process(
    finished: Project,
) -> None:
    before, catalog = finished.versions(), finished.catalog()
    arguments = ["run", str(finished.defs), "--lake", str(finished.lake)]
    arguments += ["--select", "blocks_soundex", "--executor", "multiprocess"]
    ran = subprocess.run(
        [sys.executable, "-m", "er_pipeline.terminal.cli", *arguments],
        cwd=finished.folder,
        env={name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "DEBUG" not in ran.stderr
    after = finished.versions()
    assert {table for table in after if after[table] != before[table]} == {"blocks_soundex"}
    assert finished.run("--select", "catalog") == 0
    assert finished.catalog()["blocks_soundex"] == catalog["blocks_soundex"]
