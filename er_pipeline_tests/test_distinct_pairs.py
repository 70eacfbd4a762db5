from random import Random

from er_pipeline.blocking.learning.distinct_pairs import DistinctPairs
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline_tests.coded_records import (
    SOME_KEYS,
    Pair,
    every_cap,
    every_mode,
    every_seed,
    make_table,
    random_rows,
)


@every_mode
@every_cap
@every_seed
def test_every_pair_counts_for_the_first_rule_that_makes_it(
    engine: Engine, mode: str, cap: int | None, seed: int
) -> None:
    rows = random_rows(24, seed)
    sources = sorted(Random(seed).choices((0, 1), k=24)) if mode != "dedupe" else None
    table = make_table(engine, rows, mode, Blocks(max_size=cap), sources)
    rules = Random(seed).sample(SOME_KEYS, len(SOME_KEYS))
    distinct, made = DistinctPairs(table.index), set[Pair]()
    for keys in rules:
        new = distinct.count(keys)
        assert new == len(table.compared(keys) - made), keys
        distinct.apply(keys, new)
        made |= table.compared(keys)
    assert distinct.total == len(made)


def test_a_rule_that_is_counted_but_not_applied_covers_nothing(engine: Engine) -> None:
    table = make_table(engine, random_rows(24, 1))
    distinct = DistinctPairs(table.index)
    first = distinct.count((0,))
    assert first > 0
    assert distinct.count((0,)) == first
    distinct.apply((0,), first)
    assert distinct.count((0,)) == 0
