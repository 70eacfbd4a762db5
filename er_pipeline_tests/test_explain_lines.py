from dataclasses import replace

import pytest

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.evaluation.entity_chain import ChainLink
from er_pipeline.evaluation.explained_pair import ExplainedPair, Missed, PairKeys
from er_pipeline.evaluation.pair_causes import ELSE_LABEL, IN_DOUBT, TOO_LOW
from er_pipeline.evaluation.pair_score import PairScore, Term
from er_pipeline.evaluation.parted_pair import PairLabel
from er_pipeline.evaluation.record_keys import KeyBlock
from er_pipeline.evaluation.remedy_settings import NO_MATCH, Change
from er_pipeline.terminal.explain_lines import explained_lines

APART = ExplainedPair(
    left=RecordName("crm", "1"),
    right=RecordName("crm", "2"),
    values={"name": ("ann", "ann"), "mail": ("a" * 50, None)},
    keys=(
        PairKeys("name", "name", ("ann",), ("ann",), (KeyBlock("ann", 700, "oversized"),)),
        PairKeys("mail", "email", ("a",), (), ()),
    ),
    similarity=0.5,
    rank=3,
    proposed_by=(),
    is_candidate=False,
    weight=None,
    least_weight=None,
    score=PairScore(0.2, -3.0, (Term("name", "equal", 1.0),)),
    threshold=0.9,
    entities=(("1", 2), ("2", 1)),
    chain=(),
    missed=Missed("block_dropped", "name: block 'ann' of 700", "raise blocks: max_size to 700"),
)


def test_equal_values_keys_and_what_a_block_lacks_are_marked() -> None:
    lines = "\n".join(explained_lines(APART))
    assert "= name" in lines
    assert "  mail" in lines
    assert f"{'a' * 39}…" in lines  # cut, and said so
    assert "700 records, over the cap, not compared" in lines
    assert "cosine 0.5000, rank 3" in lines
    assert "probability of a match  0.200000" in lines


def test_the_last_line_says_what_parts_them_and_what_would_unite_them() -> None:
    *_, last = explained_lines(APART)
    assert last == (
        "1 and 2 are not together: the block that they share is not compared (name: block 'ann' of"
        " 700). Cheapest change: raise blocks: max_size to 700. United, their entities of 2 and 1"
        " records become one."
    )


@pytest.mark.parametrize(
    "remedy",
    [
        f"{TOO_LOW}{ELSE_LABEL}",
        f"{IN_DOUBT}{ELSE_LABEL}",
        "no key of one or two fields finds it",
        NO_MATCH,
    ],
)
def test_what_unites_nobody_is_not_said_to_unite_their_entities(remedy: str) -> None:
    missed = Missed("below_threshold", "the model gives it 0.2000", remedy)
    *_, last = explained_lines(replace(APART, missed=missed))
    assert f"Cheapest change: {remedy}." in last
    assert "united" not in last.lower()


def test_a_change_without_a_number_unites_all_the_same() -> None:
    missed = Missed("cut_by_budget", "its weight is 1", "a larger budget")
    *_, last = explained_lines(replace(APART, missed=missed))
    assert last.endswith("United, their entities of 2 and 1 records become one.")


def test_a_chain_is_listed_link_by_link() -> None:
    joined = replace(
        APART,
        entities=(("1", 3), ("1", 3)),
        chain=(ChainLink("1", "3", 0.9), ChainLink("3", "2", 1.0)),
    )
    lines = list(explained_lines(joined))
    assert "  1 and 3 (0.900000)" in lines
    assert "1 and 2 are one entity by a chain of 2 matches" in lines[-1]


def test_a_link_that_people_made_is_listed_as_such() -> None:
    links = (ChainLink("1", "3", None, answered=True), ChainLink("3", "2", 0.5, answered=True))
    lines = list(explained_lines(replace(APART, entities=(("1", 3), ("1", 3)), chain=links)))
    assert "  1 and 3 (called a match)" in lines
    assert "  3 and 2 (0.500000, called a match)" in lines
    assert "by a chain of 2 links; not by themselves" in lines[-1]


def test_one_entity_comes_before_what_the_model_makes_of_the_pair() -> None:
    label = PairLabel("match", "max", "2026-01-02T03:04:05+00:00", "human", "bridge")
    joined = replace(APART, entities=(("1", 2), ("1", 2)), label=label)
    lines = list(explained_lines(joined))
    by = "(max, 2026-01-02T03:04:05+00:00)"
    assert f"label           match {by}" in lines
    assert lines[-1] == (
        f"1 and 2 are one entity: a label calls them a match {by}; the model gives them 0.2000."
    )
    assert not any(line.startswith("to declare") for line in lines)


def test_no_change_is_proposed_for_two_that_people_call_no_match() -> None:
    change = Change({"blocks": {"max_size": 700}}, "blocks", 12)
    assert APART.missed
    missed = replace(APART.missed, change=change)
    label = PairLabel("no_match", "max", "", "human", "bridge")
    lines = list(explained_lines(replace(APART, label=label, missed=missed)))
    assert "label           no match (max)" in lines
    assert "a label calls them no match (max); besides, the block" in lines[-1]
    assert not any(line.startswith("to declare") or "Cheapest" in line for line in lines)


def test_two_that_match_and_are_apart_say_why() -> None:
    found = replace(APART, missed=None, apart="one_to_one: 1 went to 3 (0.9900)")
    assert found.sentence == (
        "1 and 2 match (0.2000), and are kept apart: one_to_one: 1 went to 3 (0.9900)."
    )


def test_a_pair_that_is_found_says_so() -> None:
    found = replace(APART, missed=None, proposed_by=("name",), entities=(("1", 2), ("1", 2)))
    *_, last = explained_lines(found)
    assert last == "1 and 2 are one entity: they match (0.2000)."
    assert (
        replace(found, score=None, entities=None).sentence
        == "1 and 2 are a candidate pair, made by name."
    )


def test_a_change_is_written_as_it_is_declared() -> None:
    change = Change({"blocks": {"max_size": 700}}, "blocks", 12)
    missed = Missed("block_dropped", "too large", "raise blocks: max_size to 700", change, 3)
    *lines, last = explained_lines(replace(APART, missed=missed))
    assert "to declare      blocks: {max_size: 700}" in lines
    assert last.endswith(
        " United, their entities of 2 and 1 records become one; in all the change makes 3 entities"
        " fewer."
    )
    candidate = replace(change, makes_match=False)
    lesser = replace(APART, missed=replace(missed, change=candidate, merged=0))
    assert lesser.sentence.endswith(" In all the change makes no entity fewer.")
