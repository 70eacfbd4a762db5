from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.evaluation.dry_run import count_dataset
from er_pipeline.flow import flow, open_lake
from er_pipeline_tests.conftest import Dataset, Rows

# All of york: lee 4 times (ann and bob twice each), may once; one of them without a name.
YORK: Rows = [
    {"id": "1", "city": "york", "last": "lee", "first": "ann"},
    {"id": "2", "city": "york", "last": "lee", "first": "ann"},
    {"id": "3", "city": "york", "last": "lee", "first": "bob"},
    {"id": "4", "city": "york", "last": "lee", "first": "bob"},
    {"id": "5", "city": "york", "last": "may", "first": "ann"},
    {"id": "6", "city": "york", "last": None, "first": "ann"},
    {"id": "7", "city": "bath", "last": "lee", "first": "ann"},
    {"id": "8", "city": "bath", "last": "lee", "first": "ann"},
]


def refine(max_size: int = 2, *by: str | list[str], min_size: int = 2) -> dict[str, Any]:
    """Settings that divide blocks over max_size, by chosen keys where none are given."""
    more = {"refine_by": list(by)} if by else {}
    return {"min_size": min_size, "max_size": max_size, "oversized": "refine", **more}


def ledger(people: Dataset, columns: str = "block_key, block_size, pairs, reason") -> Any:
    return people.rows("dropped_blocks", columns)


def test_an_oversized_block_is_divided_and_what_does_not_fit_is_dropped(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(3, "last"))
    facts = people.filter()
    assert people.by_id("filtered_blocks", "block_key, block_size, record_id, block_no") == [
        ("bath", 2, "7", 0),
        ("bath", 2, "8", 0),
    ]
    assert ledger(people) == [
        ("york", 6, 15 - 6, "refined"),
        ("york > lee", 4, 6, "oversized"),
        ("york > may", 1, 0, "below_min_size"),
    ]
    assert facts["strategies"]["city"]["divisions"] == [
        {"key": "last", "blocks": 1, "members_left": 1}
    ]


def test_what_is_still_oversized_is_divided_by_the_next_key(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(2, "last", "first"))
    facts = people.filter()
    assert people.by_id("filtered_blocks", "block_key, block_size, record_id, block_no") == [
        ("bath", 2, "7", 0),
        ("bath", 2, "8", 0),
        ("york > lee > ann", 2, "1", 1),
        ("york > lee > ann", 2, "2", 1),
        ("york > lee > bob", 2, "3", 2),
        ("york > lee > bob", 2, "4", 2),
    ]
    assert ledger(people) == [
        ("york", 6, 9, "refined"),
        ("york > lee", 4, 4, "refined"),
        ("york > may", 1, 0, "below_min_size"),
    ]
    assert [row[2] for row in people.rows("record_codes")] == [1, 1, 2, 2, -5, -6, 0, 0]
    assert [d["key"] for d in facts["strategies"]["city"]["divisions"]] == ["last", "first"]
    assert facts["strategies"]["city"]["pairs"] == 3
    # The table of the strategy itself stays as it was.
    assert {key for (key,) in people.rows("blocks_city", "block_key")} == {"york", "bath"}


def test_a_block_is_divided_three_times_at_most(dataset: Callable[..., Dataset]) -> None:
    rows = [dict.fromkeys("abcd", "x") | {"id": str(i), "e": str(i % 2)} for i in range(4)]
    people = dataset(rows, strategies={"a": "a"}, blocks=refine(2, "b", "c", "d", "e"))
    facts = people.filter()
    assert ledger(people) == [
        ("x", 4, 0, "refined"),
        ("x > x", 4, 0, "refined"),
        ("x > x > x", 4, 0, "refined"),
        ("x > x > x > x", 4, 6, "oversized"),
    ]
    assert len(facts["strategies"]["a"]["divisions"]) == 3


@pytest.mark.parametrize("blank", ["null", "''", "'  '"])
def test_a_record_without_the_further_key_leaves(
    dataset: Callable[..., Dataset], blank: str
) -> None:
    key = f"case when first = 'bob' then {blank} else first end"
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(3, key))
    facts = people.filter()
    assert ledger(people) == [
        ("york", 6, 15 - 6, "refined"),
        ("york > ann", 4, 6, "oversized"),
    ]
    assert facts["strategies"]["city"]["divisions"][0]["members_left"] == 2


def test_a_block_whose_records_all_leave_is_listed_as_refined(
    dataset: Callable[..., Dataset],
) -> None:
    rows: Rows = [{"id": str(i), "city": "york", "last": None} for i in range(3)]
    people = dataset(rows, strategies={"city": "city"}, blocks=refine(2, "last"))
    facts = people.filter()
    assert ledger(people) == [("york", 3, 3, "refined")]
    assert facts["pairs"] == 0


def test_coverage_is_that_of_the_blocks_as_they_were(dataset: Callable[..., Dataset]) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(2, "last", "first"))
    facts = people.filter()
    assert facts["records_with_key"] == facts["records_sharing_a_key"] == 8
    assert facts["records_in_a_block"] == 6  # may is alone, and one has no last name


def test_a_many_valued_strategy_is_divided_block_by_block(
    dataset: Callable[..., Dataset],
) -> None:
    rows: Rows = [
        {"id": "1", "words": "red fox", "city": "york"},
        {"id": "2", "words": "red fox", "city": "york"},
        {"id": "3", "words": "red", "city": "bath"},
        {"id": "4", "words": "red cat", "city": "bath"},
    ]
    people = dataset(rows, strategies={"words": "tokens(words)"}, blocks=refine(3, "city"))
    people.filter()
    assert people.by_id("filtered_blocks", "block_key, record_id") == [
        ("fox", "1"),
        ("fox", "2"),
        ("red > bath", "3"),
        ("red > bath", "4"),
        ("red > york", "1"),
        ("red > york", "2"),
    ]


def test_a_part_of_one_source_makes_no_pair_when_linking(dataset: Callable[..., Dataset]) -> None:
    left: Rows = [{"id": "1", "a": "x", "b": "p"}, {"id": "2", "a": "x", "b": "p"}]
    right: Rows = [{"id": "1", "a": "x", "b": "q"}, {"id": "2", "a": "x", "b": "p"}]
    both = dataset(left, right, strategies={"a": "a"}, blocks=refine(3, "b"))
    both.filter()
    assert ledger(both) == [("x", 4, 4 - 2, "refined"), ("x > q", 1, 0, "below_min_size")]
    both = dataset(left, [right[0]] * 1, strategies={"a": "a"}, blocks=refine(2, "b"))
    both.filter()
    assert ledger(both) == [
        ("x", 3, 2, "refined"),
        ("x > p", 2, 0, "one_source"),
        ("x > q", 1, 0, "below_min_size"),
    ]


def test_parts_below_min_size_are_dropped(dataset: Callable[..., Dataset]) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(5, "last", min_size=5))
    people.filter()
    assert ledger(people) == [
        ("bath", 2, 1, "below_min_size"),
        ("york", 6, 9, "refined"),
        ("york > lee", 4, 6, "below_min_size"),
        ("york > may", 1, 0, "below_min_size"),
    ]


def test_nothing_is_divided_where_every_block_fits(dataset: Callable[..., Dataset]) -> None:
    wanted = ["strategy", "block_key", "block_size", "record_id", "block_no"]
    dropped = dataset(YORK, strategies={"city": "city"}, blocks={"max_size": 6})
    facts = dropped.filter()
    rows = dropped.by_id("filtered_blocks", ", ".join(wanted))
    for blocks in (refine(6), refine(6, "last"), {"max_size": None, "oversized": "refine"}):
        people = dataset(YORK, strategies={"city": "city"}, blocks=blocks)
        assert people.filter() == facts
        assert people.by_id("filtered_blocks", ", ".join(wanted)) == rows


# The whole way.


def test_refining_finds_a_match_that_dropping_loses(dataset: Callable[..., Dataset]) -> None:
    found = {}
    for blocks in ({"max_size": 3}, refine(3), refine(3, "first")):
        people = dataset(YORK, strategies={"city": "city", "last": "last"}, blocks=blocks)
        people.pair()
        pairs = people.rows("unified_pairs", "left_no, right_no, strategy_mask")
        found[str(blocks)] = {(left, right): mask for left, right, mask in pairs}
        assert len(found[str(blocks)]) == len(pairs)
    dropped, *refined = found.values()
    assert dropped == {(6, 7): 1}
    for pairs_found in refined:
        assert pairs_found[2, 3] == 3  # both bobs called lee of york, by both strategies
        assert pairs_found[6, 7] & 1


def test_records_of_one_part_are_candidates_by_every_strategy(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        YORK,
        strategies={"city": "city", "words": "tokens(last)"},
        blocks=refine(3, "first"),
        weights=False,
    )
    people.pair()
    masks = {
        (a, b): m for a, b, m in people.rows("unified_pairs", "left_no, right_no, strategy_mask")
    }
    # york > ann has four records and is dropped; lee > ann has four, too.
    assert masks == {(2, 3): 3, (6, 7): 1}


def test_a_dry_run_counts_the_divided_blocks(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(2, "last", "first"))
    counts = people.filter()["strategies"]["city"]
    scratch = open_lake(tmp_path / "scratch", people.spec)
    lines = [str(line) for line in count_dataset(people.spec, flow(people.spec), scratch)]
    _, shown = [line for line in lines if line.startswith("city ")]  # the field, the strategy
    assert shown.split(maxsplit=5) == [
        *("city", str(counts["kept_blocks"]), str(counts["pairs"])),
        *("2", "13"),  # york and york > lee, and the pairs that no part holds
        "divided by last, then first",
    ]


def test_the_asset_shows_what_was_divided_by_which_keys(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        YORK, strategies={"city": "city", "last": "last"}, blocks=refine(4, "last", "first")
    )
    facts = people.filter()
    (step,) = (step for step in flow(people.spec) if step.name == "filtered_blocks")
    grid = step.show(facts)["strategies"]
    assert isinstance(grid, Grid)
    assert [*grid.header][-4:] == ["over the cap", "pairs avoided", "divided", "by"]
    assert [*grid.rows] == [
        ["city", "2", "7", "4", "1", "9", "1", "last"],
        ["last", "2", "7", "4", "1", "8", "1", "first"],
    ]


def test_training_rules_and_strategies_tables_stay_as_they_are(
    dataset: Callable[..., Dataset],
) -> None:
    facts = []
    for blocks in ({"max_size": 3}, refine(3, "last")):
        people = dataset(
            YORK, strategies={"city": "city"}, training_rules={"r": "city"}, blocks=blocks
        )
        facts.append((people.make("blocks_city"), people.make("em_training_rules")))
    assert facts[0] == facts[1]
    assert facts[1][1]["rules"]["r"]["dropped_blocks"]["oversized"] == 1
