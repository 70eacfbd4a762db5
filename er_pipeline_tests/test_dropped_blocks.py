from collections.abc import Callable

import pytest

from er_pipeline.blocking.blocks.dropped_blocks import dropped_table
from er_pipeline.blocking.blocks.filtered_blocks import filter_blocks
from er_pipeline.blocking.labels.labels import Label, RecordName, journal_of
from er_pipeline.blocking.tables.contract import judge_contract
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline_tests.conftest import Dataset, write_csv
from er_pipeline_tests.test_refined_blocks import YORK, refine


def judge(people: Dataset, *answers: tuple[int, int, str]) -> None:
    """Write labels: left id, right id, answer."""
    name = people.spec.source_labels[0]
    labels = [
        Label(
            RecordName(name, str(left)),
            RecordName(name, str(right)),
            answer,
            "me",
            str(i),
            "human",
            "audit",
        )
        for i, (left, right, answer) in enumerate(answers)
    ]
    journal_of(people.spec).append(labels)


def test_a_dropped_block_says_how_many_known_matches_it_cost(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        YORK, strategies={"city": "city", "last": "last"}, blocks=refine(3, "first"), labels={}
    )
    judge(
        people,
        *((1, 2, "match"), (3, 4, "match"), (1, 5, "match"), (2, 3, "match")),
        *((7, 8, "match"), (2, 7, "match"), (1, 6, "no_match"), (2, 6, "unsure")),
    )
    people.filter()
    assert people.rows("dropped_blocks", "strategy, block_key, reason, matches_lost") == [
        # Lost are 1-2 and 1-5 (too many anns) and 2-3 (parted): 3-4 and 7-8 are compared.
        ("city", "york", "refined", 3.0),
        ("city", "york > ann", "oversized", 2.0),
        ("last", "lee", "refined", 3.0),  # 1-2, 2-3 and 2-7
        ("last", "lee > ann", "oversized", 2.0),
        ("last", "may", "below_min_size", 0.0),
    ]
    with DuckDBEngine(threads=2) as engine:
        verdict = judge_contract(engine, people.lake, [dropped_table(people.spec)])
    assert verdict.passed, verdict.text


def test_learned_rules_say_what_their_dropped_blocks_cost_and_what_they_find(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        YORK,
        strategies={"first": "first"},
        learning={"pin": ["city", ["last", "first", "city"]], "max_rules": 2},
        blocks={"max_size": 3},
        labels={},
    )
    judge(people, (1, 3, "match"), (1, 2, "match"), (7, 8, "match"))
    people.filter()
    assert people.rows("dropped_blocks", "strategy, block_key, matches_lost") == [
        ("city", "york", 1.0),  # 1-3: the other rule finds 1-2 and 7-8
        ("first", "ann", 0.0),
    ]


def test_without_labels_nothing_is_said_of_matches(dataset: Callable[..., Dataset]) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks={"max_size": 3})
    people.filter()
    assert people.rows("dropped_blocks", "matches_lost") == [(None,)]
    with DuckDBEngine(threads=2) as engine:
        verdict = judge_contract(engine, people.lake, [dropped_table(people.spec)])
    assert verdict.passed, verdict.text


def test_labels_of_other_records_are_refused(dataset: Callable[..., Dataset]) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks={"max_size": 3}, labels={})
    judge(people, (1, 2, "match"))
    people.filter()
    write_csv(people.folder / "people.csv", YORK[:5])
    people.clean()
    people.make("blocks_city")
    with (
        DuckDBEngine(threads=2) as engine,
        pytest.raises(LakeError, match="labels was made from an older cleaned_records"),
    ):
        filter_blocks(engine, people.lake, people.spec)
    people.make("labels")
    with DuckDBEngine(threads=2) as engine:
        filter_blocks(engine, people.lake, people.spec)
    assert people.rows("dropped_blocks", "block_key, matches_lost") == [("york", 1.0)]


def test_the_blocks_of_most_pairs_come_first_in_the_order_of_strategies_and_keys(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(YORK, strategies={"last": "last", "city": "city"}, blocks={"max_size": 2})
    people.filter()
    with DuckDBEngine(threads=2) as engine:
        people.lake.open(engine, "dropped_blocks")
        rows = engine.rows("select -pairs, strategy, block_key from dropped_blocks")
    assert rows == sorted(rows)
    assert {strategy for pairs, strategy, _ in rows if pairs == 0} == {"last"}
    assert any(pairs < 0 for pairs, _, _ in rows)
