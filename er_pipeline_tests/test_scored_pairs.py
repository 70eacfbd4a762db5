from collections.abc import Callable

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching import scored_pairs
from er_pipeline.matching.scored_pairs import number_compared, score_table
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.model_by_hand import BY_HAND, RECORDS

PAIRS = "(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)"


def scored(data: Dataset, pairs: str, least: float) -> tuple[int, dict[tuple[int, int], float]]:
    """Score pairs of the records; return how many were scored, and those of enough."""
    with DuckDBEngine(threads=2) as engine:
        data.lake.open(engine, "cleaned_records")
        number_compared(engine, data.spec, "compared")
        engine.make_table("a_few", f"select * from (values {pairs}) as t(left_no, right_no)")
        n = score_table(engine, BY_HAND, "compared", "a_few", "scored", min_probability=least)
        rows = engine.rows("select left_no, right_no, match_probability from scored")
    assert len({row[:2] for row in rows}) == len(rows)
    return n, {(left, right): probability for left, right, probability in rows}


def test_every_pair_is_scored_once_and_unlikely_ones_are_left_out(
    dataset: Callable[..., Dataset],
) -> None:
    data = dataset(RECORDS, strategies={"name": "name"})
    data.clean()
    n, found = scored(data, f"{PAIRS}, (0, 1)", 0.0)
    assert n == 5
    assert found == pytest.approx(
        {(0, 1): 64 / 65, (0, 2): 1 / 2, (0, 3): 1 / 65, (1, 3): 1 / 65, (2, 3): 1 / 2}
    )
    n, likely = scored(data, PAIRS, 0.1)
    assert n == 5
    assert set(likely) == {(0, 1), (0, 2), (2, 3)}


def test_slices_of_any_size_give_the_same_scores(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset(RECORDS, strategies={"name": "name"})
    data.clean()
    whole = scored(data, PAIRS, 0.0)
    monkeypatch.setattr(scored_pairs, "PAIRS_PER_SLICE", 2)
    assert scored(data, PAIRS, 0.0) == whole
