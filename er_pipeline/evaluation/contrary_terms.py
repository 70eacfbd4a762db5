"""What speaks most against a pair: the comparisons that take most bits away, and swapped fields."""

from collections.abc import Mapping
from itertools import combinations

from er_pipeline.evaluation.pair_score import PairScore

# Comparisons that are named.
NAMED = 3

Values = Mapping[str, tuple[str | None, str | None]]


def contrary_text(score: PairScore, values: Values) -> str:
    """Write in one or two sentences what speaks against a pair; empty where nothing does.

    values: field -> both values.
    """
    against = sorted((t for t in score.terms if t.weight < 0), key=lambda term: term.weight)
    named = [f"{term.comparison} ({term.weight:+.2f} bits)" for term in against[:NAMED]]
    said = [f"Most against it: {', '.join(named)}."] if named else []
    said += [f"{one} and {other} are swapped." for one, other in swapped_fields(values)]
    return " ".join(said)


def swapped_fields(values: Values) -> list[tuple[str, str]]:
    """List the pairs of fields of which each record has the other's values."""
    return [
        (one, other)
        for one, other in combinations(values, 2)
        if None not in values[one]
        and values[one] == values[other][::-1]
        and values[one][0] != values[one][1]
    ]
