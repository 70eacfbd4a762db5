from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching.comparisons import splink_comparisons
from er_pipeline.matching.em_estimates import filled_comparison
from er_pipeline.matching.em_sessions import (
    Session,
    agreement_patterns,
    free_comparisons,
    levels_of,
    number_blocks,
    run_session,
    without_frequencies,
)
from er_pipeline_tests.small_spec import small_spec


def spec_with(rules: Any) -> PipelineSpec:
    return small_spec(
        fields=dict.fromkeys("abc", "text"),
        strategies={"a": "a"},
        training_rules=rules,
        matching=True,
    )


def test_a_comparison_is_free_where_the_rule_reads_none_of_its_columns() -> None:
    spec = spec_with({"sound": ["soundex(a)", "left(b, 1)"], "whole": "c"})
    assert [free_comparisons(spec, i) for i in (0, 1)] == [{"c"}, {"a", "b"}]


def test_records_are_numbered_by_their_block_in_every_rule() -> None:
    spec = spec_with({"one": "a", "other": "b"})
    with DuckDBEngine(threads=1) as engine:
        engine.make_table(
            "cleaned_records",
            "select * from (values (0, 's', 0, '0', 'x', 'y', 'z'),"
            " (1, 's', 0, '1', 'x', 'u', 'z'),"
            " (2, 's', 0, '2', 'w', 'u', 'z'))"
            " as t(record_no, source, source_no, record_id, a, b, c)",
        )
        engine.make_table(
            "em_training_blocks",
            "select * from (values ('one', 'x', 0), ('one', 'x', 1), ('other', 'u', 1),"
            " ('other', 'u', 2)) as t(rule, block_key, record_no)",
        )
        number_blocks(engine, spec)
        found = engine.rows("select record_no, _em_block_0, _em_block_1 from em_records")
    assert found == [(0, 1, None), (1, 1, 1), (2, None, 1)]


def test_frequencies_are_left_out_and_nothing_else() -> None:
    (comparison, *_) = splink_comparisons(spec_with({"rule": "a"}))
    plain = without_frequencies(comparison)
    kept = [
        {name: value for name, value in level.items() if not name.startswith("tf_")}
        for level in comparison["comparison_levels"]
    ]
    assert plain == {**comparison, "comparison_levels": kept}
    assert plain != comparison, "texts are compared with term frequencies"
    assert len(levels_of(plain)) == len(kept) - 1


def test_matches_of_a_session_are_its_share_of_its_pairs() -> None:
    assert Session("rule", 200, 0.25, 3, True, {}, {}).matches == 50


def test_a_session_counts_the_pairs_of_its_blocks_and_leaves_out_what_the_rule_reads() -> None:
    spec = spec_with({"one": "a"})
    (comparison, *others) = splink_comparisons(spec)
    chance = [
        filled_comparison(c, None, [1 / len(levels_of(c))] * len(levels_of(c)))
        for c in (comparison, *others)
    ]
    with DuckDBEngine(threads=1) as engine:
        engine.make_table(
            "cleaned_records",
            "select * from (values (0, 's', 0, '0', 'x', 'y', 'z'),"
            " (1, 's', 0, '1', 'x', 'y', null),"
            " (2, 's', 0, '2', 'x', 'u', 'z'), (3, 's', 0, '3', 'w', 'y', 'z'))"
            " as t(record_no, source, source_no, record_id, a, b, c)",
        )
        engine.make_table(
            "em_training_blocks",
            "select * from (values ('one', 'x', 0), ('one', 'x', 1), ('one', 'x', 2))"
            " as t(rule, block_key, record_no)",
        )
        number_blocks(engine, spec)
        patterns = agreement_patterns(engine, spec, 0, chance[1:])
        session = run_session(engine, spec, 0, 3, chance)
    found = sorted(zip(patterns.levels.tolist(), patterns.counts.tolist(), strict=True))
    other = len(levels_of(others[0])) - 1
    # 0-1: equal b, c missing; 0-2: another b, equal c; 1-2: another b, c missing.
    assert found == [([0, -1], 1), ([other, -1], 1), ([other, 0], 1)]
    assert set(session.m) == set(session.u) == {"b", "c"}
    assert session.m["c"][1:] == (None,) * (len(session.m["c"]) - 1)


def test_a_share_of_the_pairs_is_the_same_one_whatever_the_order_of_the_records() -> None:
    spec = spec_with({"one": "a"})
    comparisons = splink_comparisons(spec)[1:]
    found = []
    for order in ("i", "-i"):
        with DuckDBEngine(threads=2) as engine:
            engine.make_table(
                "cleaned_records",
                f"select cast(row_number() over (order by {order}) - 1 as integer) as record_no,"
                " 's' as source, 0 as source_no, cast(i as varchar) as record_id, 'x' as a,"
                " cast(i % 7 as varchar) as b, cast(i % 11 as varchar) as c"
                " from range(150) as t(i)",
            )
            engine.make_table(
                "em_training_blocks",
                "select 'one' as rule, 'x' as block_key, record_no from cleaned_records",
            )
            number_blocks(engine, spec)
            found.append(agreement_patterns(engine, spec, 0, comparisons, 0.3))
    one, other = found
    assert one.counts.tolist() == other.counts.tolist()
    assert one.levels.tolist() == other.levels.tolist()
    n_pairs = 150 * 149 / 2
    assert 0.27 * n_pairs < one.counts.sum() < 0.33 * n_pairs
