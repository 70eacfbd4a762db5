from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation.match_quality import measure_matches, quality_figures

Scores = Mapping[tuple[int, int], float]


def measured(lake: Lake, scores: Scores, true: set[tuple[int, int]], threshold: float) -> Any:
    with DuckDBEngine(threads=2) as engine:
        engine.execute("create table m (l integer, r integer, p double)")
        engine.execute("create table t (l integer, r integer)")
        for (left, right), probability in scores.items():
            engine.execute("insert into m values (?, ?, ?)", [left, right, probability])
        for left, right in true:
            engine.execute("insert into t values (?, ?)", [left, right])
        with lake.writing("cleaned_records") as draft:
            engine.write("select 0 as record_no", draft.file())
        with lake.writing("matches") as draft:
            engine.write(
                "select l as left_no, r as right_no, p as match_probability from m", draft.file()
            )
        with lake.writing("true_pairs") as draft:
            engine.write("select l as left_no, r as right_no from t", draft.file())
    with DuckDBEngine(threads=2) as engine:
        return measure_matches(engine, lake, threshold=threshold)


SCORES = {(0, 1): 0.99, (2, 3): 0.8, (0, 2): 0.8, (4, 5): 0.4, (1, 3): 0.3}
TRUE = {(0, 1), (2, 3), (4, 5), (6, 7)}


def test_figures_are_those_found_by_hand(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "people")
    facts = measured(lake, SCORES, TRUE, 0.9)
    assert facts["at_threshold"] == {
        "threshold": 0.9,
        "matches": 1,
        "true_matches": 1,
        "precision": 1.0,
        "recall": 0.25,
        "f1": pytest.approx(2 / 5),
    }
    # Four matches, three true of four: 6/8.
    assert (facts["at_best"]["threshold"], facts["at_best"]["f1"]) == (0.4, pytest.approx(0.75))
    assert dict(quality_figures(facts))["best_threshold"] == 0.4


@settings(max_examples=15, deadline=None)
@given(
    scores=st.dictionaries(
        st.tuples(st.integers(0, 3), st.integers(4, 6)),
        st.sampled_from([0.02, 0.3, 0.5, 0.9, 0.9999]),
        max_size=9,
    ),
    true=st.sets(st.tuples(st.integers(0, 3), st.integers(4, 6)), max_size=6),
    threshold=st.sampled_from([0.01, 0.5, 0.85]),
)
def test_the_best_threshold_is_that_of_brute_force(
    scores: Scores, true: set[tuple[int, int]], threshold: float, tmp_path_factory: Any
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"), "people")
    facts = measured(lake, scores, true, threshold)

    def f1(at: float) -> float:
        matches = {pair for pair, p in scores.items() if p >= at}
        return 2 * len(matches & true) / max(1, len(matches) + len(true))

    assert facts["at_threshold"]["f1"] == pytest.approx(f1(threshold))
    assert facts["at_best"]["f1"] == pytest.approx(max([f1(p) for p in scores.values()] or [0]))
