from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from random import Random
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.blocks.blocks import DROP_REASONS, SizedBlocks
from er_pipeline.blocking.blocks.filtered_facts import (
    FilteredFacts,
    size_strategies,
    sum_strategies,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.test_refined_blocks import refine

Values = Sequence[str | None]


# Any table, in an engine alone: what was made is held against counting pair by pair.


def spec_of(keys: str | list[str], mode: str, blocks: dict[str, Any]) -> PipelineSpec:
    sources = [{"path": "left.csv"}, {"path": "right.csv"}][: 1 + (mode != "dedupe")]
    fields = dict.fromkeys("abc", "text")
    return PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": sources,
            "fields": fields,
            "mode": mode,
            "strategies": {"s": keys},
            "training_rules": {"rule": "a"},
            "blocks": blocks,
        }
    )


def count(
    engine: DuckDBEngine, spec: PipelineSpec, rows: Sequence[Values], n_left: int
) -> tuple[dict[str, SizedBlocks], FilteredFacts]:
    """Count rows of values of the spec's fields; the first n_left are of the first source."""
    columns = {
        "record_no": pa.array(range(len(rows)), pa.int32()),
        "record_id": pa.array([str(i) for i in range(len(rows))], pa.string()),
        "source": pa.array(["s"] * len(rows), pa.string()),
        "source_no": pa.array([int(i >= n_left) for i in range(len(rows))], pa.int16()),
    }
    for i, field in enumerate(spec.field_kinds):
        columns[field] = pa.array([row[i] for row in rows], pa.string())
    engine.put("cleaned_records", pa.table(columns))
    memberships = {}
    for strategy in spec.strategy_conjunctions:
        memberships[strategy.name] = f"blocks_{strategy.name}"
        engine.make_table(
            f"blocks_{strategy.name}", strategy.keyed_records(engine, "cleaned_records")
        )
    sized, counts = size_strategies(engine, spec, memberships)
    return sized, sum_strategies(engine, spec, sized, counts)


def pairs_compared(
    engine: DuckDBEngine, spec: PipelineSpec, blocks: SizedBlocks
) -> set[tuple[int, int, int]]:
    """Make the pairs (block, left, right) of the blocks that are compared."""
    is_pair = "l.source_no < r.source_no" if spec.link_mode == "link" else "true"
    kept = (
        f"select m.record_no, m.source_no, s.block_no from {blocks.members} as m"
        f" join {blocks.sizes} as s"
        " on s.block_key = m.block_key where s.reason is null"
    )
    return set(
        engine.rows(
            f"select l.block_no, l.record_no, r.record_no from ({kept}) as l join ({kept}) as r"
            f" on l.block_no = r.block_no and l.record_no < r.record_no and {is_pair}"
        )
    )


def blocks_by_hand(
    records: Sequence[int],
    keys: Sequence[Callable[[int], str | None]],
    depth: int,
    divide: Callable[[Sequence[int]], bool],
) -> Iterator[Sequence[int]]:
    """Give the blocks that dividing by the keys in turn ends in."""
    if depth == len(keys) or not divide(records):
        yield records
        return
    parts = defaultdict(list)
    for record in records:
        value = (keys[depth](record) or "").strip()
        if value:
            parts[value].append(record)
    for part in parts.values():
        yield from blocks_by_hand(part, keys, depth + 1, divide)


values = st.tuples(*[st.sampled_from(["x", "y", "x y", "y x", None])] * 3)


by_word = {"a": 0, "b": 1, "c": 2}


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(values, min_size=2, max_size=30),
    n_left=st.integers(0, 30),
    mode=st.sampled_from(["dedupe", "link", "link_and_dedupe"]),
    sizes=st.sampled_from([(2, 2), (2, 3), (3, 4), (2, 6)]),
    keys=st.sampled_from(["a", ["left(a, 1)", "b"], "tokens(a)"]),
    by=st.sampled_from([[], ["c"], ["left(c, 1)", "c"], ["b", "left(c, 1)", "c", "a"]]),
)
def test_every_pair_of_the_raw_blocks_is_kept_or_dropped_for_one_reason(
    rows: list[Values],
    n_left: int,
    mode: str,
    sizes: tuple[int, int],
    keys: str | list[str],
    by: list[str],
) -> None:
    least, cap = sizes
    spec = spec_of(keys, mode, refine(cap, *by, min_size=least))
    raw = spec_of(keys, mode, {"max_size": None})
    with DuckDBEngine(threads=1) as engine:
        _, whole = count(engine, raw, rows, n_left)
        sized, counted = count(engine, spec, rows, n_left)
        blocks = sized["s"]
        made = pairs_compared(engine, spec, blocks)
        listed = engine.rows(f"select block_key, block_size, pairs, reason from {blocks.sizes}")
        members = engine.rows(f"select block_key, record_no from {blocks.members}")
    counts = counted["strategies"]["s"]
    assert counted["potential_pairs"] == whole["pairs"] + sum(
        whole["strategies"]["s"]["dropped_pairs"].values()
    )
    assert counts["pairs"] + sum(counts["dropped_pairs"].values()) == whole["potential_pairs"]
    assert counts["pairs"] == len(made)
    # Every block is listed once, by its own key, with its exact size.
    in_block = defaultdict(set)
    for key, record in members:
        in_block[key].add(record)
    assert len(members) == sum(len(records) for records in in_block.values())
    assert {key: size for key, size, _, _ in listed} == {k: len(v) for k, v in in_block.items()}
    assert len(listed) == len(in_block)
    assert all(pairs >= 0 and reason in (None, *DROP_REASONS) for _, _, pairs, reason in listed)
    for name in ("records_with_key", "records_sharing_a_key"):
        assert counted[name] == whole[name]

    def pairs_of(records: Sequence[int]) -> Iterator[tuple[int, int]]:
        for left, right in combinations(records, 2):
            if mode != "link" or left < n_left <= right:
                yield left, right

    # The keys that were used, over the raw blocks, pair by pair.
    functions: dict[str, Callable[[str], str]] = {"left": lambda value: value[:1]}

    def key_function(text: str) -> Callable[[int], str | None]:
        place = by_word[text.removeprefix("left(")[0]]
        change = functions["left"] if text.startswith("left(") else str

        def value_of(record: int) -> str | None:
            value = rows[record][place]
            return None if value is None else change(value)

        return value_of

    if by:
        divided_by = [key_function(d["key"]) for d in counts.get("divisions", [])]
        raw_blocks = defaultdict(list)
        for i, (a, b, _) in enumerate(rows):
            if keys == "tokens(a)":
                raw_keys = sorted(set((a or "").split()))
            elif keys == "a":
                raw_keys = [a] if a else []
            else:
                raw_keys = [f"{a[0]} {b}"] if a and b else []
            for key in raw_keys:
                raw_blocks[key].append(i)
        expected: list[tuple[int, int]] = []
        for records in raw_blocks.values():
            for block in blocks_by_hand(
                records, divided_by, 0, lambda r: len(r) > cap and any(True for _ in pairs_of(r))
            ):
                if least <= len(block) <= cap:
                    expected += pairs_of(block)
        assert sorted((left, right) for _, left, right in made) == sorted(expected)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.text("ab>\\ ", max_size=4)] * 3), min_size=3, max_size=25),
    by=st.sampled_from([["b"], ["b", "c"], [["b", "c"]]]),
)
def test_equal_block_keys_mean_equal_values_whatever_these_hold(
    rows: list[tuple[str, str, str]], by: list[str | list[str]]
) -> None:
    spec = spec_of("a", "dedupe", refine(2, *by))
    with DuckDBEngine(threads=1) as engine:
        sized, _ = count(engine, spec, rows, len(rows))
        blocks = sized["s"]
        members = engine.rows(f"select block_key, record_no from {blocks.members}")
        made = pairs_compared(engine, spec, blocks)
    values_of = defaultdict(set)
    for key, record in members:
        depth = key.replace("\\\\", "").replace("\\>", "").count(">")
        values_of[key].add(tuple(value.strip() for value in rows[record][: 1 + depth]))
    if isinstance(by[0], str):  # a conjunction divides by two values at once
        assert all(len(values) == 1 for values in values_of.values())
    for _, left, right in made:
        assert rows[left][0].strip() == rows[right][0].strip()


def test_a_key_that_holds_the_mark_is_no_part_of_another_block() -> None:
    spec = spec_of("a", "dedupe", refine(2, "b"))
    rows = [("x", "y", None), ("x", "y", None), ("x", "z", None), ("x > y", "z", None)]
    with DuckDBEngine(threads=1) as engine:
        sized, _ = count(engine, spec, rows, 4)
        blocks = sized["s"]
        assert sorted(
            engine.rows(f"select block_key, block_size, pairs, reason from {blocks.sizes}")
        ) == [
            ("x", 3, 2, "refined"),
            ("x > y", 2, 1, None),
            ("x > z", 1, 0, "below_min_size"),
            ("x \\> y", 1, 0, "below_min_size"),
        ]
        assert pairs_compared(engine, spec, blocks) == {(0, 0, 1)}


def test_the_same_blocks_come_out_whatever_the_number_of_threads() -> None:
    random = Random(3)
    names = ["ann", "bob", "cat", "dan", "eve", None]
    rows = [tuple(random.choice(names) for _ in range(3)) for _ in range(3000)]
    for by in ([], ["b", "soundex(c)"]):
        spec = spec_of("a", "link_and_dedupe", refine(40, *by))
        made = []
        for threads in (1, 2, 4):
            with DuckDBEngine(threads=threads) as engine:
                sized, facts = count(engine, spec, rows, 1500)
                blocks = sized["s"]
                made.append(
                    (
                        facts,
                        engine.rows(f"select * from {blocks.sizes} order by all"),
                        engine.rows(f"select * from {blocks.members} order by all"),
                    )
                )
        assert made[0] == made[1] == made[2]
        assert made[0][0]["strategies"]["s"]["divisions"]
