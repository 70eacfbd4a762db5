"""Speaking fields: those whose agreement and disagreement move the weight of a pair.

Every pair is asked about every field, so that a hundred columns of noise cost more than all else
and say next to nothing: EM finds that matches agree in them as strangers do.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.weights.pair_evidence import FieldEvidence

# Beyond so many fields those that say least of the probable matches are not asked. DuckDB plans
# what is asked of a pair in a time that grows with its square: 0.2 CPU s at 30 fields, 0.6 at 50,
# for each rule.
MOST_SPEAKING = 30


def choose_speaking(
    fields: Sequence[FieldEvidence], said: NDArray[np.float64], probability: NDArray[np.float64]
) -> list[int]:
    """Return the places of the fields that say most, for or against, of the probable matches.

    said: (n_pairs, n_fields) evidence in nats. probability: (n_pairs,) of a match. All fields where
    there are no more than `MOST_SPEAKING`, which those of names in either order do not count
    towards; these stay where both their fields do. Of equals the first one stays.
    """
    plain = [place for place, field in enumerate(fields) if not field.swaps]
    if len(plain) <= MOST_SPEAKING:
        return list(range(len(fields)))
    # Rounded, so that threads do not decide between equals.
    moved = np.round(probability @ np.abs(said) / max(float(probability.sum()), 1e-9), 6)
    loudest = set(sorted(plain, key=lambda place: (-moved[place], place))[:MOST_SPEAKING])
    return [
        place
        for place, field in enumerate(fields)
        if (loudest.issuperset(field.swaps) if field.swaps else place in loudest)
    ]


def only(fields: Sequence[FieldEvidence], kept: Sequence[int]) -> list[FieldEvidence]:
    """Return the fields at some places, ascending, as they speak without the others."""
    place_of = {place: nth for nth, place in enumerate(kept)}

    def places(of: Sequence[int]) -> tuple[int, ...]:
        return tuple(place_of[place] for place in of if place in place_of)

    return [
        replace(
            field,
            repeats=tuple(places(of) for of in field.repeats),
            swaps=places(field.swaps),
            redundant=tuple(
                (place_of[at], share) for at, share in field.redundant if at in place_of
            ),
        )
        for field in (fields[place] for place in kept)
    ]
