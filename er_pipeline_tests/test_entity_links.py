from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline_tests.linked_nights import LinkedNights, said, sure

LINK = {
    "mode": "link",
    "sources": [{"path": "a.csv"}, {"path": "b.csv"}],
    "matching": {"threshold": 0.9, "one_to_one": True},
}
LINKS = """
    select l.record_id || '-' || r.record_id from entity_links as p
    join cleaned_records as l on l.record_no = p.left_no
    join cleaned_records as r on r.record_no = p.right_no order by all
"""


def test_the_links_are_the_matches_and_the_answers(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    scores = {("a", "b"): 0.99, ("b", "c"): 0.5, ("d", "e"): 0.9}
    answers = {**said("match", "b-c", "a-d"), **said("no_match", "a-b")}
    nights.night("a b c d e", scores, answers)
    assert nights.rows(
        "select left_no, right_no, match_probability, answered from entity_links order by all"
    ) == [(0, 3, None, True), (1, 2, 0.5, True), (3, 4, 0.9, False)]


def test_one_to_one_takes_the_best_link_of_both_records(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path, **LINK)
    scores = {
        **{("a1", "b1"): 0.95, ("a1", "b2"): 0.99, ("a2", "b1"): 0.92},
        **{("a2", "b2"): 0.98, ("a3", "b3"): 0.91},
    }
    nights.night("a1 a2 a3 b1 b2 b3", scores, sources="ab")
    # a2 would rather have b2, which a1 has; what is left to it is b1.
    assert nights.rows(LINKS) == [("a1-b2",), ("a2-b1",), ("a3-b3",)]


def test_of_equal_links_that_of_the_first_records_is_taken(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path, **LINK)
    nights.night("a1 a2 b1 b2", sure("a2-b2", "a1-b2", "a2-b1", "a1-b1"), sources="ab")
    assert nights.rows(LINKS) == [("a1-b1",), ("a2-b2",)]


def test_no_two_records_of_one_source_come_together_through_a_third(tmp_path: Path) -> None:
    three = {**LINK, "sources": [*LINK["sources"], {"path": "c.csv"}]}
    nights = LinkedNights(tmp_path, **three)
    scores = {("a1", "b1"): 0.99, ("b1", "c1"): 0.98, ("a2", "c1"): 0.97}
    nights.night("a1 a2 b1 c1", scores, sources="abc")
    assert nights.ids() == {"a1": 1, "b1": 1, "c1": 1, "a2": 2}


def test_an_answer_comes_before_the_scores(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path, **LINK)
    nights.night("a1 a2 b1", {("a1", "b1"): 0.99}, said("match", "a2-b1"), sources="ab")
    assert nights.rows(LINKS) == [("a2-b1",)]


def test_a_better_link_is_a_cause_of_its_own(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path, **LINK)
    nights.night("a1 a2 b1", {("a1", "b1"): 0.95}, sources="ab")
    nights.night("a1 a2 b1", {("a1", "b1"): 0.95, ("a2", "b1"): 0.99}, sources="ab")
    assert nights.rows(LINKS) == [("a2-b1",)]
    assert "other_link" in {event[-2] for event in nights.events()}


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 5), st.integers(0, 5)),
        st.sampled_from([0.91, 0.95, 0.99]),
        max_size=20,
    )
)
def test_links_are_those_of_the_greedy_walk(
    tmp_path_factory: pytest.TempPathFactory, drawn: dict[tuple[int, int], float]
) -> None:
    nights = LinkedNights(tmp_path_factory.mktemp("lake"), **LINK)
    scores = {(f"a{left}", f"b{right}"): p for (left, right), p in drawn.items()}
    records = " ".join(f"{source}{i}" for source in "ab" for i in range(6))
    nights.night(records, scores, sources="ab")
    taken: set[str] = set()
    best = []
    for pair, _ in sorted(scores.items(), key=lambda item: (-item[1], item[0])):
        if not taken & set(pair):
            taken |= set(pair)
            best.append((f"{pair[0]}-{pair[1]}",))
    assert nights.rows(LINKS) == sorted(best)


def test_one_to_one_asks_for_sources_to_be_linked() -> None:
    declared = {
        **LINK,
        "dataset": "people",
        "fields": {"name": "text"},
        "strategies": {"name": "name"},
        "training_rules": {"name": "name"},
        "mode": "link_and_dedupe",
    }
    with pytest.raises(ValueError, match="one_to_one"):
        PipelineSpec.model_validate(declared)
