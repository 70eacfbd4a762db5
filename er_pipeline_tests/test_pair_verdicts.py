from collections.abc import Callable

import pytest

from er_pipeline.blocking.pairs.pair_verdicts import judge_pairs
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline_tests.conftest import Dataset, Rows

TWO: Rows = [
    {"id": "1", "last": "lee", "city": "york"},
    {"id": "2", "last": "lee", "city": "york"},
]


def judge_written(people: Dataset, pairs: str) -> dict[str, Verdict]:
    """Put other pairs in the place of unified_pairs and judge them."""
    facts = people.lake.facts("unified_pairs")
    with DuckDBEngine(threads=2) as engine:
        with people.lake.writing("unified_pairs", facts) as draft:
            engine.write(
                "select l::int as left_no, r::int as right_no, m::bigint as strategy_mask"
                f" from (values {pairs}) as t(l, r, m)",
                draft.file(),
            )
        return {v.check: v for v in judge_pairs(engine, people.lake, people.spec)}


@pytest.mark.parametrize(
    ("pairs", "broken"),
    [
        ("(0, 2, 1), (1, 3, 1)", []),
        ("(0, 2, 1), (0, 2, 1)", ["every_pair_once"]),
        ("(2, 0, 1)", ["every_pair_canonical"]),
        ("(1, 1, 1)", ["every_pair_canonical"]),
        ("(0, 1, 1)", ["every_pair_canonical"]),  # both of the first source
        ("(0, 4, 1)", ["every_id_exists"]),
        ("(-1, 3, 1)", ["every_id_exists"]),
        ("(0, 2, 0)", ["every_id_exists"]),  # no strategy proposed it
    ],
)
def test_pairs_are_once_canonical_and_of_known_records(
    dataset: Callable[..., Dataset], pairs: str, broken: list[str]
) -> None:
    both = dataset(TWO, TWO, strategies={"last": "last"})
    both.pair()
    verdicts = judge_written(both, pairs)
    assert [name for name, verdict in verdicts.items() if not verdict.passed] == broken


def test_a_record_is_no_pair_with_itself(dataset: Callable[..., Dataset]) -> None:
    people = dataset(TWO, strategies={"last": "last"})
    people.pair()
    assert not judge_written(people, "(1, 1, 1)")["every_pair_canonical"].passed
    assert judge_written(people, "(0, 1, 1)")["every_pair_canonical"].passed
