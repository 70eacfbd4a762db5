from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.matching.entities import join_matches
from er_pipeline.matching.entity_facts import entities_facts
from er_pipeline.matching.entity_verdicts import judge_entities

Scores = Mapping[tuple[int, int], float]


def spec_with(**settings: Any) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": [{"path": "people.csv"}],
            "fields": {"name": "text"},
            "strategies": {"name": "name"},
            "training_rules": {"name": "name"},
            "matching": {"threshold": 0.9},
            **settings,
        }
    )


def joined(
    lake: Lake, n_records: int, scores: Scores, spec: PipelineSpec
) -> tuple[dict[int, int], dict[str, Any]]:
    """Join so many records by scored pairs; give entity_no by record_no, and the facts."""
    with DuckDBEngine(threads=2) as engine:
        engine.execute("create table m (l integer, r integer, p double)")
        for (left, right), probability in scores.items():
            engine.execute("insert into m values (?, ?, ?)", [left, right, probability])
        with lake.writing("cleaned_records") as draft:
            engine.write(
                "select cast(range as integer) as record_no, 'r' || range as record_id,"
                f" 'people' as source from range({n_records})",
                draft.file(),
            )
        with lake.writing("matches") as draft:
            engine.write(
                "select l as left_no, r as right_no, p as match_probability,"
                " log2(p / (1 - least(p, 0.999999)))::float as match_weight from m",
                draft.file(),
            )
    with DuckDBEngine(threads=2) as engine:
        made = join_matches(engine, lake, spec)
    with DuckDBEngine(threads=2) as engine:
        lake.open(engine, "entities")
        rows = engine.rows("select record_no, entity_no from entities")
    assert len(rows) == n_records
    return dict(rows), made


def by_union_find(n_records: int, matches: Sequence[tuple[int, int]]) -> dict[int, int]:
    parent = list(range(n_records))

    def root(no: int) -> int:
        while parent[no] != no:
            no = parent[no]
        return no

    for left, right in matches:
        low, high = sorted((root(left), root(right)))
        parent[high] = low
    return {no: root(no) for no in range(n_records)}


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.dictionaries(
                st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(
                    lambda pair: pair[0] < pair[1]
                ),
                st.sampled_from([0.2, 0.8999, 0.9, 1.0]),
                max_size=30,
            ),
        )
    )
)
def test_entities_are_those_of_union_find(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[int, dict[tuple[int, int], float]]
) -> None:
    n_records, scores = drawn
    lake = Lake(tmp_path_factory.mktemp("lake"), "people")
    entity_of, facts = joined(lake, n_records, scores, spec_with())
    matches = [pair for pair, probability in scores.items() if probability >= 0.9]
    expected = by_union_find(n_records, matches)
    assert entity_of == expected
    sizes = [list(expected.values()).count(entity) for entity in set(expected.values())]
    assert facts["entities"] == len(sizes)
    assert facts["singletons"] == sizes.count(1)
    assert facts["largest_entity"] == max(sizes)
    assert facts["matches"] == len(matches)
    assert facts["records"] == n_records
    assert facts["pairs_joined"] == sum(size * (size - 1) // 2 for size in sizes)
    assert sum(facts["sizes"].values()) == len(sizes)


def test_a_long_chain_is_one_entity_and_giant_ones_stop_the_run(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "people")
    # In an order that no pass from either end follows.
    chain = {(no, no + 1): 0.99 for no in sorted(range(120), key=lambda no: no * 37 % 120)}
    spec = spec_with(checks={"max_entity_size": 120})
    entity_of, facts = joined(lake, 125, chain, spec)
    assert entity_of == {**dict.fromkeys(range(121), 0), 121: 121, 122: 122, 123: 123, 124: 124}
    assert facts["sizes"] == {
        "1": 4,
        "2": 0,
        "3": 0,
        "4-5": 0,
        "6-10": 0,
        "11-100": 0,
        "over 100": 1,
    }
    with DuckDBEngine(threads=2) as engine:
        verdicts = {v.check: v for v in judge_entities(engine, lake, spec, entities_facts(lake))}
    assert verdicts["every_record_in_one_entity"].passed
    giant = verdicts["no_entity_is_giant"]
    assert (giant.passed, giant.severity) == (False, "error")
    assert giant.numbers == {"largest_entity": 121, "max_entity_size": 120}
    with DuckDBEngine(threads=2) as engine:
        enough = spec_with(checks={"max_entity_size": 121})
        assert all(
            verdict.passed for verdict in judge_entities(engine, lake, enough, entities_facts(lake))
        )


def test_a_giant_entity_shows_the_links_it_hangs_on_weakest_first(tmp_path: Path) -> None:
    # Two triangles of sure matches; 2 and 3 alone join them.
    scores = {(0, 1): 1.0, (0, 2): 0.99, (1, 2): 1.0, (3, 4): 1.0, (3, 5): 1.0, (4, 5): 0.98}
    lake, spec = Lake(tmp_path, "people"), spec_with(checks={"max_entity_size": 5})
    _, facts = joined(lake, 7, {**scores, (2, 3): 0.91}, spec)
    first, *others = facts["weakest_links"]
    assert first == {
        "left": "r2",
        "right": "r3",
        "match_probability": 0.91,
        "records_left": 3,
        "records_right": 3,
    }
    assert len(others) == 4
    with DuckDBEngine(threads=2) as engine:
        verdicts = {v.check: v for v in judge_entities(engine, lake, spec, entities_facts(lake))}
    giant = verdicts["no_entity_is_giant"]
    assert not giant.passed
    assert "Weakest link first, it hangs on r2 and r3 (0.91, joins 3 and 3 records); " in giant.text
    assert "Raise matching: threshold, or" in giant.text


def test_no_threshold_is_advised_where_the_model_is_sure_of_every_link(tmp_path: Path) -> None:
    lake, spec = Lake(tmp_path, "people"), spec_with(checks={"max_entity_size": 2})
    joined(lake, 3, {(0, 1): 1.0, (1, 2): 0.999999}, spec)
    with DuckDBEngine(threads=2) as engine:
        verdicts = {v.check: v for v in judge_entities(engine, lake, spec, entities_facts(lake))}
    assert "no threshold parts them" in verdicts["no_entity_is_giant"].text


def test_without_a_match_everyone_is_alone(tmp_path: Path) -> None:
    entity_of, facts = joined(Lake(tmp_path, "people"), 3, {(0, 1): 0.5}, spec_with())
    assert entity_of == {0: 0, 1: 1, 2: 2}
    assert (facts["entities"], facts["singletons"], facts["largest_entity"]) == (3, 3, 1)


def test_a_record_that_is_missing_is_found(tmp_path: Path) -> None:
    lake, spec = Lake(tmp_path, "people"), spec_with()
    joined(lake, 3, {}, spec)
    facts = entities_facts(lake)
    with DuckDBEngine(threads=2) as engine:
        with lake.writing("entities") as draft:
            engine.write(
                "select 0 as record_no, 0 as entity_no, 1 as entity_id from range(3)", draft.file()
            )
        verdicts = {v.check: v for v in judge_entities(engine, lake, spec, facts)}
    assert not verdicts["every_record_in_one_entity"].passed
    assert verdicts["every_record_in_one_entity"].numbers == {
        "records": 3,
        "rows": 3,
        "records_in_entities": 1,
    }
