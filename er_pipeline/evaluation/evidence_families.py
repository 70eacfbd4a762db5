"""Recall as families of evidence show it: strategies that read the same fields are one family.

How often families find the same matches shows how many none of them found (capture and recapture).
It costs nothing, but families are not independent: a record that is damaged everywhere is missed by
all. So it is an upper bound in practice.

Source: Chao, "Estimating the Population Size for Capture-Recapture Data with Unequal
Catchability", Biometrics 43, 1987; Chapman's form of Lincoln and Petersen's estimate, 1951.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.spec.learned import learned_conjunctions, learned_rules_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import exact_sum


class FamilyRecall(TypedDict):
    """Recall as the overlap of families of evidence shows it.

    families: the strategies of each. found_by_families: likely matches by the number of families
    that find them. of: what the recall is a share of, for people.
    """

    recall: float
    likely_matches_found: float
    likely_matches_unseen: float
    families: dict[str, list[str]]
    found_by_families: dict[str, float]
    of: str


def recall_of_families(
    engine: Engine, lake: Lake, families: Mapping[str, Sequence[str]]
) -> FamilyRecall:
    """Estimate recall from how often families of evidence find the same matches.

    Every pair of matches counts by its probability. With S likely matches found, Q1 of them by one
    family and Q2 by two, Chao's lower bound of those that none finds is (K-1)/K * Q1^2 / (2 Q2);
    with two families it is Lincoln and Petersen's.
    """
    bits = unified_facts(lake)["strategy_bits"]
    masks = [sum(1 << bits[name] for name in names if name in bits) for names in families.values()]
    n_families = " + ".join(
        f"case when u.strategy_mask & {mask}::bigint <> 0 then 1 else 0 end" for mask in masks
    )
    counted = dict(
        engine.rows(
            f"""
            select n_families, {exact_sum("match_probability")} from (
                select m.match_probability, {n_families} as n_families
                from matches as m join unified_pairs as u
                    on u.left_no = m.left_no and u.right_no = m.right_no
            ) group by n_families
            """
        )
    )
    found = float(sum(counted.values()))
    once, twice = float(counted.get(1, 0.0)), float(counted.get(2, 0.0))
    k = len(families)
    # The form without division by zero.
    unseen = (k - 1) / k * once * max(0.0, once - 1) / (2 * (twice + 1))
    return {
        "recall": found / (found + unseen) if found else 0.0,
        "likely_matches_found": round(found, 2),
        "likely_matches_unseen": round(unseen, 2),
        "families": {name: list(members) for name, members in families.items()},
        "found_by_families": {str(n): round(float(p), 2) for n, p in sorted(counted.items())},
        "of": f"the likely matches found ({found:,.1f}: the sum of the probabilities in matches)"
        f" and those that {k} families of evidence seem to miss",
    }


def evidence_families(spec: PipelineSpec, lake: Lake) -> dict[str, tuple[str, ...]]:
    """Group what proposes pairs by the fields it reads: those that share one are one family.

    Neighbours read all their fields, so they would join all families to one: they are left out,
    and so is the second pass, which looks only where the first found nothing.
    """
    conjunctions = list(spec.strategy_conjunctions)
    if spec.learns:
        conjunctions += learned_conjunctions(spec, learned_rules_facts(lake))
    families: list[tuple[set[str], list[str]]] = []
    for conjunction in conjunctions:
        columns, names = set(conjunction.source_columns), [conjunction.name]
        apart = []
        for fields, members in families:
            if fields & columns:
                columns |= fields
                names = members + names
            else:
                apart.append((fields, members))
        families = [*apart, (columns, names)]
    places = [conjunction.name for conjunction in conjunctions]
    return {
        " and ".join(sorted(fields)): tuple(sorted(names, key=places.index))
        for fields, names in families
    }
