"""Pair evidence: what it says that two records share these keys and differ in those.

Every field speaks once. The narrowest key of it that two records share adds its idf, -ln(share of
the records with a value that have it), plus ln m, m being the share of matches that agree just so
far; a field that both have and agree in nowhere adds ln m of that; a field that one lacks adds
nothing. That is the Fellegi-Sunter log odds with u taken from how often the very value occurs.

Fields are not independent, as that would need:
- What one field says may follow from another: a postcode from a suburb. Where the one agrees, of
  the idf of the other only the share counts that is left (`redundant`).
- Two records may have much in common without being of one entity: relatives share a surname, a
  home and a phone. Where the data show such a class of pairs (`related`), evidence is that against
  both, pairs of strangers and pairs of relatives.

Source: Fellegi, Sunter, "A Theory for Record Linkage", JASA 64, 1969; Winkler, "Frequency-Based
Matching in Fellegi-Sunter Model of Record Linkage", 2000.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from er_pipeline.blocking.records.key_codes import IDF_STEPS
from er_pipeline.blocking.tables.engine import Engine

# No disagreement counts for more than ln 0.005: a field may be wrong for reasons no sample shows.
# Measured at one pair per record: 0.05 costs households 0.9 points of completeness, people 0.1.
LEAST_M_NOTHING = 0.005
# Between cosine 0 and 1 lies as much as between no evidence and so many unique values, where the
# evidence of a match just suffices; see `PairWeights.cosine_weight`.
COSINE_WEIGHT = 14.0
# Relatives' texts are near as well: where there are such pairs, it counts for this part.
COSINE_AMONG_RELATIVES = 0.1
# Log odds of a match per nat of evidence beyond the prior. Fields say partly the same, so it is not
# 1: among candidates of made-up people, households and fake_1000, from 1 in 20,000 matches to 9 in
# 10, it is 0.45 to 0.55.
ODDS_PER_NAT = 0.5
# When linking, a record has one match or few in each other source: rivals count. A pair loses this
# share of the mean of the best weights that its two records have there; see ranked_pairs.py.
RIVALS_SHARE = 0.8


@dataclass(frozen=True)
class FieldEvidence:
    """How one field speaks: its keys narrow to wide, as numbers of key_codes.

    m: of agreement in nothing, then in each key but in none narrower; they add up to 1.
    repeats: of each key, the places of the fields that it repeats; it counts only beyond them.
    swaps: places of the fields whose values its keys take in either order. It speaks only where
    both of these disagree, and says what they would not.
    redundant: (place, share) of fields this one follows from, least share first: where the whole
    values of that one agree, only this share of the idf counts.
    """

    field: str
    keys: tuple[int, ...]
    m: tuple[float, ...]
    repeats: tuple[tuple[int, ...], ...] = ()
    swaps: tuple[int, ...] = ()
    redundant: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class PairWeights:
    """What it takes to weigh a pair.

    n_records: the unit of weight is ln(n_records), the evidence that singles out one record.
    prior: evidence, in nats, at which a pair is as likely a match as not.
    of_matches: mean evidence of the probable matches, in nats.
    related: of every field m among related pairs, where there is such a class; else empty.
    """

    fields: tuple[FieldEvidence, ...]
    n_records: int
    prior: float
    of_matches: float = 0.0
    related: tuple[tuple[float, ...], ...] = ()

    @property
    def unit(self) -> float:
        """Nats per unit of weight."""
        return float(np.log(max(self.n_records, 3)))

    @property
    def cosine_weight(self) -> float:
        """What a cosine of 1 is worth, in units of weight.

        The further the evidence of matches exceeds what it takes, the less a cosine adds: it is
        made of the same values. Measured as pairs completeness within the budgets of
        benchmarks/best_pairs.py: products, whose evidence just suffices, need 14 and more, people
        of five fields (1.5 times what it takes) 6 to 10, people of seven (2.9 times) 1 to 3; where
        there are ten fields or long titles, anything does. Where the data show pairs of relatives,
        a tenth of it: 100,000 people in households then find 97.6% at one pair per record, with a
        quarter 97.45%, with all of it 96.5%, with nothing 97.7%, but then less at five pairs.
        """
        excess = max(1.0, self.of_matches / self.prior) if self.prior > 0 else 1.0
        among = COSINE_AMONG_RELATIVES if self.related else 1.0
        return round(among * COSINE_WEIGHT / excess**2, 4)

    def evidence_sql(self, left: str = "l", right: str = "r") -> str:
        """Write the expression of a pair's evidence in nats, over two rows of key_codes."""
        match = self._sum_sql([field.m for field in self.fields], left, right)
        if not self.related:
            return match
        related = self._sum_sql(self.related, left, right)
        return f"{match} - ln(1 + exp(least(50, {related} - ({self.prior:.4f}))))"

    def evidence_of_fields_sql(self) -> dict[str, str]:
        """Write what each field says alone, whatever the others do: field -> its evidence."""
        plain = [
            replace(field, repeats=((),) * len(field.keys), swaps=(), redundant=())
            for field in self.fields
        ]
        return {field.field: PairWeights((field,), 3, 0.0).evidence_sql() for field in plain}

    def _sum_sql(self, shares: Sequence[Sequence[float]], left: str, right: str) -> str:
        """Write the evidence against strangers of a class of pairs, given its m of every field."""

        def same(key: int) -> str:
            return f"{left}.code_{key} = {right}.code_{key}"

        plain: list[str] = []
        for place, (field, m) in enumerate(zip(self.fields, shares, strict=True)):
            agree, left_over = "", ""
            if field.swaps:
                # Where a whole value agrees as it stands, nothing is swapped.
                agree = "".join(
                    f" when {same(self.fields[other].keys[0])} then 0.0" for other in field.swaps
                )
            if field.redundant:
                cases = "".join(
                    f" when {same(self.fields[other].keys[0])} then {share}"
                    for other, share in field.redundant
                )
                left_over = f" * case{cases} else 1 end"
            for key, m_key, repeats in zip(field.keys, m[1:], field.repeats, strict=True):
                says = f"{left}.idf_{key} * {1 / IDF_STEPS}{left_over} + ({log_share(m_key):.4f})"
                # Fields stand before those that repeat or swap them; see fitted_weights.py.
                assert all(other < place for other in (*repeats, *field.swaps))
                if repeats:
                    said = " + ".join(plain[other] for other in repeats)
                    says = f"greatest(0, {says} - greatest(0, {said}))"
                if field.swaps:
                    said = " + ".join(plain[other] for other in field.swaps)
                    says = f"greatest(0, {says} - ({said}))"
                agree += f" when {same(key)} then {says}"
            whole = field.keys[0]
            nothing = 0.0 if field.swaps else log_share(max(m[0], LEAST_M_NOTHING))
            plain.append(
                f"cast(case when {left}.code_{whole} < 0 or {right}.code_{whole} < 0 then 0.0"
                f"{agree} else {nothing:.4f} end as DOUBLE)"  # as a stored view shows it again
            )
        return " + ".join(plain) or "0.0"

    def probability_sql(self, evidence: str) -> str:
        """Write the expression of the match probability at some evidence in nats."""
        odds = f"{ODDS_PER_NAT} * ({self.prior:.4f} - ({evidence}))"
        return f"(1 / (1 + exp(greatest(-30, least(30, {odds})))))"

    def columns(self) -> list[str]:
        """List the columns of key_codes that evidence reads."""
        keys = [key for field in self.fields for key in field.keys]
        return [f"{kind}_{key}" for key in keys for kind in ("code", "idf")]


def log_share(share: float) -> float:
    """Give ln of a share, of no less than 1 in 10,000."""
    return float(np.log(max(share, 1e-4)))


def count_records(engine: Engine) -> int:
    """Count the records that pairs are of, in key_codes; the weights may be of another night."""
    (n_records,) = engine.row("select count(*) from key_codes")
    return int(n_records)
