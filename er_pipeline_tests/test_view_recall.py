from typing import Any

import numpy as np
import pytest

from er_pipeline.evaluation.view_recall import (
    FIELDS,
    LEAST_UNSEEN,
    MODEL,
    STRICT,
    UNSEEN,
    WIDE,
    SampledPairs,
    ViewOfRecall,
    interval_of_views,
    reasons,
    recall_by_views,
)


def pairs_of(
    similarity: Any, is_candidate: Any, by_chance: Any = (), **others: Any
) -> SampledPairs:
    """One pair for each of as many sampled records."""
    n = len(similarity)
    return SampledPairs(
        np.arange(n),
        np.asarray(similarity, float),
        np.ones(n, bool),
        np.asarray(is_candidate, bool),
        np.asarray(by_chance, float),
        n,
        **others,
    )


def view(recall: float, error: float = 0.01, matches: float = 500) -> ViewOfRecall:
    return {
        "recall": recall,
        "recall_low": recall - error,
        "recall_high": recall + error,
        "likely_matches": matches,
    }


def test_what_chance_reaches_is_no_match() -> None:
    # 100 pairs at .9, 100 at .5; of strangers 2 at .9 and 60 at .5.
    pairs = pairs_of([0.9] * 100 + [0.5] * 100, [True] * 200, [0.9] * 2 + [0.5] * 60)
    strict, wide = pairs.thresholds()
    assert (strict, wide) == (0.51, 0.51)
    pairs = pairs_of([0.9] * 100 + [0.5] * 100, [True] * 200, [0.9] * 2 + [0.5] * 30)
    assert pairs.thresholds() == (0.51, 0.2)
    assert pairs_of([0.9] * 100, [True] * 100, [0.9] * 30).thresholds() == (None, None)


def test_few_pairs_make_no_view() -> None:
    views, unseen = recall_by_views(pairs_of([0.9] * 9, [True] * 9))
    assert (views, unseen) == ({}, 1.0)
    assert interval_of_views(views) == (0.0, 1.0)


def test_recall_falls_where_the_barely_alike_are_missed() -> None:
    # As many matches at each similarity from .3 to 1; below .6 half of them are missed.
    similarity = np.repeat(np.linspace(0.3, 1.0, 71), 10)
    is_candidate = (similarity >= 0.6) | (np.arange(len(similarity)) % 2 == 0)
    views, unseen = recall_by_views(pairs_of(similarity, is_candidate, np.full(300, 0.35)))
    assert set(views) == {STRICT, WIDE, UNSEEN}
    assert views[UNSEEN]["recall"] < views[WIDE]["recall"] <= views[STRICT]["recall"]
    assert unseen > LEAST_UNSEEN
    low, high = interval_of_views(views)
    assert low == views[UNSEEN]["recall_low"]
    assert low < is_candidate.mean() < high
    # Where similarities of matches end far above chance there is hardly anything unseen.
    apart = pairs_of(np.full(300, 0.9), np.arange(300) % 10 > 0, np.full(300, 0.2))
    views, unseen = recall_by_views(apart)
    assert unseen == LEAST_UNSEEN
    assert interval_of_views(views)[0] > 0.8


def test_fields_stand_beside_whole_records() -> None:
    pairs = pairs_of(
        [0.9] * 200, [True] * 100 + [False] * 100, probability=np.repeat([1.0, 0.1], 100)
    )
    views, _ = recall_by_views(pairs)
    assert views[FIELDS]["recall"] == pytest.approx(100 / 110)
    assert views[WIDE]["recall"] == 0.5
    low, high = interval_of_views(views)
    assert low < 0.5
    assert high > 0.9


@pytest.mark.parametrize("recall", [0.4, 0.7, 0.9, 1.0])
def test_the_interval_follows_the_recall(recall: float) -> None:
    rng = np.random.default_rng(7)
    similarity = rng.beta(8, 4, 1_000)
    pairs = pairs_of(
        similarity, rng.random(1_000) < recall, rng.beta(3, 12, 1_000), probability=np.ones(1_000)
    )
    low, high = interval_of_views(recall_by_views(pairs)[0])
    assert low <= recall <= high
    assert high - low < 0.25


def test_the_reason_names_the_views_that_contradict_each_other() -> None:
    views = {FIELDS: view(0.95), STRICT: view(0.6), WIDE: view(0.5), UNSEEN: view(0.3)}
    (why,) = reasons(views, 0.1, ["name", "born"], ["born"], fields_suffice=True)
    assert why == (
        "views contradict each other: agreement of fields says 95%, whole records, wide says 50%;"
        " similar records that fields call no match differ in born"
    )


@pytest.mark.parametrize(
    ("views", "unseen", "columns", "suffice", "said"),
    [
        ({WIDE: view(0.9)}, 0.1, ["title"], True, "one column of text, title"),
        ({}, 1.0, ["a", "b"], True, "than chance makes it"),
        ({WIDE: view(0.9)}, 0.4, ["a", "b"], True, "about 40% of the matches seem hardly alike"),
        ({WIDE: view(0.9)}, 0.1, ["a", "b"], False, "does not suffice to single out a match"),
        ({WIDE: view(0.5, 0.2)}, 0.1, ["a", "b"], True, "few matches are among the records"),
        ({WIDE: view(0.8), MODEL: view(0.8)}, 0.1, ["a", "b"], True, "differ too much"),
    ],
)
def test_every_reason_is_said(
    views: dict[str, ViewOfRecall], unseen: float, columns: list[str], suffice: bool, said: str
) -> None:
    why = reasons(views, unseen, columns, [], fields_suffice=suffice)
    assert said in "; ".join(why)
