from collections.abc import Callable

import pytest

from er_pipeline.blocking.blocks.blocks import build_blocks, size_blocks, sum_blocks
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline_tests.conftest import Dataset

# (block_key, record_no, source_no): block a of 1, b of 3, c of 4 from two sources, d of 2.
MEMBERSHIPS = """
    select * from (values ('a', 0, 0), ('b', 1, 0), ('b', 2, 0), ('b', 3, 0),
        ('c', 1, 0), ('c', 2, 0), ('c', 4, 1), ('c', 5, 1), ('d', 4, 1), ('d', 1, 0)
    ) as m(block_key, record_no, source_no)
"""


def sizes_of(
    engine: DuckDBEngine, mode: str, blocks: Blocks
) -> dict[str, tuple[int, int, str | None, int | None]]:
    engine.make_table("memberships", MEMBERSHIPS)
    size_blocks(engine, "memberships", "sizes", mode, blocks)
    return {
        key: (size, pairs, reason, number)
        for key, size, pairs, reason, number in engine.rows(
            "select block_key, block_size, pairs, reason, block_no from sizes"
        )
    }


def test_a_block_has_one_row_per_record_with_the_key(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        [
            {"id": "z", "postcode": "n1"},
            {"id": "b", "postcode": "n1"},
            {"id": "c", "postcode": "e8"},
            {"id": "d", "postcode": None},
        ],
        strategies={"postcode": "postcode"},
    )
    people.clean()
    with DuckDBEngine(threads=2) as engine:
        facts = build_blocks(engine, people.lake, people.spec.strategy_conjunctions[0], people.spec)
    # A key of one record stays: filtered_blocks removes it, and says so.
    assert people.rows("blocks_postcode") == [
        ("e8", 1),
        ("n1", 0),
        ("n1", 3),
    ]
    assert (facts["memberships"], facts["records_with_key"], facts["blocks"]) == (3, 3, 2)
    assert people.lake.facts("blocks_postcode") == facts


def test_a_many_valued_key_puts_a_record_into_several_blocks(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        [{"id": "a", "name": "ann lee"}, {"id": "b", "name": "lee lee ann"}],
        strategies={"names": "tokens(name)"},
    )
    people.clean()
    with DuckDBEngine(threads=2) as engine:
        facts = build_blocks(engine, people.lake, people.spec.strategy_conjunctions[0], people.spec)
    assert people.by_id("blocks_names", "block_key, record_id") == [
        ("ann", "a"),
        ("ann", "b"),
        ("lee", "a"),
        ("lee", "b"),
    ]
    assert (facts["memberships"], facts["records_with_key"], facts["pairs"]) == (4, 2, 2)


def test_blocks_need_cleaned_records_first(dataset: Callable[..., Dataset]) -> None:
    people = dataset([{"id": "a", "name": "ann"}], strategies={"names": "name"})
    with (
        DuckDBEngine(threads=2) as engine,
        pytest.raises(LakeError, match="materialize people/cleaned_records first"),
    ):
        build_blocks(engine, people.lake, people.spec.strategy_conjunctions[0], people.spec)


def test_a_block_of_n_records_holds_half_n_times_n_minus_1_pairs(engine: DuckDBEngine) -> None:
    assert sizes_of(engine, "dedupe", Blocks()) == {
        "a": (1, 0, "below_min_size", None),
        "b": (3, 3, None, 0),
        "c": (4, 6, None, 1),
        "d": (2, 1, None, 2),
    }
    assert sizes_of(engine, "link_and_dedupe", Blocks())["c"] == (4, 6, None, 1)


def test_linking_counts_only_the_pairs_between_sources(engine: DuckDBEngine) -> None:
    assert sizes_of(engine, "link", Blocks()) == {
        "a": (1, 0, "below_min_size", None),
        "b": (3, 0, "one_source", None),
        "c": (4, 4, None, 0),
        "d": (2, 1, None, 1),
    }


def test_the_limits_of_block_size_belong_to_what_is_kept(engine: DuckDBEngine) -> None:
    reasons = {
        key: reason
        for key, (_, _, reason, _) in sizes_of(
            engine, "dedupe", Blocks(min_size=3, max_size=3)
        ).items()
    }
    assert reasons == {"a": "below_min_size", "b": None, "c": "oversized", "d": "below_min_size"}
    uncapped = sizes_of(engine, "dedupe", Blocks(max_size=None))
    assert uncapped["c"][2] is None


def test_pairs_of_a_block_do_not_overflow(engine: DuckDBEngine) -> None:
    engine.make_table(
        "memberships",
        "select 'a' as block_key, range::int as record_no, 0 as source_no from range(200000)",
    )
    size_blocks(engine, "memberships", "sizes", "dedupe", Blocks())
    assert sum_blocks(engine, "sizes", Blocks())["potential_pairs"] == 200_000 * 199_999 // 2


def test_kept_and_dropped_add_up(engine: DuckDBEngine) -> None:
    sizes_of(engine, "link", Blocks(max_size=3))
    summed = sum_blocks(engine, "sizes", Blocks(max_size=3))
    assert summed == {
        "blocks": 4,
        "potential_pairs": 5,
        "kept_blocks": 1,
        "pairs": 1,
        "largest_block": 2,
        "largest_block_pairs": 1,
        "dropped_blocks": {"below_min_size": 1, "oversized": 1, "one_source": 1, "refined": 0},
        "dropped_pairs": {"below_min_size": 0, "oversized": 4, "one_source": 0, "refined": 0},
        "size_classes": {
            "1": {"blocks": 1, "pairs": 0},
            "2-10": {"blocks": 2, "pairs": 1},
            "11-99": {"blocks": 0, "pairs": 0},
            "100-cap": {"blocks": 0, "pairs": 0},
            "over the cap": {"blocks": 1, "pairs": 4},
        },
    }


def test_size_classes_part_at_10_99_and_the_cap(engine: DuckDBEngine) -> None:
    sizes = ", ".join(f"({n})" for n in (1, 2, 10, 11, 99, 100, 500, 501))
    engine.make_table(
        "memberships",
        "select 'k' || n as block_key, row_number() over () as record_no, 0 as source_no"
        f" from (values {sizes}) as s(n), range(n)",
    )
    size_blocks(engine, "memberships", "sizes", "dedupe", Blocks())
    classes = sum_blocks(engine, "sizes", Blocks())["size_classes"]
    assert {name: counts["blocks"] for name, counts in classes.items()} == {
        "1": 1,
        "2-10": 2,
        "11-99": 2,
        "100-cap": 2,
        "over the cap": 1,
    }


def test_no_membership_at_all_is_counted_as_nothing(engine: DuckDBEngine) -> None:
    engine.make_table("memberships", f"select * from ({MEMBERSHIPS}) where block_key = 'none'")
    size_blocks(engine, "memberships", "sizes", "dedupe", Blocks())
    summed = sum_blocks(engine, "sizes", Blocks())
    assert (summed["blocks"], summed["pairs"], summed["largest_block"]) == (0, 0, 0)
