import json
from collections.abc import Iterator
from typing import Any

import pytest

from er_pipeline.blocking.pairs import pair_queries
from er_pipeline.blocking.pairs.mask_layout import MaskLayout
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.weights.pair_evidence import FieldEvidence, PairWeights


def test_the_highest_bits_of_the_mask_are_right(engine: Engine) -> None:
    engine.make_table(
        "coded_records",
        "select * from (values (0, 0, 7, 5, 3), (1, 0, 7, 5, 3), (2, 0, 7, -3, 3))"
        " as t(record_no, source_no, block_0, block_1, block_2)",
    )
    layout = MaskLayout(((29, "a"), (30, "b"), (59, "c")), ())
    pair_queries._sort_by_block(engine, 0, layout)
    assert sorted(engine.rows(pair_queries._single_pairs_sql(0, layout, "dedupe"))) == [
        (0, 1, 1 << 29 | 1 << 30 | 1 << 59),
        (0, 2, 1 << 29 | 1 << 59),
        (1, 2, 1 << 29 | 1 << 59),
    ]


def joins_of(plan: Any) -> Iterator[str]:
    """List the names of a plan's operators that join."""
    if isinstance(plan, list):
        for part in plan:
            yield from joins_of(part)
    elif isinstance(plan, dict):
        name = str(plan.get("name", ""))
        if "JOIN" in name or "PRODUCT" in name:
            yield name
        yield from joins_of(plan.get("children", []))


@pytest.mark.parametrize("weighed", [True, False])
@pytest.mark.parametrize("mode", ["dedupe", "link", "link_and_dedupe"])
def test_every_join_is_a_hash_join(engine: Engine, mode: str, weighed: bool) -> None:
    engine.make_table(
        "record_codes",
        "select i::int as record_no, (i % 2)::smallint as source_no, (i % 50)::int as code_0,"
        " (i % 70)::int as code_1, (i % 90)::int as code_2 from range(2000) as t(i)",
    )
    engine.make_table(
        "key_codes",
        "select i::int as record_no, (i % 2)::smallint as source_no, (i % 99)::int as code_0,"
        " 9::tinyint as idf_0, (i % 9)::int as code_1, 3::tinyint as idf_1"
        " from range(2000) as t(i)",
    )
    engine.make_table(
        "filtered_blocks",
        "select s as strategy, record_no, (record_no % 60)::int as block_no"
        " from record_codes, unnest(['x', 'y']) as t(s)",
    )
    engine.make_view("listed_blocks", "select * from filtered_blocks")
    engine.make_table(
        "embedding_blocks",
        "select i::int as left_no, (i + 1)::int as right_no, 0.5::float as similarity"
        " from range(1999) as t(i)",
    )
    ready = (
        "select left_no, right_no, 32::bigint as strategy_mask, similarity from embedding_blocks"
    )
    field = FieldEvidence("name", (0, 1), (0.1, 0.8, 0.1), ((), ()))
    layout = MaskLayout(
        single=((0, "a"), (1, "b"), (2, "c")),
        listed=((3, "x"), (4, "y")),
        ready=(ready,),
        has_similarity=True,
        weights=PairWeights((field,), 2000, 8.0) if weighed else None,
    )
    pair_queries._lay_out_codes(engine, layout)
    queries = []
    for i in range(3):
        pair_queries._sort_by_block(engine, i, layout)
        queries.append(pair_queries._single_pairs_sql(i, layout, mode))
        queries.append(pair_queries._single_pairs_sql(i, layout, mode, "l.record_no < 9"))
    listed_sql = pair_queries._listed_pairs_sql(layout, mode, 0, 900)
    engine.make_table("listed_pairs", listed_sql)
    queries.append(listed_sql)
    queries.append(pair_queries._only_listed_sql(layout, ", x.similarity"))
    for sql in queries:
        assert_only_hash_joins(engine, sql)


def assert_only_hash_joins(engine: Engine, sql: str) -> None:
    ((_, plan),) = engine.rows(f"explain (format json) {sql}")
    joins = [name.strip() for name in joins_of(json.loads(plan))]
    assert joins
    assert set(joins) == {"HASH_JOIN"}, sql
