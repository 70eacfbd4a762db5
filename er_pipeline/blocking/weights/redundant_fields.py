"""Redundant fields: how much of what one field says follows from another, as a suburb does."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.weights.pair_evidence import FieldEvidence

# Two fields depend on each other where more pairs than this per record share the whole values of
# both, and so many times as many as share those of two usual fields: matches share any two.
SHARED_PER_RECORD, SHARED_BEYOND_USUAL = 5.0, 3.0
# Records looked at; fewer where there are more fields than this, as their square is compared.
RECORDS_LOOKED_AT, FIELDS_LOOKED_AT = 50_000, 30
# What two usual fields share shows in each field and so many after it.
FIELDS_AFTER = 15
# What follows from another field to all but a twentieth is not worth a condition per pair.
LEAST_REDUNDANT = 0.95


def find_redundant(
    engine: Engine, fields: Sequence[FieldEvidence], n_records: int
) -> list[FieldEvidence]:
    """Find what follows from other fields: of pairs that agree in one, how many do in the other.

    Only fields that more pairs share than there could be matches show it; a field follows from
    those that say more than it does, so that of two that mean the same one speaks.
    Reads the engine's key_codes.
    """
    plain = [place for place, field in enumerate(fields) if not field.swaps]
    beyond = max(1.0, len(plain) / FIELDS_LOOKED_AT)
    found = engine.columns(
        f"select {', '.join(f'code_{fields[place].keys[0]} as c{place}' for place in plain)}"
        f" from (select * from key_codes order by md5(cast(record_no as varchar)), record_no"
        f" limit {round(RECORDS_LOOKED_AT / beyond**2)})"
    )
    codes = {place: np.asarray(found[f"c{place}"], np.int64) for place in plain}
    n_seen = max((len(column) for column in codes.values()), default=0)
    shared = {place: _pairs(codes[place]) for place in plain}
    filled = {place: float((codes[place] >= 0).sum()) for place in plain}
    says = {
        place: -np.log(max(shared[place], 0.5) / max(1.0, filled[place] * (filled[place] - 1) / 2))
        for place in plain
    }

    @cache
    def joint(one: int, other: int) -> tuple[float, float]:
        """Count the records with both values, and the pairs that share both."""
        both = (codes[one] >= 0) & (codes[other] >= 0)
        together = codes[one][both] * (1 << 31) + codes[other][both]
        return float(both.sum()), _pairs(together)

    usual = combinations(range(len(plain)), 2)
    after = len(plain) if beyond <= 1 else FIELDS_AFTER
    of_matches: list[float] = []
    for one, other in ((plain[i], plain[j]) for i, j in usual if j - i <= after):
        n_both, pairs = joint(one, other)
        by_chance = np.exp(-says[one] - says[other]) * n_both * (n_both - 1) / 2
        of_matches.append(max(0.0, pairs - by_chance))
    # Pairs grow with the square of the records.
    least = SHARED_PER_RECORD * n_seen**2 / max(1, n_records)
    least = max(least, SHARED_BEYOND_USUAL * float(np.median(of_matches or [0.0])))
    common = [place for place in plain if shared[place] > least]
    follows: dict[int, list[tuple[int, float]]] = {place: [] for place in plain}
    for place in common:
        for other in common:
            if (says[other], -other) <= (says[place], -place):
                continue
            _, pairs = joint(min(place, other), max(place, other))
            if pairs > least:
                of_other = _pairs(codes[other][codes[place] >= 0])
                left = -np.log(pairs / max(1.0, of_other))
                share = round(float(min(1.0, max(0.0, left / max(says[place], 0.1)))), 3)
                if share < LEAST_REDUNDANT:
                    follows[place].append((other, share))
    return [
        replace(field, redundant=tuple(sorted(follows.get(place, ()), key=lambda x: (x[1], x[0]))))
        for place, field in enumerate(fields)
    ]


def _pairs(codes: NDArray[np.int64]) -> float:
    """Count the pairs of equal codes; negative ones are no value."""
    _, counts = np.unique(codes[codes >= 0], return_counts=True)
    return float((counts.astype(np.float64) * (counts - 1) / 2).sum())
