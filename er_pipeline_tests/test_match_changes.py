"""Matches gained and lost: with their pair, or because another score or threshold moved them."""

from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.changes import pair_changes
from er_pipeline.blocking.changes.pair_changes import pair_changes_facts
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.standing import Standing
from er_pipeline.evaluation.kept_report import run_report
from er_pipeline.matching.match_changes import (
    judge_changes,
    match_changes_facts,
    match_sentences,
)
from er_pipeline_tests.conftest import made_up_people
from er_pipeline_tests.nights import Nights

FIELDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "birth_date": "date",
    "city": "text",
}
SETTINGS: dict[str, Any] = {
    "sources": [{"path": "0.csv", "record_id": "id", "name": "s"}],
    "fields": FIELDS,
    "strategies": {"name": ["left(last_name, 3)", "left(first_name, 1)"], "birth": "birth_date"},
    "weights": False,
    "matching": {"threshold": 0.9},
    "checks": {"max_pairs_drop": 1, "max_records_drop": 1},
}


def matched(lake: Lake, least: float) -> set[tuple[str, str]]:
    with DuckDBEngine(threads=1) as engine:
        for table in ("cleaned_records", "matches"):
            engine.read_folder(lake.path(table), table)
        return set(
            engine.rows(
                "select l.record_id, r.record_id from matches as p"
                " join cleaned_records as l on l.record_no = p.left_no"
                f" join cleaned_records as r on r.record_no = p.right_no"
                f" where match_probability >= {least}"
            )
        )


def changed(lake: Lake) -> list[dict[str, Any]]:
    with DuckDBEngine(threads=1) as engine:
        engine.read_folder(lake.path("match_changes"), "match_changes")
        return [dict(row) for row in engine.arrow("from match_changes").to_pylist()]


def pairs_of(rows: list[dict[str, Any]], change: str) -> set[tuple[str, str]]:
    return {(row["left_id"], row["right_id"]) for row in rows if row["change"] == change}


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path, SETTINGS)


def test_matches_are_lost_and_gained_by_the_cause_of_their_pair_or_of_their_score(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = made_up_people(nights.folder, 620)
    first = matched(nights.night(people[:600], until="match_changes"), 0.9)
    assert changed(nights.lake) == []

    # Nothing changed.
    nights.night(people[:600], until="match_changes", full=True)
    assert changed(nights.lake) == []
    assert match_changes_facts(nights.lake)["since"]

    # Another threshold moves matches across, and no pair.
    nights.settings["matching"] = {"threshold": 0.9999}
    lake = nights.night(people[:600], until="match_changes")
    rows = changed(lake)
    fewer = matched(lake, 0.9999)
    assert pairs_of(rows, "lost") == first - fewer != set()
    assert {row["cause"] for row in rows} == {"threshold_changed"}
    assert all(0.9 <= row["probability_before"] < 0.9999 for row in rows)
    [sentence] = match_sentences(match_changes_facts(lake), pair_changes_facts(lake))
    assert sentence == (
        f"{len(rows):,} matches lost: {len(rows):,} because the threshold is 0.9999, 0.9 before."
    )

    # The night after lists none, though no pair was compared.
    lake = nights.night(people[:600], until="match_changes")
    assert changed(lake) == []
    assert list(match_sentences(match_changes_facts(lake), pair_changes_facts(lake))) == []

    # Records come, go and change; a strategy is removed.
    nights.settings["matching"] = {"threshold": 0.9}
    lake = nights.night(people[:600], until="match_changes")
    assert matched(lake, 0.9) == first
    assert pairs_of(changed(lake), "gained") == first - fewer
    assert {row["cause"] for row in changed(lake)} == {"threshold_changed"}
    some = sorted(first)
    gone, moved = some[0][0], some[-1][0]
    edited = [row for row in people if row["id"] != gone]
    edited = [{**row, "birth_date": None} if row["id"] == moved else row for row in edited]
    nights.settings["strategies"] = {"birth": "birth_date"}
    monkeypatch.setattr(pair_changes, "MOST_LISTED", 5)  # the removed strategy is not listed
    lake = nights.night(edited, until="match_changes")
    assert not all(c["is_listed"] for c in pair_changes_facts(lake)["causes"])
    rows = changed(lake)
    now = matched(lake, 0.9)
    assert pairs_of(rows, "lost") == first - now
    assert pairs_of(rows, "gained") == now - first
    cause = {(row["left_id"], row["right_id"]): row["cause"] for row in rows}
    with_gone = [cause[pair] for pair in cause if gone in pair]
    assert set(with_gone) == {"record_gone"}
    assert "strategy_changed" in cause.values()
    assert "threshold_changed" not in cause.values()
    counts = pair_changes_facts(lake)["records"]
    assert counts == {"new": 20, "changed": 1, "gone": 1, "same": 598}
    assert "record_new" in cause.values()
    [verdict] = judge_changes(match_changes_facts(lake))
    assert verdict.passed, verdict.text


def test_another_threshold_is_seen_though_the_pairs_were_never_compared(nights: Nights) -> None:
    people = made_up_people(nights.folder, 620)[:600]
    first = matched(nights.night(people, until="match_changes"), 0.9)
    nights.settings["matching"] = {"threshold": 0.9999}
    lake = nights.night(people, until="match_changes")
    assert pair_changes_facts(lake)["since"] == ""
    assert pairs_of(changed(lake), "lost") == first - matched(lake, 0.9999) != set()
    assert {row["cause"] for row in changed(lake)} == {"threshold_changed"}
    [sentence] = match_sentences(match_changes_facts(lake), pair_changes_facts(lake))
    assert "because the threshold is 0.9999, 0.9 before" in sentence
    standing = Standing(good=["pair_changes", "match_changes"])
    assert "The candidate pairs are the same." in run_report(standing, lake, {})


def test_changes_that_do_not_add_up_are_an_error() -> None:
    facts: Any = {"since": "x", "matches": 5, "matches_before": 4, "gained": 2, "lost": 0}
    [verdict] = judge_changes(facts)
    assert (verdict.passed, verdict.severity) == (False, "error")
    assert verdict.text == "4 matches, less 0 lost, with 2 gained, are 6; there are 5."


def test_the_report_says_what_changed_since_the_last_good_run(nights: Nights) -> None:
    people = made_up_people(nights.folder, 310)
    nights.night(people[:300], until="match_changes")
    standing = Standing(good=["pair_changes", "match_changes"])
    assert "SINCE" not in "".join(run_report(standing, nights.lake, {}))
    nights.night(people[:300], until="match_changes", full=True)
    lines = run_report(standing, nights.lake, {})
    assert lines[-2:] == ["The candidate pairs are the same.", "The matches are the same."]
    lake = nights.night(people[5:], until="match_changes")
    text = "\n".join(run_report(standing, lake, {}))
    assert "SINCE THE LAST GOOD RUN (20" in text
    assert f"{pair_changes_facts(lake)['lost']:,} pairs lost: " in text
    assert "because a record is gone" in text
    assert "10 records are new, 0 were changed, 5 are gone; 295 are as they were." in text
