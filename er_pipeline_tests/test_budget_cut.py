"""A cut without sorting keeps the very pairs that sorting would, on every engine."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from er_pipeline.blocking.pairs import budget_cut
from er_pipeline.blocking.pairs.budget_cut import cut_of, is_best
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.small_spec import small_spec
from er_pipeline_tests.two_engines import SAIL, need_sail


@pytest.fixture(params=["duckdb", "sail"], scope="module")
def either(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    if request.param == "duckdb":
        with DuckDBEngine(2) as engine:
            yield engine
        return
    need_sail()
    from er_pipeline.blocking.tables.engine_spark import SparkEngine

    with SparkEngine(SAIL, tmp_path_factory.mktemp("scratch"), 1) as engine:
        yield engine


def drawn_pairs(n_pairs: int, n_weights: int, seed: int = 7) -> list[tuple[int, int, float]]:
    """Draw distinct pairs of some hundred records; half of them are of one left record."""
    rng = np.random.default_rng(seed)
    left = np.where(rng.random(4 * n_pairs) < 0.5, 3, rng.integers(0, 60, 4 * n_pairs))
    drawn = np.stack([left, left + rng.integers(1, 300, len(left))], axis=1)
    pairs = sorted({(int(a), int(b)) for a, b in drawn})
    kept = [pairs[i] for i in rng.permutation(len(pairs))[:n_pairs]]
    weights = np.round(rng.normal(size=n_weights), 4).astype(np.float32)
    return [(a, b, float(weights[rng.integers(n_weights)])) for a, b in kept]


def put(engine: Engine, pairs: list[tuple[int, int, float]], name: str = "weighed_pairs") -> None:
    left, right, weight = zip(*pairs, strict=True)
    own = np.array(weight, np.float32)
    engine.put(
        name,
        {
            "left_no": np.array(left, np.int32),
            "right_no": np.array(right, np.int32),
            "own": own,
            "weight": own,
        },
    )


@pytest.mark.parametrize("n_weights", [1, 3, 40])
@pytest.mark.parametrize("n_kept", [1, 57, 150, 299, 300])
def test_the_heaviest_stay_and_of_equal_ones_the_lower_numbers(
    either: Engine, n_weights: int, n_kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget_cut, "RECORDS_PER_PART", 7)
    pairs = drawn_pairs(300, n_weights)
    put(either, pairs)
    best = is_best(either, "weighed_pairs", n_kept)
    found = either.rows(f"select p.left_no, p.right_no from weighed_pairs as p where {best}")
    wanted = sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))[:n_kept]
    assert sorted(found) == sorted(pair[:2] for pair in wanted)


@pytest.mark.parametrize("n_kept", [5, 20, 40, 60, 100])
def test_where_the_floor_is_too_much_the_best_of_both_sides_come_first(
    either: Engine, n_kept: int
) -> None:
    pairs = drawn_pairs(120, 3)
    put(either, pairs)
    spec = small_spec(budget={"max_pairs": n_kept, "floor_per_record": 1})
    cut = cut_of(either, spec, len(pairs), n_kept)
    found = either.rows(
        f"select p.left_no, p.right_no, {cut.condition} as is_kept"
        f" from weighed_pairs as p{cut.joins}"
    )
    assert {is_kept for *_, is_kept in found} == {True, False}, "never NULL"
    sides = dict.fromkeys([pair[:2] for pair in pairs], 0)
    order = sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))
    for record in {no for pair in pairs for no in pair[:2]}:
        sides[next(pair[:2] for pair in order if record in pair[:2])] += 1
    ranked = sorted(order, key=lambda pair: -sides[pair[:2]])[:n_kept]
    if sum(map(bool, sides.values())) < n_kept:  # beyond the floor the heaviest follow
        ranked = sorted(order, key=lambda pair: not sides[pair[:2]])[:n_kept]
    assert sorted((left, right) for left, right, is_kept in found if is_kept) == sorted(
        pair[:2] for pair in ranked
    )


def noting(call: Callable[..., Any], sent: list[str]) -> Callable[..., Any]:
    def noted(*given: Any) -> Any:
        sent.append(given[-1])
        return call(*given)

    return noted


def test_no_statement_sorts_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    with DuckDBEngine(1) as engine:
        put(engine, drawn_pairs(200, 2))
        for method in ("make_table", "make_view", "row"):
            monkeypatch.setattr(engine, method, noting(getattr(engine, method), sent))
        is_best(engine, "weighed_pairs", 90)
    assert len(sent) == 6
    assert not any(" limit " in sql for sql in sent)
    # What is put in order has been counted before, but for the pairs of one record.
    ordered = [sql for sql in sent if "order by" in sql]
    assert all("group by" in sql or "left_no = " in sql or "tied_lefts" in sql for sql in ordered)
