import pytest

from er_pipeline.matching.comparisons import splink_comparisons
from er_pipeline.matching.em_estimates import (
    at_least,
    cautious_m,
    combine,
    filled_comparison,
    u_of_strangers,
    unseen_levels,
)
from er_pipeline.matching.em_sessions import Session
from er_pipeline_tests.small_spec import small_spec


def test_sessions_are_combined_by_the_median_and_nothing_is_left_without_an_m() -> None:
    names = dict.fromkeys("abc", "text")
    spec = small_spec(
        fields=names,
        strategies={"a": "a"},
        training_rules={"rule": "soundex(a)"},
        matching=True,
        comparisons=dict.fromkeys(names, "exact"),
    )
    sessions = [
        Session("one", 100, 0.5, 3, True, {"a": (0.8, 0.2), "b": (1.0, None)}, {}),
        Session("two", 100, 0.5, 3, True, {"a": (0.6, 0.4)}, {}),
        Session("three", 100, 0.5, 3, True, {"a": (0.7, 0.3)}, {}),
    ]
    m, untrained = combine(splink_comparisons(spec), sessions)
    assert m["a"] == pytest.approx([0.7, 0.3])
    assert m["b"] == pytest.approx([1 / 1.01, 0.01 / 1.01])  # half a match of the 50
    assert m["c"] == pytest.approx([0.9, 0.1])
    assert untrained == [
        "b: All other comparisons: no pair of a session is on it",
        "c: no session left it free",
    ]


def test_matches_are_taken_out_of_what_all_pairs_show() -> None:
    # Of a thousand pairs ten are matches, of which nine agree; so do twenty in all.
    u = u_of_strangers([0.02, 0.98], [0.9, 0.1], 0.01)
    assert u == pytest.approx([0.011 / 0.99, 0.979 / 0.99])
    # All that agree seem to be matches, and more: a little is left for chance.
    assert u_of_strangers([0.005, 0.995], [0.9, 0.1], 0.01)[0] == pytest.approx(1e-4, rel=0.02)
    assert at_least([0.0, 0.3], 0.1) == [0.1, 0.3]


def test_a_level_that_no_session_saw_says_no_more_than_the_next() -> None:
    sessions = [
        Session("one", 100, 0.5, 3, True, {"a": (None, 0.8, 0.2)}, {}),
        Session("two", 100, 0.5, 3, True, {"a": (None, None, 1.0)}, {}),
        Session("other", 100, 0.5, 3, True, {"b": (None, 1.0)}, {}),
    ]
    unseen = unseen_levels("a", sessions)
    assert unseen == [0]
    m, u = cautious_m([0.5, 0.4, 0.1], [0.001, 0.1, 0.899], unseen), [0.001, 0.1, 0.899]
    assert m[0] / u[0] == pytest.approx(m[1] / u[1])
    assert m[1:] == [0.4, 0.1]
    # One that says less already is left as it is.
    assert cautious_m([0.0001, 0.4, 0.1], u, unseen) == [0.0001, 0.4, 0.1]


def test_shares_are_put_into_all_levels_but_that_of_missing_values() -> None:
    levels = [{"is_null_level": True}, {"label_for_charts": "equal"}, {"label_for_charts": "other"}]
    comparison = {"output_column_name": "a", "comparison_levels": levels}
    filled = filled_comparison(comparison, [1.0, None], [0.25, 0.75])
    assert filled == {
        "output_column_name": "a",
        "comparison_levels": [
            {"is_null_level": True},
            {"label_for_charts": "equal", "m_probability": 1.0, "u_probability": 0.25},
            # Splink takes no m of 0.
            {"label_for_charts": "other", "m_probability": 1e-18, "u_probability": 0.75},
        ],
    }
    assert levels[1] == {"label_for_charts": "equal"}
