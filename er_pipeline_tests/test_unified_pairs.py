import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.blocks.blocks import build_blocks
from er_pipeline.blocking.blocks.filtered_blocks import filter_blocks
from er_pipeline.blocking.pairs import unified_pairs
from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.records.key_codes import index_keys
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_evidence import FieldEvidence, PairWeights
from er_pipeline.blocking.weights.pair_weights import weigh_pairs
from er_pipeline_tests.conftest import Dataset, Rows, write_csv


class Person(NamedTuple):
    first: str | None
    last: str | None
    words: str | None


Pairs = set[tuple[int, int, int]]
Keys = set[tuple[str, ...]]


def _texts(*members: str | None) -> Keys:
    return {tuple(m for m in members if m)} if all(members) else set()


def _tokens(text: str | None) -> set[str]:
    return {word for word in (text or "").split(" ") if word}


def _grams(text: str | None) -> set[str]:
    starts = range(max(len(text) - 1, 1)) if text else range(0)
    return {text[i : i + 2].strip() for i in starts} - {""} if text else set()


# Strategies in SQL, and what they mean in Python.
MEANINGS: dict[str | tuple[str, ...], Callable[[Person], Keys]] = {
    "first": lambda p: _texts(p.first),
    "left(last, 1)": lambda p: _texts(p.last and p.last[:1]),
    ("last", "left(first, 2)"): lambda p: _texts(p.last, p.first and p.first[:2]),
    "upper(first || last)": lambda p: _texts(p.first and p.last and p.first + p.last),
    "tokens(words)": lambda p: {(word,) for word in _tokens(p.words)},
    "qgrams(words, 2)": lambda p: {(gram,) for gram in _grams(p.words)},
    ("last", "tokens(words)"): lambda p: {(p.last, word) for word in _tokens(p.words) if p.last},
}


def make_pairs(
    sources: Sequence[Sequence[Person]],
    keys: Sequence[str | tuple[str, ...]],
    mode: str,
    *,
    min_size: int = 2,
    cap: int | None = None,
    per_range: int = 10_000_000,
    threads: int = 2,
    weights: bool = True,
    columns: str = "left_no, right_no, strategy_mask",
) -> list[tuple[Any, ...]]:
    """Run the steps from records to pairs; records are numbered as they stand, from 0."""
    spec = PipelineSpec.model_validate(
        {
            "dataset": "people",
            "mode": mode,
            "sources": [{"path": f"s{i}.csv"} for i in range(len(sources))],
            "fields": dict.fromkeys(Person._fields, "text"),
            "strategies": {
                f"s{i}": key if isinstance(key, str) else list(key) for i, key in enumerate(keys)
            },
            "training_rules": {"rule": "first"},
            "blocks": {"min_size": min_size, "max_size": cap},
            "weights": weights,
        }
    )
    numbered = [(i, person) for i, source in enumerate(sources) for person in source]
    with (
        tempfile.TemporaryDirectory() as folder,
        DuckDBEngine(threads=threads) as engine,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(unified_pairs, "LISTED_PAIRS_PER_RANGE", per_range)
        lake = Lake(Path(folder), "people")
        engine.execute(
            "create table people (record_no integer, record_id varchar, source varchar,"
            " source_no smallint, first varchar, last varchar, words varchar)"
        )
        for no, (source_no, person) in enumerate(numbered):
            engine.execute(
                "insert into people values (?, ?, ?, ?, ?, ?, ?)",
                [no, str(no), f"s{source_no}", source_no, *person],
            )
        with lake.writing("cleaned_records", {"fingerprint": "these"}) as draft:
            engine.write("select * from people", draft.file())
        for strategy in spec.strategy_conjunctions:
            build_blocks(engine, lake, strategy, spec)
        filter_blocks(engine, lake, spec)
        if weights:
            index_keys(engine, lake, spec)
            weigh_pairs(engine, lake, spec)
        facts = unify_pairs(engine, lake, spec)
        engine.read(lake, "unified_pairs")
        found = engine.rows(f"select {columns} from unified_pairs")
        assert facts["pairs"] == len(found)
    return sorted(found)


def brute_force(
    sources: Sequence[Sequence[Person]],
    keys: Sequence[str | tuple[str, ...]],
    mode: str,
    *,
    min_size: int = 2,
    cap: int | None = None,
) -> Pairs:
    """Compare every record with every other one."""
    people = [(i, person) for i, source in enumerate(sources) for person in source]
    masks: dict[tuple[int, int], int] = {}
    for bit, key in enumerate(keys):
        blocks: dict[tuple[str, ...], list[int]] = {}
        for no, (_, person) in enumerate(people):
            for value in MEANINGS[key](person):
                blocks.setdefault(value, []).append(no)
        for members in blocks.values():
            if len(members) < min_size or (cap is not None and len(members) > cap):
                continue
            for left, right in combinations(members, 2):
                if mode != "link" or people[left][0] != people[right][0]:
                    masks[left, right] = masks.get((left, right), 0) | 1 << bit
    return {(left, right, mask) for (left, right), mask in masks.items()}


persons = st.builds(
    Person,
    st.sampled_from(["ann", "anna", "bo", None]),
    st.sampled_from(["lee", "li", "may", None]),
    st.sampled_from(["x", "x y", "y z x", "z", "a a", "xy z", None]),
)
tables = st.lists(persons, min_size=1, max_size=14)
strategy_sets = st.lists(st.sampled_from(list(MEANINGS)), min_size=1, max_size=5)
caps = st.sampled_from([2, 3, 5, None])


@settings(max_examples=20, deadline=None)
@given(
    sources=st.lists(tables, min_size=1, max_size=3),
    keys=strategy_sets,
    dedupe_within=st.booleans(),
    cap=caps,
    min_size=st.sampled_from([2, 2, 3]),
    per_range=st.sampled_from([1, 4, 10_000_000]),
    threads=st.sampled_from([1, 2]),
    weights=st.booleans(),
)
def test_pairs_are_those_of_brute_force_each_once_with_its_strategies(
    sources: list[list[Person]],
    keys: list[str | tuple[str, ...]],
    dedupe_within: bool,
    cap: int | None,
    min_size: int,
    per_range: int,
    threads: int,
    weights: bool,
) -> None:
    mode = "dedupe" if len(sources) == 1 else "link_and_dedupe" if dedupe_within else "link"
    cap = max(cap, min_size) if cap else None
    cuts: dict[str, Any] = {
        "min_size": min_size,
        "cap": cap,
        "per_range": per_range,
        "threads": threads,
    }
    found = make_pairs(sources, keys, mode, **cuts, weights=weights)
    assert found == sorted(brute_force(sources, keys, mode, min_size=min_size, cap=cap))


@settings(max_examples=5, deadline=None)
@given(table=tables, cut=st.integers(1, 13), keys=strategy_sets, cap=caps)
def test_deduplicating_is_link_and_dedupe_of_the_table_cut_in_two(
    table: list[Person], cut: int, keys: list[str | tuple[str, ...]], cap: int | None
) -> None:
    cut_in_two = [table[:cut], table[cut:]]
    assert make_pairs([table], keys, "dedupe", cap=cap, columns="*") == make_pairs(
        cut_in_two, keys, "link_and_dedupe", cap=cap, columns="*"
    )


@settings(max_examples=5, deadline=None)
@given(table=tables, keys=strategy_sets)
def test_deduplicating_is_linking_a_table_with_itself(
    table: list[Person], keys: list[str | tuple[str, ...]]
) -> None:
    n = len(table)
    linked = make_pairs([table, table], keys, "link")
    folded = {
        (min(left, right - n), max(left, right - n), mask)
        for left, right, mask in linked
        if left != right - n
    }
    assert sorted(folded) == make_pairs([table], keys, "dedupe")


CROWD = [
    Person(first, last, words)
    for first in ("ann", "bo", None)
    for last in ("lee", "li", "may", None)
    for words in ("x y", "y z", "xy", None)
]
ALL_KEYS = list(MEANINGS)


@pytest.mark.parametrize("sources", [[CROWD], [CROWD[:20], CROWD[20:]]])
def test_ranges_and_threads_do_not_change_the_pairs(sources: list[list[Person]]) -> None:
    mode = "dedupe" if len(sources) == 1 else "link"
    whole = make_pairs(sources, ALL_KEYS, mode, columns="*")
    assert len(whole) > 200
    assert make_pairs(sources, ALL_KEYS, mode, columns="*", per_range=50) == whole
    assert make_pairs(sources, ALL_KEYS, mode, columns="*", threads=1) == whole


def test_a_small_range_cuts_the_left_records_into_many(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = dataset(
        [{"id": str(i), "name": "lee", "words": "x y"} for i in range(1, 7)],
        strategies={"same_name": "name", "same_word": "tokens(words)"},
    )
    people.pair()
    whole = people.rows("unified_pairs")
    assert len(list(people.lake.path("unified_pairs").glob("*.parquet"))) == 2
    monkeypatch.setattr(unified_pairs, "LISTED_PAIRS_PER_RANGE", 5)
    people.pair()
    assert len(list(people.lake.path("unified_pairs").glob("*.parquet"))) > 4
    assert people.rows("unified_pairs") == whole


def test_a_pair_of_two_strategies_comes_out_once_with_both(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        [
            {"id": "a", "last": "smith", "first": "ann"},
            {"id": "b", "last": "smith", "first": "ann"},
            {"id": "c", "last": "smith", "first": None},
        ],
        strategies={"same_last": "last", "same_first": "first"},
    )
    facts = people.pair()
    pairs = people.rows("unified_pairs", "left_no, right_no, strategy_mask")
    assert pairs == [(0, 1, 3), (0, 2, 1), (1, 2, 1)]
    assert facts["pairs"] == 3
    assert facts["proposed_pairs"] == {"same_last": 3, "same_first": 1}
    assert facts["pairs_of_one_strategy_only"] == {"same_last": 2, "same_first": 0}
    assert facts["shared_pairs"] == [[3, 1], [1, 1]]


def test_the_left_record_is_of_the_first_source_when_linking(
    dataset: Callable[..., Dataset],
) -> None:
    left: Rows = [{"id": "z", "name": "lee"}]
    right: Rows = [{"id": "a", "name": "lee"}, {"id": "b", "name": "lee"}]
    both = dataset(left, right, strategies={"name": "name"})
    both.pair()
    assert both.rows("unified_pairs", "left_no, right_no") == [(0, 1), (0, 2)]
    assert both.rows("cleaned_records", "record_no, record_id") == [(0, "z"), (1, "a"), (2, "b")]


def test_a_strategy_may_be_called_listed_beside_a_many_valued_one(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        [{"id": "a", "x": "p", "y": "q"}, {"id": "b", "x": "p", "y": "r"}],
        strategies={"listed": "x", "many": "tokens(y)"},
    )
    people.pair()
    assert people.rows("unified_pairs", "left_no, right_no, strategy_mask") == [(0, 1, 1)]


def test_the_highest_bits_of_the_mask_are_right(engine: DuckDBEngine) -> None:
    engine.make_table(
        "coded_records",
        "select * from (values (0, 0, 7, 5, 3), (1, 0, 7, 5, 3), (2, 0, 7, -3, 3))"
        " as t(record_no, source_no, block_0, block_1, block_2)",
    )
    layout = unified_pairs.MaskLayout(((29, "a"), (30, "b"), (59, "c")), ())
    unified_pairs._sort_by_block(engine, 0, layout)
    assert sorted(engine.rows(unified_pairs._single_pairs_sql(0, layout, "dedupe"))) == [
        (0, 1, 1 << 29 | 1 << 30 | 1 << 59),
        (0, 2, 1 << 29 | 1 << 59),
        (1, 2, 1 << 29 | 1 << 59),
    ]


def test_no_shared_key_makes_an_empty_table(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        [{"id": "a", "x": "p", "y": None}, {"id": "b", "x": "q", "y": "r"}],
        strategies={"x": "x", "y": "tokens(y)"},
    )
    assert people.pair()["pairs"] == 0
    assert people.rows("unified_pairs") == []


def test_blocks_of_other_records_are_refused(dataset: Callable[..., Dataset]) -> None:
    rows: Rows = [{"id": "a", "x": "p"}, {"id": "b", "x": "p"}]
    people = dataset(rows, strategies={"x": "x"})
    people.pair()
    write_csv(people.folder / "people.csv", [*rows, {"id": "0", "x": "p"}])
    people.clean()
    with (
        DuckDBEngine(threads=2) as engine,
        pytest.raises(LakeError, match="filtered_blocks was made from an older cleaned_records"),
    ):
        unify_pairs(engine, people.lake, people.spec)
    assert people.rows("unified_pairs", "left_no, right_no") == [(0, 1)]


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
def test_every_join_is_a_hash_join(engine: DuckDBEngine, mode: str, weighed: bool) -> None:
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
    engine.execute("create view listed_blocks as select * from filtered_blocks")
    engine.make_table(
        "embedding_blocks",
        "select i::int as left_no, (i + 1)::int as right_no, 0.5::float as similarity"
        " from range(1999) as t(i)",
    )
    ready = (
        "select left_no, right_no, 32::bigint as strategy_mask, similarity from embedding_blocks"
    )
    field = FieldEvidence("name", (0, 1), (0.1, 0.8, 0.1), ((), ()))
    layout = unified_pairs.MaskLayout(
        single=((0, "a"), (1, "b"), (2, "c")),
        listed=((3, "x"), (4, "y")),
        ready=(ready,),
        has_similarity=True,
        weights=PairWeights((field,), 2000, 8.0) if weighed else None,
    )
    unified_pairs._lay_out_codes(engine, layout)
    queries = []
    for i in range(3):
        unified_pairs._sort_by_block(engine, i, layout)
        queries.append(unified_pairs._single_pairs_sql(i, layout, mode))
        queries.append(unified_pairs._single_pairs_sql(i, layout, mode, "l.record_no < 9"))
    listed_sql = unified_pairs._listed_pairs_sql(layout, mode, 0, 900)
    engine.make_table("listed_pairs", listed_sql)
    queries.append(listed_sql)
    queries.append(unified_pairs._only_listed_sql(layout, ", x.similarity"))
    for sql in queries:
        assert_only_hash_joins(engine, sql)


def assert_only_hash_joins(engine: DuckDBEngine, sql: str) -> None:
    ((_, plan),) = engine.rows(f"explain (format json) {sql}")
    joins = [name.strip() for name in joins_of(json.loads(plan))]
    assert joins
    assert set(joins) == {"HASH_JOIN"}, sql
