import pytest

from er_pipeline.blocking.blocks.blocks import size_blocks, sum_blocks
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.values.keys import Conjunction
from er_pipeline_tests.coded_records import (
    CHOICES,
    FIELDS,
    LISTED,
    SOME_KEYS,
    every_cap,
    every_mode,
    make_table,
    put_pairs,
    random_rows,
)


@every_mode
@every_cap
def test_a_conjunction_costs_the_pairs_of_its_blocks_within_the_cap(
    engine: Engine, mode: str, cap: int | None
) -> None:
    sources = [0] * 20 + [1] * 15 + [2] * 5 if mode != "dedupe" else [0] * 40
    table = make_table(engine, random_rows(40, 1), mode, Blocks(max_size=cap), sources)
    for keys in SOME_KEYS:
        cost = table.index.cost(keys)
        blocks = table.blocks(keys).values()
        large = [members for members in blocks if table.oversized(members)]
        small = [m for m in blocks if not table.oversized(m) and table.pairs(m)]
        assert cost.pairs == sum(len(table.pairs(members)) for members in small)
        assert cost.largest == max(map(len, small), default=0)
        assert cost.oversized_pairs == sum(len(table.pairs(members)) for members in large)
        assert cost.oversized_share == pytest.approx(sum(map(len, large)) / sum(map(len, blocks)))


@every_mode
@every_cap
@pytest.mark.parametrize("min_size", [2, 4])
def test_beyond_the_cap_are_the_pairs_that_share_oversized_blocks_only(
    engine: Engine, mode: str, cap: int | None, min_size: int
) -> None:
    sources = [0] * 18 + [1] * 12 if mode != "dedupe" else [0] * 30
    blocks = Blocks(max_size=cap, min_size=min_size)
    table = make_table(engine, random_rows(30, 2), mode, blocks, sources)
    pairs = table.all_pairs()
    put_pairs(engine, "evidence_pairs", pairs)
    for keys in SOME_KEYS:
        sharing = {pair for members in table.blocks(keys).values() for pair in table.pairs(members)}
        lost = {pairs[n] for n in table.index.beyond_cap(keys, "evidence_pairs")}
        assert lost == sharing - table.compared(keys)


@every_mode
@every_cap
def test_a_conjunction_costs_what_it_costs_as_a_strategy(
    engine: Engine, mode: str, cap: int | None
) -> None:
    blocks = Blocks(max_size=cap)
    sources = [0] * 30 + [1] * 20 if mode != "dedupe" else [0] * 50
    rows = random_rows(50, 4)
    table = make_table(engine, rows, mode, blocks, sources)
    fields = ", ".join(f"{name} varchar" for name in FIELDS)
    engine.execute(
        "create table cleaned_records (record_no integer, record_id varchar, source varchar,"
        f" source_no smallint, {fields})"
    )
    for no, codes in enumerate(rows):
        texts = [" ".join(map(str, sorted(codes[key]))) or None for key in [0, 1, 2, 3, LISTED]]
        engine.execute(
            f"insert into cleaned_records values ({', '.join('?' * 9)})",
            [no, str(no), "", sources[no], *texts],
        )
    for keys in [(0,), (1, 3), (0, 2, 3), (LISTED,), (2, LISTED)]:
        members = tuple(CHOICES[key].key for key in keys)
        keyed = Conjunction("strategy", members).keyed_records(engine, "cleaned_records")
        engine.make_table("keyed", keyed)
        size_blocks(engine, "keyed", "sizes", mode, blocks)
        counted = sum_blocks(engine, "sizes", blocks)
        cost = table.index.cost(keys)
        assert (cost.pairs, cost.largest) == (counted["pairs"], counted["largest_block"])
        assert cost.oversized_pairs == counted["dropped_pairs"]["oversized"]


@every_mode
@every_cap
def test_a_sample_of_all_records_gives_the_exact_cost(
    engine: Engine, mode: str, cap: int | None
) -> None:
    sources = [0] * 25 + [1] * 15 if mode != "dedupe" else [0] * 40
    table = make_table(engine, random_rows(40, 5), mode, Blocks(max_size=cap), sources)
    sample = table.sample()
    for keys in SOME_KEYS:
        assert sample.pairs(keys) == table.index.cost(keys).pairs
