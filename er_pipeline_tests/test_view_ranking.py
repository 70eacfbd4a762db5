from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.pairs import view_ranking
from er_pipeline.blocking.pairs.candidate_lists import Floats, Pairs
from er_pipeline.blocking.pairs.view_ranking import (
    EVIDENCE,
    ViewRanking,
    fit_non_negative,
    neighbourhoods,
    rank_by_views,
)


def pairs_of(made: list[tuple[int, int]], n_records: int, across: bool = False) -> Pairs:
    left, right = np.array(sorted(made), np.int32).reshape(-1, 2).T
    return Pairs(left, right, n_records, across)


@st.composite
def valued_pairs(draw: st.DrawFn) -> tuple[Pairs, Floats]:
    """Some of the pairs of a few records, with values that may be equal."""
    n_records = draw(st.integers(2, 8))
    made = draw(st.sets(st.sampled_from([*combinations(range(n_records), 2)]), min_size=1))
    values = draw(
        st.lists(
            st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0]),
            min_size=len(made),
            max_size=len(made),
        )
    )
    return pairs_of(list(made), n_records), np.array(values)


@settings(max_examples=50, deadline=None)
@given(valued=valued_pairs())
def test_neighbourhoods_are_cosines_of_dense_rows(valued: tuple[Pairs, Floats]) -> None:
    pairs, values = valued
    top = np.quantile(np.clip(values, 0, None), 0.999) or 1.0
    near = np.eye(pairs.n_records)
    near[pairs.left, pairs.right] = np.minimum(np.clip(values, 0, None) / top, 1) ** 2
    near[pairs.right, pairs.left] = near[pairs.left, pairs.right]
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    expected = (near @ near.T)[pairs.left, pairs.right]
    assert neighbourhoods(pairs, values) == pytest.approx(expected, abs=1e-4)


def test_neighbourhoods_do_not_depend_on_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(2)
    pairs = pairs_of([*combinations(range(12), 2)], 12)
    values = draw.random(len(pairs.left))
    whole = neighbourhoods(pairs, values)
    monkeypatch.setattr(view_ranking, "PAIRS_PER_BATCH", 5)
    assert np.array_equal(neighbourhoods(pairs, values), whole)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), n_features=st.integers(1, 4))
def test_no_coefficient_is_negative_and_what_separates_is_found(seed: int, n_features: int) -> None:
    draw = np.random.default_rng(seed)
    is_match = (np.arange(300) < 100).astype(np.float64)
    # One feature speaks for matches, the others against them or of nothing.
    sample = draw.random((300, n_features))
    sample[:, 0] += is_match
    sample[:, 1:2] -= 0.3 * is_match[:, None]
    coefficients = fit_non_negative(sample, is_match)
    assert (coefficients >= 0).all()
    assert coefficients[0] == coefficients.max() > 1
    score = sample @ coefficients
    first = np.argsort(-score)[:100]
    assert is_match[first].mean() > 0.9


def test_a_feature_that_speaks_against_matches_counts_nothing() -> None:
    is_match = np.array([1.0, 0.0] * 50)
    assert fit_non_negative(1 - is_match[:, None], is_match) == pytest.approx([0])


class MadeUp:
    """Entities of some size, and pairs of which views of a given quality speak.

    Each record is a point near the one of its entity; a view sees the points through its own noise.
    Pairs are those of the records that all views together hold for near, as blocking would have
    it.
    """

    def __init__(self, n_entities: int, size: int, seed: int = 3, across: bool = False) -> None:
        self.draw = np.random.default_rng(seed)
        self.entity = np.tile(np.arange(n_entities), size)
        self.points = self.draw.normal(size=(n_entities, 12))[self.entity]
        n_records = len(self.entity)
        made = {
            (i, i + n * n_entities)
            for i in range(n_records)
            for n in range(1, size)
            if i + n * n_entities < n_records
        }
        while len(made) < 15 * n_records:
            left, right = sorted(self.draw.choice(n_records, 2, replace=False).tolist())
            if not across or (left < n_entities) != (right < n_entities):
                made.add((left, right))
        self.pairs = pairs_of([*made], n_records, across)
        self.is_match = self.entity[self.pairs.left] == self.entity[self.pairs.right]

    def view(self, noise: float) -> Floats:
        seen = self.points + noise * self.draw.normal(size=self.points.shape)
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
        cosine: Floats = np.round(
            np.einsum("ij,ij->i", seen[self.pairs.left], seen[self.pairs.right]), 4
        )
        return cosine

    def noise(self) -> Floats:
        """A view that knows nothing: some records seem to be near to all."""
        loud = self.draw.random(len(self.entity))
        return np.round(loud[self.pairs.left] + loud[self.pairs.right], 4)

    def completeness(self, score: Floats) -> float:
        """The share of the matches among as many pairs, the first by score."""
        first = np.argsort(-score, kind="stable")[: int(self.is_match.sum())]
        return float(self.is_match[first].mean())

    def ranked(self, evidence: Floats, *others: Floats, **given: Any) -> ViewRanking:
        names = ("fields", "words", "trigrams")
        views = {EVIDENCE: evidence, **dict(zip(names, others, strict=False))}
        likely = given.get("likely", self.is_match)
        return rank_by_views(self.pairs, views, given.get("excess", 1.0), likely, seed=7)


def test_evidence_that_is_right_decides_alone_where_entities_are_of_two() -> None:
    people = MadeUp(200, 2)
    evidence = people.view(0.1)
    ranking = people.ranked(10 * evidence, people.view(2), people.view(2), people.noise())
    assert ranking.score is None
    assert ranking.agreement == 1
    assert {view.name: view.coefficient for view in ranking.views} == {
        **dict.fromkeys(("fields", "words", "trigrams"), 0),
        EVIDENCE: 1,
    }
    assert ranking.views[0].mutual_best == people.pairs.mutual_best(evidence) > 0.9


@pytest.mark.parametrize("size", [2, 4])
def test_evidence_that_is_noise_is_overruled_by_views_that_agree(size: int) -> None:
    people = MadeUp(160, size)
    evidence = people.noise()
    views = [people.view(0.5) for _ in range(3)]
    likely = evidence > np.quantile(evidence, 0.97)  # as such evidence has it
    ranking = people.ranked(evidence, *views, likely=likely)
    assert ranking.score is not None
    assert people.completeness(evidence) < 0.2
    assert people.completeness(ranking.score) > min(map(people.completeness, views)) - 0.02
    assert ranking.agreement < 0.5
    trust = {view.name: view.trust for view in ranking.views}
    assert trust[EVIDENCE] < 0.05
    assert sum(trust.values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("across", [False, True])
def test_views_of_one_quality_together_are_better_than_each(across: bool) -> None:
    people = MadeUp(200, 2, across=across)
    views = [people.view(0.7) for _ in range(4)]
    ranking = people.ranked(*views)
    assert ranking.score is not None
    assert people.completeness(ranking.score) > max(map(people.completeness, views))


@pytest.mark.parametrize(("size", "across", "noise"), [(4, False, 0.5), (2, True, 1.0)])
def test_in_groups_and_across_sources_the_others_are_asked_and_do_no_harm(
    size: int, across: bool, noise: float
) -> None:
    people = MadeUp(100, size, across=across)
    evidence = people.view(0.1)
    ranking = people.ranked(10 * evidence, *(people.view(noise) for _ in range(3)))
    assert ranking.score is not None
    assert people.completeness(ranking.score) > people.completeness(evidence) - 0.02


def test_who_resembles_many_gives_way_to_those_that_are_first_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Two hundred records have a twin each, and each of ten others resembles twenty of them, too.
    n_twins, per_hub = 200, 20
    twins = [(i, i + n_twins) for i in range(n_twins)]
    hubs = [(i, 2 * n_twins + i // per_hub) for i in range(n_twins)]
    pairs = pairs_of(twins + hubs, 2 * n_twins + n_twins // per_hub)
    is_match = pairs.right < 2 * n_twins
    draw = np.random.default_rng(5)
    alike = np.where(is_match, 0.7, 0.72)
    views = {
        name: np.round(alike + draw.normal(0, 0.02, len(alike)), 4)
        for name in (EVIDENCE, "fields", "words")
    }

    def precision() -> float:
        ranking = rank_by_views(pairs, views, 1.0, np.ones(len(alike), bool), seed=1)
        assert ranking.score is not None
        return float(is_match[np.argsort(-ranking.score, kind="stable")[:n_twins]].mean())

    by_place = precision()
    monkeypatch.setattr(view_ranking, "PLACES_COUNT", 0)
    assert by_place > precision() + 0.1


def test_the_same_pairs_have_the_same_score_each_time() -> None:
    scores = []
    for _ in range(2):
        people = MadeUp(100, 3)
        ranking = people.ranked(*(people.view(0.6) for _ in range(4)))
        assert ranking.score is not None
        assert np.isfinite(ranking.score).all()
        scores.append(ranking.score)
    assert np.array_equal(scores[0], scores[1])


@settings(max_examples=30, deadline=None)
@given(valued=valued_pairs(), across=st.booleans(), constant=st.booleans(), seed=st.integers(0, 9))
def test_the_fewest_pairs_and_equal_values_are_ranked_too(
    valued: tuple[Pairs, Floats], across: bool, constant: bool, seed: int
) -> None:
    pairs, values = valued
    pairs = Pairs(pairs.left, pairs.right, pairs.n_records, across)
    other = np.zeros(len(values)) if constant else values[::-1].copy()
    views = {EVIDENCE: other, "fields": values}
    ranking = rank_by_views(pairs, views, 1.0, np.zeros(len(values), bool), seed)
    assert sum(view.trust for view in ranking.views) == pytest.approx(1, abs=1e-3)
    if ranking.score is not None:
        assert ranking.score.shape == values.shape
        assert np.isfinite(ranking.score).all()
    assert 0 <= ranking.agreement <= 1
