import math

import numpy as np
import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching import likely_pairs
from er_pipeline.matching.likely_pairs import LikelyPairs, least_weight
from er_pipeline.matching.pair_bounds import PairBounds
from er_pipeline_tests.model_by_hand import BY_HAND


def test_the_least_weight_is_that_of_the_probability_however_small() -> None:
    assert [least_weight(p) for p in (0.5, 64 / 65, 1 / 65)] == pytest.approx([0, 6, -6])
    assert least_weight(2**-100) == pytest.approx(-100)
    assert least_weight(0) == -math.inf
    # A weight of 53 gives a probability of 1.0, as 64 bits have it.
    assert 40 < least_weight(1) < 53


@pytest.mark.parametrize("batch", [3, 1000])
@pytest.mark.parametrize("is_bounded", [True, False])
def test_slices_hold_every_likely_pair_once(
    batch: int, is_bounded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likely_pairs, "PAIRS_PER_BATCH", batch)
    monkeypatch.setattr(likely_pairs, "PAIRS_PER_SLICE", 20)
    with DuckDBEngine(threads=2) as engine:
        engine.execute(
            "create table records as select cast(i as integer) as record_no,"
            " chr(cast(97 + i % 5 as integer)) as name, 'bath' as town from range(40) as t(i)"
        )
        engine.execute(
            "create table pairs as select l.record_no as left_no, r.record_no as right_no"
            " from records as l join records as r on l.record_no < r.record_no"
        )
        engine.execute("create table frequencies (field varchar, value varchar, frequency double)")
        bounds = PairBounds(engine, BY_HAND, "records", "frequencies", 5.0)
        likely = LikelyPairs(engine, "pairs", bounds if is_bounded else None)
        slices = list(likely.slices())
    left, right = (np.concatenate(side) for side in zip(*slices, strict=True))
    pairs = list(zip(left.tolist(), right.tolist(), strict=True))
    expected = {
        (one, two)
        for one in range(40)
        for two in range(one + 1, 40)
        if one % 5 == two % 5 or not is_bounded
    }
    assert len(pairs) == len(set(pairs)) == likely.kept
    assert set(pairs) == expected
    assert likely.seen == 40 * 39 / 2
    assert len(slices) > 1 or batch > 20
