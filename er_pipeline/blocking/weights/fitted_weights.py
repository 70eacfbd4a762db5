"""Fitted weights: how matches agree in every field, found by EM on a sample of candidates.

u being fixed by the data, EM cannot settle on the wrong class, as it does when both are free; a
column of noise gets m of disagreement near 1, so that it neither adds nor takes anything. Judged
matches count as what they were judged to be. A trained model, where there is one, takes the place
of EM's first step: it has seen how near the values are. A model that finds next to nothing of what
EM finds has not learned what a match is, and is not listened to.

Then the probable matches are split in two along what divides them most, and EM goes on with three
classes. Where one of the two agrees in some fields no more than strangers do, while the other
agrees in nearly all, the one are pairs of relatives and the other matches. Anywhere else the split
is given up: lightly and heavily damaged matches differ by degrees.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.values.key_choices import KeyChoice
from er_pipeline.blocking.weights.pair_agreement import Agreement, read_agreement
from er_pipeline.blocking.weights.pair_evidence import (
    LEAST_M_NOTHING,
    FieldEvidence,
    PairWeights,
    log_share,
)
from er_pipeline.blocking.weights.redundant_fields import find_redundant
from er_pipeline.blocking.weights.speaking_fields import MOST_SPEAKING, choose_speaking, only

EM_ROUNDS, EM_ROUNDS_SPLIT = 12, 30
# A split is looked at every so many rounds, and given up where it has gone nowhere near.
ROUNDS_BETWEEN_LOOKS, NEAR = 5, 0.2
# Before any data: four in five matches agree in a field's whole value, one in ten in nothing.
M_WHOLE, M_NOTHING = 0.8, 0.1
# Matches assumed per record. Were it estimated too, loose candidates would raise it round by round
# until all of them are matches.
MATCHES_PER_RECORD = 0.3
# A model that expects less than this share of the matches that EM expects teaches nothing.
LEAST_OF_MODEL = 0.25
# A judged match counts as so many probable ones: people are shown the doubtful pairs, and from
# those alone every disagreement would seem to say less than it does.
LABEL_WEIGHT = 0.2
# Relatives differ in at least so many fields, nearly always, and matches there seldom.
FIELDS_APART, APART, TOGETHER = 2, 0.8, 0.3
# Where fewer matches are expected, EM began wrong.
LEAST_EXPECTED = 1.0
# Begun again, EM takes the best hundredth of the pairs for matches as long as that, if need be.
BEST, ROUNDS_OF_BEST = 0.01, 6
NOTHING = 1e-9
# Fewer pairs are too few to make a class.
LEAST_CLASS = 20.0

Shares = list[NDArray[np.float64]]


@dataclass(frozen=True)
class Estimate:
    """What EM found: pairs looked at, matches expected among them, and each pair's probability.

    taught: whether a model said which are matches.
    """

    pairs: int
    matches: float
    probability: NDArray[np.float64]
    taught: bool = False


def fit_weights(
    engine: Engine,
    choices: Sequence[KeyChoice],
    pairs: str,
    labelled: str,
    scores: NDArray[np.float64] | None = None,
    left_out: Collection[str] = (),
) -> tuple[PairWeights, Estimate]:
    """Estimate m of every field by EM with u fixed, or from the scores of a model.

    choices: by their numbers in key_codes. left_out: fields that are not looked at.
    pairs: engine table (left_no, right_no), without repeats, in this order. scores: (n_pairs,)
    match probabilities of a model, if there is one. labelled: engine table (left_no, right_no,
    is_match) of the judged pairs. Reads the engine's key_codes.
    Beyond `MOST_SPEAKING` fields the weights are of those that say most; see speaking_fields.py.
    """
    (n_records,) = engine.row("select count(*) from key_codes")
    fit = _open_fit(engine, choices, pairs, labelled, n_records, left_out)
    m, probability = fit.begin()
    taught = scores is not None and bool(scores.sum() >= LEAST_OF_MODEL * probability.sum())
    if taught:
        fit = replace(fit, scores=scores)
        m, probability = fit.one_class()
    if len(fit.fields) > MOST_SPEAKING:
        kept = choose_speaking(fit.fields, say_evidence(fit.seen, fit.fields, m), probability)
        fit, m = fit.only(kept), [m[place] for place in kept]
    related: Shares | None = None
    if split := fit.two_classes(m, probability):
        m, related, probability = split
    weights = PairWeights(
        tuple(
            replace(field, m=_rounded(shares)) for field, shares in zip(fit.fields, m, strict=True)
        ),
        n_records,
        round(fit.prior, 6),
        0.0,
        tuple(_rounded(shares) for shares in related or []),
    )
    evidence = fit.evidence(m, related)
    of_matches = float((evidence * probability).sum() / max(probability.sum(), 1e-9))
    weights = replace(weights, of_matches=round(of_matches, 3))
    return weights, Estimate(len(probability), float(probability.sum()), probability, taught)


def say_of_pairs(
    engine: Engine, choices: Sequence[KeyChoice], pairs: str, labelled: str
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Estimate what every field says of pairs, and how probably each pair is a match.

    Takes and reads what `fit_weights` does. Returns the fields, (n_pairs, n_fields) evidence in
    nats and (n_pairs,) probabilities. Relatives are not told from matches.
    """
    (n_records,) = engine.row("select count(*) from key_codes")
    fit = _open_fit(engine, choices, pairs, labelled, n_records, ())
    m, probability = fit.begin()
    return [field.field for field in fit.fields], say_evidence(fit.seen, fit.fields, m), probability


def _open_fit(
    engine: Engine,
    choices: Sequence[KeyChoice],
    pairs: str,
    labelled: str,
    n_records: int,
    left_out: Collection[str],
) -> "_Fit":
    fields = find_redundant(engine, _fields(choices, left_out), n_records)
    seen = read_agreement(engine, fields, f"select left_no, right_no from {pairs}")
    known = read_agreement(
        engine, fields, f"select left_no, right_no from {labelled} where is_match"
    ).levels
    prior = float(np.log(max(n_records, 3) / MATCHES_PER_RECORD))
    return _Fit(fields, seen, known, prior, None)


def _fields(choices: Sequence[KeyChoice], left_out: Collection[str]) -> list[FieldEvidence]:
    """Put the keys together by field; those that repeat or swap other fields come last."""
    keys: dict[str, list[int]] = {}
    late: set[str] = set()
    for i, choice in enumerate(choices):
        if choice.field not in left_out and not set(choice.swaps) & set(left_out):
            keys.setdefault(choice.field, []).append(i)
            if choice.repeats or choice.swaps:
                late.add(choice.field)
    names = sorted(keys, key=lambda name: name in late)
    places = {name: place for place, name in enumerate(names)}
    return [
        FieldEvidence(
            name,
            tuple(keys[name]),
            tuple(first_m(len(keys[name]) + 1).tolist()),
            tuple(
                tuple(places[of] for of in choices[key].repeats if of in places)
                for key in keys[name]
            ),
            tuple(places[of] for of in choices[keys[name][0]].swaps),
        )
        for name in names
    ]


@dataclass(frozen=True)
class _Fit:
    """EM on the pairs seen. known: levels of judged matches. scores: what a model says of pairs."""

    fields: Sequence[FieldEvidence]
    seen: Agreement
    known: NDArray[np.int8]
    prior: float
    scores: NDArray[np.float64] | None

    def only(self, kept: Sequence[int]) -> "_Fit":
        """Leave out the fields that are not at some places."""
        seen = Agreement(self.seen.levels[:, kept], self.seen.idf[:, kept])
        return replace(self, fields=only(self.fields, kept), seen=seen, known=self.known[:, kept])

    def begin(self) -> tuple[Shares, NDArray[np.float64]]:
        """Find m and probabilities from nothing."""
        m, probability = self.one_class()
        if probability.sum() < LEAST_EXPECTED:
            # Among many columns of noise everybody differs in most of them, matches too, and what
            # that is taken to say at first drowns the rest.
            m, probability = self.one_class(forgiving=True)
        return m, probability

    def one_class(self, forgiving: bool = False) -> tuple[Shares, NDArray[np.float64]]:
        """Find m of the probable matches, and each pair's probability to be one.

        forgiving: at first no field speaks against a match, and where next to no pair reaches what
        a match takes, the best ones begin.
        """
        m = [np.array(field.m) for field in self.fields]
        probability = np.zeros(len(self.seen.levels))
        for i in range(EM_ROUNDS):
            if self.scores is None:
                least = 0.0 if forgiving and i == 0 else None
                evidence = sum_evidence(self.seen, self.fields, m, least)
                probability = _sigmoid(evidence - self.prior)
                if forgiving and i < ROUNDS_OF_BEST and probability.sum() < LEAST_EXPECTED:
                    probability = _sigmoid(evidence - _reached_by(evidence, BEST))
                if not forgiving and probability.sum() < NOTHING:
                    break  # what nobody taught stays as it is
            else:
                probability = self.scores
            m = self._shares(probability, self.known)
        return m, probability

    def two_classes(
        self, m: Shares, probability: NDArray[np.float64]
    ) -> tuple[Shares, Shares, NDArray[np.float64]] | None:
        """Split the probable matches into matches and relatives; None where they are of one kind.

        Returns m of both, and each pair's probability to be a match.
        """
        if probability.sum() < 2 * LEAST_CLASS:
            return None
        side = self._divide(probability)
        classes = [self._shares(probability * part, self.known[:0]) for part in (side, ~side)]
        parts = [probability, probability]
        for i in range(EM_ROUNDS_SPLIT):
            if i and i % ROUNDS_BETWEEN_LOOKS == 0:
                near = [self._apart(a, b, NEAR) for a, b in (classes, classes[::-1])]
                if max(near) < FIELDS_APART:
                    return None
            odds = [sum_evidence(self.seen, self.fields, one) - self.prior for one in classes]
            both = np.logaddexp(*odds)
            either = _sigmoid(both) if self.scores is None else self.scores
            parts = [either * np.exp(one - both) for one in odds]
            classes = [self._shares(part, self.known[:0]) for part in parts]
        for matches, relatives in ((0, 1), (1, 0)):
            apart = self._apart(classes[relatives], classes[matches])
            reverse = self._apart(classes[matches], classes[relatives])
            if apart >= FIELDS_APART > reverse and parts[matches].sum() >= LEAST_CLASS:
                of_matches = self._shares(parts[matches], self.known)
                return of_matches, classes[relatives], parts[matches]
        return None

    def evidence(self, m: Shares, related: Shares | None) -> NDArray[np.float64]:
        """Give the evidence of every pair in nats; the same as `PairWeights.evidence_sql`."""
        of_match = sum_evidence(self.seen, self.fields, m)
        if related is None:
            return of_match
        of_related = sum_evidence(self.seen, self.fields, related) - self.prior
        against: NDArray[np.float64] = of_match - np.log1p(np.exp(np.minimum(50, of_related)))
        return against

    def _divide(self, probability: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Mark on which side of the mean pairs stand, along what probable matches differ in most.

        That is their first principal component; fields agree or not, missing ones are the mean.
        """
        levels = self.seen.levels
        filled = levels >= 0
        weight = np.where(filled, probability[:, None], 0.0)
        mean = (weight * (levels > 0)).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-9)
        off = np.where(filled, (levels > 0) - mean, 0.0)
        off[:, [bool(field.swaps) for field in self.fields]] = 0.0
        _, vectors = np.linalg.eigh((off * probability[:, None]).T @ off)
        side: NDArray[np.bool_] = off @ vectors[:, -1] > 0
        return side

    def _apart(self, relatives: Shares, matches: Shares, near: float = 0.0) -> int:
        """Count the fields in which relatives differ like strangers, and matches do not."""
        return sum(
            bool(not field.swaps and one[0] >= APART - near and other[0] <= TOGETHER + near)
            for field, one, other in zip(self.fields, relatives, matches, strict=True)
        )

    def _shares(self, probability: NDArray[np.float64], known: NDArray[np.int8]) -> Shares:
        """Give the share of matches on every level of each field."""
        m = []
        for f, field in enumerate(self.fields):
            n = len(field.keys) + 1
            counts = np.bincount(self.seen.levels[:, f] + 1, probability, minlength=n + 1)
            counts = counts + LABEL_WEIGHT * np.bincount(known[:, f] + 1, minlength=n + 1)
            counts = counts[1:]  # the first one is of missing values
            m.append((counts + first_m(n)) / (counts.sum() + 1))
        return m


def sum_evidence(
    seen: Agreement,
    fields: Sequence[FieldEvidence],
    m: Sequence[NDArray[np.float64]],
    least: float | None = None,
) -> NDArray[np.float64]:
    """Give the evidence of every pair against strangers, in nats, for a class of such m."""
    total: NDArray[np.float64] = say_evidence(seen, fields, m, least).sum(axis=1)
    return total


def say_evidence(
    seen: Agreement,
    fields: Sequence[FieldEvidence],
    m: Sequence[NDArray[np.float64]],
    least: float | None = None,
) -> NDArray[np.float64]:
    """Give what every field says of every pair: (n_pairs, n_fields), in nats.

    least: what every field says at least, if anything.
    """
    said = np.zeros(seen.levels.shape, order="F")
    for f, (field, shares) in enumerate(zip(fields, m, strict=True)):
        level = seen.levels[:, f]
        logs = np.array([log_share(share) for share in shares])
        logs[0] = max(logs[0], np.log(LEAST_M_NOTHING))
        # Level -1 takes the last one.
        says = np.append(logs, 0.0)[level] + seen.idf[:, f]
        for nth, others in enumerate(field.repeats):
            if others:
                here = level == nth + 1
                before = np.maximum(0, said[:, others].sum(axis=1))
                says = np.where(here, np.maximum(0, says - before), says)
        if field.swaps:
            before = said[:, field.swaps].sum(axis=1)
            says = np.where(level > 0, np.maximum(0, says - before), 0.0)
        said[:, f] = says if least is None else np.maximum(least, says)
    return said


def first_m(n_levels: int) -> NDArray[np.float64]:
    """Give m before any data: whole value, nothing, and the rest shared by the keys between."""
    m = np.full(n_levels, (1 - M_WHOLE - M_NOTHING) / max(1, n_levels - 2))
    m[:2] = M_NOTHING, M_WHOLE
    shares: NDArray[np.float64] = m / m.sum()
    return shares


def _reached_by(evidence: NDArray[np.float64], share: float) -> float:
    """Give the evidence that this share of the pairs has."""
    nth = len(evidence) - max(1, round(share * len(evidence)))
    return float(np.partition(evidence, nth)[nth]) if len(evidence) else 0.0


def _sigmoid(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the probability of log odds."""
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    return probability


def _rounded(shares: NDArray[np.float64]) -> tuple[float, ...]:
    # Sums of floats differ in their last digits with the number of threads.
    return tuple(round(float(share), 6) for share in shares)
