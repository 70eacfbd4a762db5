from typing import Any

import pytest

from er_pipeline.blocking.spec.matching_section import (
    Comparison,
    Matching,
    RecallSample,
    comparisons_by_field,
)
from er_pipeline_tests.small_spec import small_spec


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["city", "name"], {"city": {}, "name": {}}),
        ({"city": True, "name": "exact"}, {"city": {}, "name": {"levels": "exact"}}),
        ({"name": {"term_frequency": False}}, {"name": {"term_frequency": False}}),
        ([], {}),
        (None, None),
        ("city", "city"),
    ],
)
def test_comparisons_may_be_written_short(written: Any, read: Any) -> None:
    assert comparisons_by_field(written) == read


def test_short_comparisons_are_full_ones_in_the_spec() -> None:
    spec = small_spec(fields={"city": "text", "name": "text"}, comparisons={"name": "exact"})
    assert spec.comparisons == {"name": Comparison(levels="exact")}


@pytest.mark.parametrize(
    ("levels", "thresholds"),
    [
        ("jaro_winkler", [0.92, 0.8]),
        ("jaro", [1]),
        ("jaccard", [0.9, 0.7, 0.5]),
        ("words", [0.5]),
        ("levenshtein", [1, 3]),
        ("damerau_levenshtein", [2.0]),
    ],
)
def test_thresholds_are_taken_best_first(levels: str, thresholds: list[float]) -> None:
    comparison = Comparison.model_validate({"levels": levels, "thresholds": thresholds})
    assert comparison.thresholds == thresholds


@pytest.mark.parametrize(
    ("levels", "thresholds", "text"),
    [
        ("exact", [0.9], "thresholds belong to jaro_winkler, .*; levels is exact"),
        (None, [0.9], "levels is left out"),
        ("levenshtein", [0.5], r"counts edits: write whole numbers such as \[1, 2\]"),
        ("damerau_levenshtein", [3, 1], "must differ, fewest edits first"),
        ("levenshtein", [1, 1], "must differ, fewest edits first"),
        ("jaro", [0.7, 0.9], "must differ, highest first"),
        ("jaro", [0.9, 0.9], "must differ, highest first"),
        ("words", [2], r"is a similarity: write shares such as \[0.92, 0.8\]"),
        ("jaro", [0], "greater than 0"),
        ("jaro", [], "at least 1 item"),
    ],
)
def test_thresholds_that_do_not_fit_the_levels_are_refused(
    levels: str | None, thresholds: list[float], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        Comparison.model_validate({"levels": levels, "thresholds": thresholds})


def test_matches_must_be_stored() -> None:
    with pytest.raises(ValueError, match=r"min_probability 0.96 is above threshold 0.95: .*lower"):
        Matching(min_probability=0.96)
    assert Matching(min_probability=0.95).min_probability == 0.95


@pytest.mark.parametrize(
    ("written", "sample"),
    [
        (True, RecallSample()),
        (False, None),
        (None, None),
        ({"records": 5}, RecallSample(records=5)),
    ],
)
def test_recall_is_estimated_with_settings_or_not_at_all(
    written: Any, sample: RecallSample | None
) -> None:
    assert Matching.model_validate({"recall": written}).recall == sample
    assert Matching().recall == RecallSample()


@pytest.mark.parametrize(
    ("settings", "is_another_model"),
    [
        ({"threshold": 0.5}, False),
        ({"min_probability": 0.5}, False),
        ({"recall": False}, False),
        ({"teaches_blocking": False}, False),
        ({"max_u_pairs": 5_000}, True),
        ({"max_iterations": 5}, True),
        ({"convergence": 0.01}, True),
    ],
)
def test_what_only_the_matches_depend_on_leaves_the_model(
    settings: dict[str, Any], is_another_model: bool
) -> None:
    changed = Matching.model_validate(settings)
    assert changed != Matching()
    assert (changed.trained_by() != Matching().trained_by()) == is_another_model
