from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation.match_quality import judge_quality, measure_matches, quality_figures
from er_pipeline_tests.test_contested_matches import SOURCES
from er_pipeline_tests.test_entities import spec_with

Scores = Mapping[tuple[int, int], float]


def measured(
    lake: Lake,
    scores: Scores,
    true: set[tuple[int, int]],
    threshold: float,
    one_to_one: bool = False,
) -> Any:
    """Measure; records 0 to 3 are of one source, those from 4 on of another."""
    with DuckDBEngine(threads=2) as engine:
        engine.execute("create table m (l integer, r integer, p double)")
        engine.execute("create table t (l integer, r integer)")
        for (left, right), probability in scores.items():
            engine.execute("insert into m values (?, ?, ?)", [left, right, probability])
        for left, right in true:
            engine.execute("insert into t values (?, ?)", [left, right])
        with lake.writing("cleaned_records") as draft:
            engine.write(
                "select i::integer as record_no, (i > 3)::integer as source_no"
                " from range(8) as r(i)",
                draft.file(),
            )
        with lake.writing("matches") as draft:
            engine.write(
                "select l as left_no, r as right_no, p as match_probability,"
                " log2(p / (1 - p))::float as match_weight from m",
                draft.file(),
            )
        with lake.writing("true_pairs") as draft:
            engine.write("select l as left_no, r as right_no from t", draft.file())
    with DuckDBEngine(threads=2) as engine:
        matching = {"threshold": threshold, "one_to_one": one_to_one}
        return measure_matches(engine, lake, spec_with(matching=matching, sources=SOURCES))


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

    assert facts["at_best"]["matches"] == 4


def test_one_to_one_only_the_best_links_count_whatever_the_threshold(tmp_path: Path) -> None:
    # 0-4 is the best of both; so 0-5 and 1-4 are none, and 1-5 is, though it is the least.
    scores = {(0, 4): 0.9, (0, 5): 0.8, (1, 4): 0.7, (1, 5): 0.3, (2, 6): 0.6}
    lake = Lake(tmp_path, "people")
    facts = measured(lake, scores, {(0, 4), (1, 5), (3, 7)}, 0.5, one_to_one=True)
    found = {row["threshold"]: (row["matches"], row["true_matches"]) for row in facts["thresholds"]}
    assert [found[at] for at in (0.9, 0.7, 0.6, 0.5, 0.3, 0.01)] == [
        *[(1, 1), (1, 1), (2, 1), (2, 1), (3, 2), (3, 2)]
    ]
    assert facts["at_threshold"]["matches"] == 2


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


@pytest.mark.parametrize(
    ("n_true_low", "passed", "said"),
    [
        (95, True, "97.50% of 200 matches (of at least 0.5) are true pairs (at least 95.0%"),
        (
            40,
            False,
            "The best threshold is 0.9, of precision 100.00%, recall 71.43% (now 100.00%)",
        ),
    ],
)
def test_known_wrong_matches_warn_with_the_threshold_that_parts_them(
    tmp_path: Path, n_true_low: int, passed: bool, said: str
) -> None:
    scores = {(i, i + 1): 0.9 if i < 100 else 0.6 for i in range(200)}
    true = {(i, i + 1) for i in range(100 + n_true_low)}
    facts = measured(Lake(tmp_path, "people"), scores, true, 0.5)
    verdict, of_levels = judge_quality(facts, spec_with())
    assert (verdict.check, verdict.passed, verdict.severity) == (
        "most_matches_are_true",
        passed,
        "warn",
    )
    assert said in verdict.text
    assert (of_levels.check, of_levels.passed) == ("near_values_mean_a_match", True)


def test_where_no_threshold_is_better_something_else_is_proposed(tmp_path: Path) -> None:
    scores = {(i, i + 1): 0.9 for i in range(100)}
    facts = measured(Lake(tmp_path, "people"), scores, {(i, i + 1) for i in range(50)}, 0.5)
    verdict, _ = judge_quality(facts, spec_with())
    assert "No higher threshold parts them" in verdict.text


def test_the_proposed_threshold_is_never_above_a_match_of_it(tmp_path: Path) -> None:
    least = 0.99997812
    scores = {(i, i + 1): least if i < 100 else 0.96 for i in range(200)}
    true = {(i, i + 1) for i in range(100)}
    facts = measured(Lake(tmp_path, "people"), scores, true, 0.95)
    verdict, _ = judge_quality(facts, spec_with())
    assert verdict.text.endswith("Write matching: threshold: 0.999978.")


def test_where_the_best_threshold_is_not_precise_enough_one_that_is_stands_beside_it(
    tmp_path: Path,
) -> None:
    # Of 100 at 0.95 all are true, of 100 at 0.7 80, of 100 at 0.3 none.
    scores = {(i, i + 1): (0.95, 0.7, 0.3)[i // 100] for i in range(300)}
    facts = measured(Lake(tmp_path, "people"), scores, {(i, i + 1) for i in range(180)}, 0.2)
    verdict, _ = judge_quality(facts, spec_with())
    assert "The best threshold is 0.7, of precision 90.00%" in verdict.text
    assert "; 0.8 is precise enough: precision 100.00%, recall 55.56%" in verdict.text
    assert verdict.text.endswith("Write matching: threshold: 0.7.")
