"""A run whose model is unhappy, by the command: what is published, kept and said."""

import contextlib
import io
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from er_pipeline.blocking.tables.standing import Found, Standing
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.evaluation.kept_report import REPORT_FILE, next_step
from er_pipeline.evaluation.page.run_page import PAGE_FILE
from er_pipeline_tests.conftest import made_up_people
from er_pipeline_tests.declared_dataset import DeclaredDataset
from er_pipeline_tests.page_browser import assert_opens

KINDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "birth_date": "date",
    "city": "text",
}
UNHAPPY = {"match_share_fail": [0.6, 0.61], "match_share_warn": [0.6, 0.61]}
MATCHED = {"matches", "entities", "em_model", "blocking_report"}


class Night(NamedTuple):
    code: int
    printed: str
    views: dict[str, list[tuple[Any, ...]]]


def run(people: DeclaredDataset) -> Night:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = people.run()
    return Night(code, printed.getvalue(), people.catalog())


def ids(rows: list[tuple[Any, ...]]) -> set[str]:
    return {row[0] for row in rows}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("people")


@pytest.fixture(scope="module")
def people(folder: Path) -> DeclaredDataset:
    rows = made_up_people(folder, 300)
    rows = [{name: row[name] for name in ("id", *KINDS)} for row in rows]
    people = DeclaredDataset(folder, rows, fields=KINDS, strategies="auto", matching=True)
    people.declare(checks=UNHAPPY)
    return people


@pytest.fixture(scope="module")
def first(people: DeclaredDataset) -> Night:
    return run(people)


def test_an_unhappy_model_withholds_no_pairs(first: Night) -> None:
    assert first.code == 1
    assert len(first.views["unified_pairs"]) > 100
    assert {"cleaned_records", "filtered_blocks", "learned_blocks"} <= set(first.views)
    assert not MATCHED & set(first.views)


def test_the_report_begins_with_the_verdict_and_the_one_thing_to_do(
    people: DeclaredDataset, first: Night
) -> None:
    kept = (people.lake.folder / REPORT_FILE).read_text("utf-8")
    verdict, what_next = kept.splitlines()[:2]
    assert verdict.startswith("[FAILED] ")
    assert "the candidate pairs are good" in verdict
    assert what_next.startswith("Next:    em_training_rules: ")
    assert "Candidate pairs: " in kept
    assert "Made of it: em_training_blocks, matches, match_changes, entities, " in kept
    assert "term_frequencies" not in kept  # nobody has a view of it
    assert first.printed.startswith(kept)


def test_the_page_of_a_failed_run_shows_what_is_good(people: DeclaredDataset, first: Night) -> None:
    page = (people.lake.folder / PAGE_FILE).read_text("utf-8")
    assert '<p class="verdict bad">[FAILED] ' in page
    assert "Not known: the table matches is not good." in page
    assert "The largest blocks" in page
    assert f"Page:     {people.lake.folder / PAGE_FILE}" in first.printed


def test_withheld_tables_stay_as_the_last_good_run_made_them(
    people: DeclaredDataset, first: Night, folder: Path
) -> None:
    people.declare(checks={"match_share_fail": [0, 1]})
    good = run(people)
    assert good.code == 0
    assert set(good.views) >= MATCHED
    assert_opens(people.lake.folder / PAGE_FILE)
    # The next night most records are others, and the model is unhappy again.
    rows = [{**row, "id": f"x{i}"} for i, row in enumerate(made_up_people(folder, 400)[:350])]
    people.records([{name: row[name] for name in ("id", *KINDS)} for row in rows])
    people.declare(checks={**UNHAPPY, "max_pairs_drop": 1})
    for _ in range(2):  # older versions go with each publication, but not those still shown
        bad = run(people)
        assert bad.code == 1
        assert ids(bad.views["cleaned_records"]) == {row["id"] for row in rows}
        assert all(left.startswith("x") for left in ids(bad.views["unified_pairs"]))
        for table in MATCHED:  # through the records of their own run
            assert bad.views[table] == good.views[table]
        people.records([{name: row[name] for name in ("id", *KINDS)} for row in rows[:-1]])
        rows = rows[:-1]
    with duckdb.connect(str(people.lake.root / "catalog.duckdb"), read_only=True) as con:
        comments = dict(
            con.execute(
                "select view_name, comment from duckdb_views() where schema_name = 'people'"
            ).fetchall()
        )
    assert comments["matches"] == "of an earlier run: em_model is withheld"
    assert comments["unified_pairs"] is None
    assert "the catalog shows" in bad.printed


def test_a_table_of_one_field_runs(tmp_path: Path) -> None:
    rows = [{"id": "1", "org": "Acme Ltd"}, {"id": "2", "org": "Acme GmbH"}]
    firms = DeclaredDataset(tmp_path, rows, fields={"org": "company"})
    firms.declare(strategies={"word": "company_word(org)"}, checks=None)
    assert firms.run() == 0
    assert [row[:2] for row in firms.catalog()["unified_pairs"]] == [("1", "2")]
    assert not {"em_training_rules", "em_training_blocks"} & set(firms.catalog())


def test_a_run_without_a_pair_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": "1", "mail": "ann@lark.org"}, {"id": "2", "mail": "ann@lark-group.org"}]
    people = DeclaredDataset(tmp_path, rows, fields={"mail": "email"}, strategies={"m": "mail"})
    assert people.run() == 0
    printed = capsys.readouterr().out
    assert ", with 1 warning\nNext:    unified_pairs: There is not one candidate pair" in printed


def test_a_source_cut_short_leaves_the_tables_of_the_night_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"id": str(i), "mail": f"{i // 2}@x.org"} for i in range(40)]
    people = DeclaredDataset(tmp_path, rows, fields={"mail": "email"}, strategies={"m": "mail"})
    assert people.run() == 0
    before = people.catalog()
    people.records(rows[:10])
    capsys.readouterr()
    assert people.run() == 1
    assert "10 records, 40 in the last good run (75% fewer" in capsys.readouterr().out
    assert people.catalog() == before
    people.declare(checks={"max_records_drop": 0.75, "max_pairs_drop": 0.75})
    assert people.run() == 0
    assert len(people.catalog()["cleaned_records"]) == 10


def test_empty_records_are_counted_and_left_out_of_coverage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"id": str(i), "mail": f"{i // 2}@x.org" if i < 10 else None} for i in range(14)]
    people = DeclaredDataset(tmp_path, rows, fields={"mail": "email"}, strategies={"m": "mail"})
    people.declare(checks=None)
    assert people.run() == 0
    printed = capsys.readouterr().out
    assert "4 records are empty in every field" in printed
    assert "Key coverage:          100.00%" in printed


def test_the_next_step_is_what_hurts_most() -> None:
    def found(table: str, check: str, text: str) -> Found:
        return Found(table, Verdict(check, False, "warn", text))

    budget = found("unified_pairs", "budget_loses_little", "an estimate of a budget")
    model = found("em_model", "sessions_agree", "an estimate of the model")
    known = found("match_quality", "most_matches_are_true", "a known precision")
    assert next_step(Standing(warnings=[budget])) == "unified_pairs: an estimate of a budget"
    assert next_step(Standing(warnings=[budget, model])) == "em_model: an estimate of the model"
    everything = Standing(warnings=[budget, model, known])
    assert next_step(everything) == "match_quality: a known precision"
    everything.errors.append(Found("matches", Verdict("is_right", False, "error", "an error")))
    assert next_step(everything) == "matches: an error"
