import tempfile
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.blocks.blocks import build_blocks
from er_pipeline.blocking.blocks.filtered_blocks import filter_blocks
from er_pipeline.blocking.pairs import pair_queries
from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.records.key_codes import index_keys
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_weights import weigh_pairs
from er_pipeline_tests.conftest import Dataset, Rows, put_records, write_csv


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
    with (
        tempfile.TemporaryDirectory() as folder,
        DuckDBEngine(threads=threads) as engine,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(pair_queries, "LISTED_PAIRS_PER_RANGE", per_range)
        lake = Lake(Path(folder), "people")
        rows = [[person._asdict() for person in source] for source in sources]
        put_records(engine, lake, spec, rows)
        for strategy in spec.strategy_conjunctions:
            build_blocks(engine, lake, strategy, spec)
        filter_blocks(engine, lake, spec)
        if weights:
            index_keys(engine, lake, spec)
            weigh_pairs(engine, lake, spec)
        facts = unify_pairs(engine, lake, spec)
        lake.open(engine, "unified_pairs")
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
    monkeypatch.setattr(pair_queries, "LISTED_PAIRS_PER_RANGE", 5)
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
