import numpy as np
import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.score_bounds import ScoreBounds
from er_pipeline.matching.level_conditions import prior_weight, read_comparisons, weight_of
from er_pipeline_tests.model_by_hand import BY_HAND


def test_levels_are_read_as_splink_writes_them() -> None:
    (name, _) = read_comparisons(BY_HAND)
    assert name.columns == ("name",)
    assert [level.weight for level in name.levels] == pytest.approx([0, 6, -2])
    with pytest.raises(ValueError, match="must begin with missing values and end with ELSE"):
        read_comparisons({"comparisons": [{"comparison_levels": [{"sql_condition": "ELSE"}]}]})


def test_the_prior_and_probabilities_are_weighed_in_bits() -> None:
    assert prior_weight(BY_HAND) == pytest.approx(-4)
    assert [weight_of(p) for p in (0.5, 64 / 65, 1 / 65)] == pytest.approx([0, 6, -6])
    # What is certain weighs much, but not without end.
    assert -50 < weight_of(0.0) < -49
    assert 49 < weight_of(1.0) < 50


@pytest.mark.parametrize("weight", [-8.0, -6.0, 0.0, 2.5, 6.0])
def test_no_pair_that_reaches_the_weight_is_ruled_out(weight: float) -> None:
    # Every combination of four names and three towns, each of them missing once, many twice.
    rows = [
        (name, town)
        for name in ("ann", "bob", "cy", None)
        for town in ("bath", "york", None)
        for _ in range(2 if name == "ann" else 1)
    ]
    with DuckDBEngine(threads=2) as engine:
        engine.execute("create table records (record_no integer, name varchar, town varchar)")
        for no, row in enumerate(rows):
            engine.execute("insert into records values (?, ?, ?)", [no, *row])
        bounds = ScoreBounds(engine, BY_HAND, "records")
        sampled = np.array([0, 3, 7, len(rows) - 1])
        record, other, n_compared = bounds.at_least(sampled, weight)
        among = np.arange(len(rows)) < 4
        _, of_few, n_of_few = bounds.at_least(sampled, weight, among=among)

    def weigh(one: int, two: int) -> float:
        total = -4.0
        for left, right, bits in zip(rows[one], rows[two], (6, 4), strict=True):
            if left is not None and right is not None:
                total += bits if left == right else -2
        return total

    expected = {
        (int(one), two)
        for one in sampled
        for two in range(len(rows))
        if one != two and weigh(int(one), two) >= weight
    }
    # Without frequencies and with exact levels alone a bound is the weight itself.
    assert set(zip(record.tolist(), other.tolist(), strict=True)) == expected
    assert n_compared.sum() >= len(expected)
    assert sorted(of_few.tolist()) == sorted(two for _, two in expected if two < 4)
    assert (n_of_few <= n_compared).all()
