import pytest

from er_pipeline.blocking.changes.cause_counts import (
    by_weight,
    count_causes,
    judge_sum,
    total_of,
)
from er_pipeline.blocking.tables.table import Check

FOUND = [
    ("lost", "record_gone", "mail", 3),
    ("gained", "record_new", "mail", 4),
    ("lost", "block_over_cap", "name", 3),
    ("gained", "record_new", "name", 1),
    ("gained", "record_new", None, 2),
]
BLOCKS = [("lost", "block_over_cap", "name", "lee", 6, 7, 3)]


def test_counts_are_gathered_by_change_and_cause() -> None:
    gone, new, over = count_causes(FOUND, BLOCKS)
    assert (gone["change"], gone["cause"], gone["pairs"]) == ("lost", "record_gone", 3)
    assert (new["pairs"], new["strategies"]) == (7, {"mail": 4, "name": 1})
    (block,) = over["blocks"]
    assert (block["block_key"], block["size_before"], block["size_now"]) == ("lee", 6, 7)
    assert gone["blocks"] == new["blocks"] == []


def test_the_cause_of_most_comes_first_then_that_of_the_list() -> None:
    causes = [count["cause"] for count in by_weight(count_causes(FOUND, BLOCKS))]
    assert causes == ["record_new", "record_gone", "block_over_cap"]


def test_what_was_gained_and_lost_is_added_up() -> None:
    counts = count_causes(FOUND, BLOCKS)
    assert (total_of("gained", counts), total_of("lost", counts)) == (7, 6)


@pytest.mark.parametrize(
    ("since", "now", "passed", "said"),
    [
        ("v1", 11, True, "10 pairs, less 6 lost, with 7 gained, are 11; there are 11."),
        ("v1", 12, False, "10 pairs, less 6 lost, with 7 gained, are 11; there are 12."),
        ("", 12, True, "There is no good run before to compare with."),
    ],
)
def test_changes_must_add_up(since: str, now: int, passed: bool, said: str) -> None:
    facts = {"since": since, "pairs": now, "pairs_before": 10, "lost": 6, "gained": 7}
    verdict = judge_sum(Check("they_add_up", "They must."), "pairs", facts)
    assert (verdict.check, verdict.passed, verdict.text) == ("they_add_up", passed, said)
    assert verdict.numbers == {"pairs_before": 10, "lost": 6, "gained": 7, "pairs": now}
