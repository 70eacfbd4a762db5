from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.page import scored_sections
from er_pipeline.evaluation.page.scored_sections import (
    entities_section,
    scores_section,
    unlinkable_section,
)
from er_pipeline_tests.page_runs import MODEL, HandMadeRun, chart, listing

MATCHING = {"threshold": 0.8}


def test_scores_are_drawn_with_the_threshold(tmp_path: Path, engine: DuckDBEngine) -> None:
    run = HandMadeRun(tmp_path, engine, matching=MATCHING)
    facts = {"candidates": 9, "matches": 2, "weights": {"-3": 7, "10": 2}}
    run.write("matches", "select 1 as a", facts)
    section = scores_section(run.page())
    assert section.answer == "2 of 9 candidate pairs reach the threshold of 0.8."
    bars, rule, _ = chart(section, "Pairs by match weight")["layer"]
    assert [row["pairs"] for row in bars["data"]["values"]] == [7, 2]
    assert rule["data"]["values"][0]["at"] == 2.0  # four to one


def test_entities_stand_by_size_with_what_they_hang_on(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    run = HandMadeRun(tmp_path, engine, matching=MATCHING)
    run.records(["ann", "bob"])
    facts = {"records": 5, "entities": 2, "singletons": 1, "largest_entity": 4, "sizes": {"1": 1}}
    run.write("entities", "select 1 as a", facts)
    run.write(
        "entity_bridges",
        "select 0 as bridge_no, 0 as left_no, 1 as right_no, 0.81 as match_probability,"
        " 2 as records_left, 2 as records_right",
    )
    section = entities_section(run.page())
    assert section.answer.startswith("5 records are 2 entities, 1 of them with several records")
    assert listing(section, "The weakest bridges") == [("people:r0", "people:r1", "0.81", "2", "2")]


def test_a_record_that_its_equal_would_not_match_is_unlinkable(
    tmp_path: Path, engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scored_sections, "read_model", lambda lake: MODEL)
    run = HandMadeRun(tmp_path, engine, matching=MATCHING)
    run.records(["ann", None, "bob"])
    run.write("em_model", "select 1 as a")
    run.write("term_frequencies", "select '' as field, '' as value, 1.0 as frequency")
    section = unlinkable_section(run.page())
    # Prior of 1 to 4, equal names of 32 to 1: 8 to 1, more than the threshold's 4 to 1.
    assert section.answer.startswith("1 record (33.33%) would stay below the threshold of 0.8")
    assert listing(section, "Records of which least is known") == [("people:r1", "")]
    drawn = chart(section, "Records by the most that they can score")["layer"][0]
    assert [(row["from"], row["records"]) for row in drawn["data"]["values"]] == [(-2, 1), (3, 2)]


def test_without_matching_each_is_one_sentence(tmp_path: Path, engine: DuckDBEngine) -> None:
    page = HandMadeRun(tmp_path, engine).page()
    for section in (scores_section, entities_section, unlinkable_section):
        assert "`matching` is off" in section(page).answer
