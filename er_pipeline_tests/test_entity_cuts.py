from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching import entity_cuts
from er_pipeline.matching.entity_cuts import part
from er_pipeline.matching.entity_verdicts import judge_entities
from er_pipeline_tests.linked_nights import LinkedNights, said, sure

CUTS = """
    select l.record_id || '-' || r.record_id, bl.record_id || '-' || br.record_id
    from entity_cuts as c
    join cleaned_records as l on l.record_no = c.left_no
    join cleaned_records as r on r.record_no = c.right_no
    join cleaned_records as bl on bl.record_no = c.because_left_no
    join cleaned_records as br on br.record_no = c.because_right_no order by all
"""


def test_an_answered_match_joins_records_that_the_model_does_not(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c d", sure("a-b"), {})
    assert nights.night("a b c d", sure("a-b"), said("match", "b-d")) == {
        **{"a": 1, "b": 1, "c": 2},
        "d": 1,
    }
    assert ("label", "d") in {event[-2:] for event in nights.events()}
    # Taken back, the answer parts them again.
    assert nights.night("a b c d", sure("a-b"), {})["d"] == 4
    assert {event[-2] for event in nights.events()} == {"label"}


def test_two_records_called_no_match_are_parted_where_they_hang_together_least(
    tmp_path: Path,
) -> None:
    nights = LinkedNights(tmp_path)
    scores = {**sure("a-b", "b-c", "a-c", "d-e", "e-f", "d-f"), ("c", "d"): 0.95, ("b", "e"): 0.92}
    nights.night("a b c d e f", scores, {})
    ids = nights.night("a b c d e f", scores, said("no_match", "a-f"))
    assert ids == {**dict.fromkeys("abc", 1), **dict.fromkeys("def", 2)}
    assert nights.rows(CUTS) == [("b-e", "a-f"), ("c-d", "a-f")]
    assert {event[-2] for event in nights.events()} == {"label"}
    links = nights.rows("select left_no, right_no from entity_links")
    assert len(links) == 6


def test_a_match_that_is_called_no_match_is_cut_by_that(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    assert nights.night("a b", sure("a-b"), said("no_match", "a-b")) == {"a": 1, "b": 2}
    assert nights.rows(CUTS) == [("a-b", "a-b")]


def test_an_answered_match_is_not_cut_where_a_surer_score_can_be(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    answers = {**said("match", "a-b"), **said("no_match", "a-c")}
    ids = nights.night("a b c", {("a", "b"): 0.91, ("b", "c"): 0.999}, answers)
    assert ids == {"a": 1, "b": 1, "c": 2}


def test_answers_that_contradict_each_other_are_named_and_no_holds(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path, labels={"path": "labels.jsonl"})
    answers = {**said("match", "a-b", "b-c"), **said("no_match", "a-c")}
    assert nights.night("a b c", {}, answers) == {"a": 1, "b": 2, "c": 2}
    assert nights.facts["contradictions"] == [{"left": "a", "right": "c", "cut": [["a", "b"]]}]
    with DuckDBEngine(threads=1) as engine:
        found = {v.check: v for v in judge_entities(engine, nights.lake, nights.spec, nights.facts)}
    agree = found["answers_agree"]
    assert (agree.passed, agree.severity) == (False, "warn")
    assert "'a' and 'c' are called no match, yet answered matches join them" in agree.text
    assert "so 'a' and 'b' called a match is cut" in agree.text
    assert found["no_answer_is_overruled"].passed


def test_an_answer_of_unsure_changes_nothing(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    ids = nights.night("a b c", sure("a-b"), said("unsure", "a-b", "b-c"))
    assert ids == {"a": 1, "b": 1, "c": 2}


def drawn_links(draw: Any) -> tuple[int, Any, Any, Any, Any]:
    n = draw(st.integers(2, 9))
    pairs = list(combinations(range(n), 2))
    links = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=20))
    weights = [draw(st.integers(1, 9)) for _ in links]
    answered = [draw(st.booleans()) for _ in links]
    refused = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=4))
    ends, apart = (np.array(rows or np.empty((0, 2)), int).T for rows in (links, refused))
    return n, ends, np.array(weights, float), np.array(answered, bool), apart


@pytest.mark.parametrize("most_records", [2_000, 0], ids=["flow", "tree"])
@settings(max_examples=60, deadline=None)
@given(st.composite(drawn_links)())
def test_no_refused_pair_is_joined_and_only_cut_links_are_gone(
    most_records: int, drawn: tuple[int, Any, Any, Any, Any]
) -> None:
    n, ends, weights, answered, refused = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entity_cuts, "MOST_RECORDS", most_records)
        parted = part(n, ends, weights, answered, refused)
        again = part(n, ends, weights, answered, refused)
    assert parted.cuts == again.cuts
    group = list(range(n))
    for left, right in ends[:, parted.kept].T:
        old, new = group[right], group[left]
        group = [new if g == old else g for g in group]
    assert all(group[left] != group[right] for left, right in refused.T)
    cut = {place for place, _ in parted.cuts}
    assert cut == set(np.flatnonzero(~parted.kept))
    if not refused.size:
        assert not cut


@settings(max_examples=60, deadline=None)
@given(st.composite(drawn_links)())
def test_one_refused_pair_is_parted_by_a_cut_of_least_weight(
    drawn: tuple[int, Any, Any, Any, Any],
) -> None:
    n, ends, weights, _, refused = drawn
    if not refused.size:
        return
    refused = refused[:, :1]
    parted = part(n, ends, weights, np.zeros(len(weights), bool), refused)
    least = min(
        sum(
            w for (left, right), w in zip(ends.T, weights, strict=True) if side[left] != side[right]
        )
        for side in ([bool(sides >> i & 1) for i in range(n)] for sides in range(2**n))
        if side[refused[0, 0]] != side[refused[1, 0]]
    )
    assert weights[~parted.kept].sum() == pytest.approx(least)
