"""Pair weights: what it says that two records share these keys and differ in those.

Every field is one family of evidence. The narrowest key of it that two records share adds its idf,
-ln(share of records that have it), plus ln m, m being the share of matches that agree just so far;
a field that both have and agree in nowhere adds ln m of that; a field that one lacks adds nothing.
That is the Fellegi-Sunter log odds with u taken from how often the very value occurs.

m is estimated by EM on a sample of the candidates. u being fixed by the data, EM cannot settle on
the wrong class, as it does when both are free; a column of noise gets m of disagreement near 1, so
that it neither adds nor takes anything. Judged matches count as what they were judged to be. A
trained model, where there is one, takes the place of EM: it has seen how near the values are.

Source: Fellegi, Sunter, "A Theory for Record Linkage", JASA 64, 1969; Winkler, "Frequency-Based
Matching in Fellegi-Sunter Model of Record Linkage", 2000.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.engine_duckdb import DuckDBEngine, literal
from er_pipeline.blocking.key_choices import KeyChoice
from er_pipeline.blocking.key_codes import IDF_STEPS
from er_pipeline.blocking.lake import Lake
from er_pipeline.blocking.spec import EMBEDDING, PipelineSpec

logger = logging.getLogger(__name__)

# Candidates that EM looks at: enough for two digits of every m, 100 MB while they are looked at.
SAMPLED_PAIRS = 300_000
EM_ROUNDS = 12
# Before any data: four in five matches agree in a field's whole value, one in ten in nothing.
M_WHOLE, M_NOTHING = 0.8, 0.1
# Matches assumed per record. Were it estimated too, loose candidates would raise it round by round
# until all of them are matches.
MATCHES_PER_RECORD = 0.3
# No disagreement counts for more than ln 0.05: a field may be wrong for reasons no sample shows.
LEAST_M_NOTHING = 0.05
# A judged pair counts as much as so many that are only probable.
LABEL_WEIGHT = 10.0
# Between cosine 0 and 1 lies as much as between no evidence and so many unique values, where the
# evidence of a match just suffices; see `PairWeights.cosine_weight`.
COSINE_WEIGHT = 14.0
# When linking, a record has one match or few: rivals count. A pair loses this share of the mean of
# the best weights of its two records; see ranked_pairs.py.
RIVALS_SHARE = 0.8


@dataclass(frozen=True)
class FieldEvidence:
    """How one field speaks: its keys narrow to wide, as numbers of key_codes.

    m: of agreement in nothing, then in each key but in none narrower; they add up to 1.
    repeats: of each key, the places of the fields that it repeats; it counts only beyond them.
    swaps: places of the fields whose values its keys take in either order. It speaks only where
    both of these disagree, and says what they would not.
    """

    field: str
    keys: tuple[int, ...]
    m: tuple[float, ...]
    repeats: tuple[tuple[int, ...], ...] = ()
    swaps: tuple[int, ...] = ()


@dataclass(frozen=True)
class PairWeights:
    """What it takes to weigh a pair.

    n_records: the unit of weight is ln(n_records), the evidence that singles out one record.
    prior: evidence, in nats, at which a pair is as likely a match as not.
    of_matches: mean evidence of the probable matches, in nats.
    """

    fields: tuple[FieldEvidence, ...]
    n_records: int
    prior: float
    of_matches: float = 0.0

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
        there are ten fields or long titles, anything does.
        """
        excess = max(1.0, self.of_matches / self.prior) if self.prior > 0 else 1.0
        return round(COSINE_WEIGHT / excess**2, 4)

    def evidence_sql(self, left: str = "l", right: str = "r") -> str:
        """Write the expression of a pair's evidence in nats, over two rows of key_codes."""
        plain: list[str] = []
        for place, field in enumerate(self.fields):
            agree = ""
            if field.swaps:
                # Where a whole value agrees as it stands, nothing is swapped.
                agree = "".join(
                    f" when {left}.code_{whole} = {right}.code_{whole} then 0.0"
                    for whole in (self.fields[other].keys[0] for other in field.swaps)
                )
            for key, m, repeats in zip(field.keys, field.m[1:], field.repeats, strict=True):
                says = f"{left}.idf_{key} * {1 / IDF_STEPS} + ({_ln(m):.4f})"
                # Fields stand before those that repeat or swap them; see fit_weights.
                assert all(other < place for other in (*repeats, *field.swaps))
                if repeats:
                    said = " + ".join(plain[other] for other in repeats)
                    says = f"greatest(0, {says} - greatest(0, {said}))"
                if field.swaps:
                    said = " + ".join(plain[other] for other in field.swaps)
                    says = f"greatest(0, {says} - ({said}))"
                agree += f" when {left}.code_{key} = {right}.code_{key} then {says}"
            whole = field.keys[0]
            nothing = 0.0 if field.swaps else _ln(max(field.m[0], LEAST_M_NOTHING))
            plain.append(
                f"cast(case when {left}.code_{whole} < 0 or {right}.code_{whole} < 0 then 0.0"
                f"{agree} else {nothing:.4f} end as double)"
            )
        return " + ".join(plain) or "0.0"

    def probability_sql(self, evidence: str) -> str:
        """Write the expression of the match probability at some evidence in nats."""
        return f"(1 / (1 + exp(greatest(-30, least(30, {self.prior:.4f} - ({evidence}))))))"

    def columns(self) -> list[str]:
        """List the columns of key_codes that evidence reads."""
        keys = [key for field in self.fields for key in field.keys]
        return [f"{kind}_{key}" for key in keys for kind in ("code", "idf")]


def _ln(share: float) -> float:
    return float(np.log(max(share, 1e-4)))


# Gives the match probability of every pair of an engine table (left_no, right_no), in the order of
# the pairs. Reads the engine's cleaned_records.
Scorer = Callable[[DuckDBEngine, str], NDArray[np.float64]]


def weigh_pairs(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, scorer: Scorer | None = None
) -> dict[str, Any]:
    """Estimate how much each agreement and disagreement says; write pair_weights.

    Reads key_codes, record_codes, filtered_blocks, the tables of ready-made pairs and, where there
    are any, labels. scorer: a trained model that tells matches; EM where there is none. Writes
    pair_weights (field, level, key, m, log_m): level 0 is agreement in nothing. Returns the facts
    kept beside it, from which `read_weights` makes them again.

    Raises LakeError if a table was made from other records.
    """
    fingerprint = read_records(engine, lake)
    tables = ["key_codes", "record_codes", "filtered_blocks"]
    tables += ["learned_blocks"] * bool(spec.learns) + ["embedding_blocks"] * bool(spec.embedding)
    for table in tables:
        read_numbered(engine, lake, table, fingerprint)
    n_pairs = lake.facts("filtered_blocks")["pairs"]
    n_pairs += lake.facts("embedding_blocks")["pairs"] if spec.embedding else 0
    sample_records(engine, n_pairs, f"{spec.seed}")
    sample_pairs(engine, _proposals(engine, lake, spec), spec.link_mode)
    labelled = read_labelled(engine, lake, spec, fingerprint)
    scores = scorer(engine, "sampled_pairs") if scorer else None
    weights, estimate = fit_weights(engine, spec.key_choices, "sampled_pairs", labelled, scores)
    facts: dict[str, Any] = {
        "fingerprint": fingerprint,
        "sampled_pairs": estimate.pairs,
        "expected_matches_in_sample": round(estimate.matches, 1),
        "labels": labelled,
        "taught_by_model": scorer is not None,
        "prior": weights.prior,
        "evidence_of_matches": weights.of_matches,
        "n_records": weights.n_records,
        "fields": [
            [f.field, list(f.keys), list(f.m), [list(of) for of in f.repeats], list(f.swaps)]
            for f in weights.fields
        ],
        "encoder": EMBEDDING if spec.encoder else None,
    }
    with lake.writing("pair_weights", facts) as draft:
        engine.make_table(
            "weight_rows",
            "select '' as field, 0::smallint as level, '' as key, 0.0::double as m,"
            " 0.0::double as log_m where 1 = 0",
        )
        for field in weights.fields:
            names = ["nothing", *(spec.key_choices[key].expression for key in field.keys)]
            for level, (name, m) in enumerate(zip(names, field.m, strict=True)):
                engine.execute(
                    "insert into weight_rows values (?, ?, ?, ?, ?)",
                    [field.field, level, name, m, _ln(m)],
                )
        engine.write("select * from weight_rows", draft.file())
    return facts


def read_weights(lake: Lake) -> PairWeights:
    """Take the weights that `weigh_pairs` left in the lake."""
    facts = lake.facts("pair_weights")
    return PairWeights(
        tuple(
            FieldEvidence(
                name, tuple(keys), tuple(m), tuple(tuple(of) for of in repeats), tuple(swaps)
            )
            for name, keys, m, repeats, swaps in facts["fields"]
        ),
        facts["n_records"],
        facts["prior"],
        facts["evidence_of_matches"],
    )


def read_labelled(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, fingerprint: str
) -> dict[str, int]:
    """Make the engine table `labelled` (left_no, right_no, is_match) of the judged pairs.

    Pairs judged unsure are left out. Returns how many matches and non-matches there are.
    """
    has_labels = spec.labels is not None and lake.has("labels")
    if has_labels:
        read_numbered(engine, lake, "labels", fingerprint)
        source = "labels where answer in ('match', 'no_match')"
    else:
        source = "(select 0 as left_no, 0 as right_no, '' as answer) where 1 = 0"
    engine.make_table(
        "labelled",
        f"select left_no::integer as left_no, right_no::integer as right_no,"
        f" answer = 'match' as is_match from {source} order by 1, 2",
    )
    counted = engine.row(
        "select count(*) filter (where is_match), count(*) filter (where not is_match)"
        " from labelled"
    )
    return {"matches": counted[0], "non_matches": counted[1]}


def _proposals(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> list[str]:
    """Write the queries of (a, b): what is proposed to the sampled records, as a."""
    engine.make_table(
        "sampled_codes",
        "select * from record_codes where record_no in (select record_no from sampled_records)",
    )
    proposals = [
        "select l.record_no as a, r.record_no as b from sampled_codes as l join record_codes as r"
        f" on l.code_{i} = r.code_{i}"
        for i in range(lake.facts("record_codes")["codes"])
    ]
    listed = [strategy.name for strategy in spec.strategy_conjunctions if strategy.is_list]
    for table, column, names in (
        ("filtered_blocks", "strategy", listed),
        ("learned_blocks", "rule", lake.facts("record_codes")["listed_rules"]),
    ):
        for name in names:
            blocks = f"(select record_no, block_no from {table} where {column} = {literal(name)})"
            proposals.append(
                f"select l.record_no as a, r.record_no as b from {blocks} as l"
                f" join {blocks} as r on l.block_no = r.block_no"
                " where l.record_no in (select record_no from sampled_records)"
            )
    if spec.embedding:
        for a, b in (("left_no", "right_no"), ("right_no", "left_no")):
            proposals.append(
                f"select {a} as a, {b} as b from embedding_blocks"
                f" where {a} in (select record_no from sampled_records)"
            )
    return proposals


def sample_records(engine: DuckDBEngine, n_pairs: int, seed: str) -> None:
    """Make sampled_records, as many as have about `SAMPLED_PAIRS` of n_pairs candidates.

    They are the first ones in the order of a hash of their number and the seed.
    """
    (n_records,) = engine.row("select count(*) from key_codes")
    share = min(1.0, SAMPLED_PAIRS / max(1, 2 * n_pairs))
    engine.make_table(
        "sampled_records",
        "select record_no from key_codes"
        f" order by md5(concat({literal(seed)}, ' ', record_no)), record_no"
        f" limit {max(1, round(share * n_records))}",
    )


def sample_pairs(engine: DuckDBEngine, proposals: Sequence[str], mode: str) -> None:
    """Make sampled_pairs (left_no, right_no): the candidates of the sampled records, each once.

    proposals: queries of (a, b), a being a sampled record; pairs of a record with itself, or when
    linking within a source, are left out here.
    """
    across = (
        " join key_codes as l on l.record_no = least(p.a, p.b) join key_codes as r"
        " on r.record_no = greatest(p.a, p.b) and l.source_no < r.source_no"
        if mode == "link"
        else ""
    )
    proposed = " union all ".join(proposals) or "select 0 as a, 0 as b where 1 = 0"
    engine.make_table(
        "sampled_pairs",
        "select distinct least(p.a, p.b)::integer as left_no, greatest(p.a, p.b)::integer as"
        f" right_no from ({proposed}) as p{across} where p.a <> p.b order by 1, 2",
    )


@dataclass(frozen=True)
class Estimate:
    """What EM found: pairs looked at, matches expected among them, and each pair's probability."""

    pairs: int
    matches: float
    probability: NDArray[np.float64]


def fit_weights(
    engine: DuckDBEngine,
    choices: Sequence[KeyChoice],
    pairs: str,
    labelled: Mapping[str, int],
    scores: NDArray[np.float64] | None = None,
) -> tuple[PairWeights, Estimate]:
    """Estimate m of every field by EM with u fixed, or from the scores of a model.

    pairs: engine table (left_no, right_no), without repeats, in this order. scores: (n_pairs,)
    match probabilities, where a model tells them. Reads the engine's key_codes and labelled, whose
    counts are given.
    """
    by_field: dict[str, list[int]] = {}
    # Fields that others repeat or swap come first, so that what they say is known by then.
    for i in sorted(range(len(choices)), key=lambda i: (_repeats(choices, i), i)):
        by_field.setdefault(choices[i].field, []).append(i)
    names = list(by_field)
    repeats = [
        [tuple(names.index(name) for name in choices[key].repeats) for key in keys]
        for keys in by_field.values()
    ]
    swaps = [
        tuple(names.index(name) for name in choices[keys[0]].swaps) for keys in by_field.values()
    ]
    (n_records,) = engine.row("select count(*) from key_codes")
    fields = list(zip(by_field.values(), swaps, strict=True))
    levels, idf = _agreement(engine, fields, f"select left_no, right_no from {pairs}")
    known, _ = _agreement(engine, fields, "select left_no, right_no from labelled where is_match")
    n_levels = [len(keys) + 1 for keys in by_field.values()]
    m = [_first_m(n) for n in n_levels]
    prior = float(np.log(max(n_records, 3) / MATCHES_PER_RECORD))
    evidence = probability = np.zeros(len(levels))
    for _ in range(EM_ROUNDS):
        evidence = _evidence(levels, idf, m, repeats, swaps).sum(axis=1)
        probability = 1 / (1 + np.exp(np.clip(prior - evidence, -30, 30)))
        if scores is not None:
            probability = scores
        for f, n in enumerate(n_levels):
            filled = levels[:, f] >= 0
            counts = np.bincount(levels[filled, f], weights=probability[filled], minlength=n)
            judged = known[known[:, f] >= 0, f]
            counts = counts + LABEL_WEIGHT * np.bincount(judged, minlength=n)
            m[f] = (counts + _first_m(n)) / (counts.sum() + 1)
    evidence_of = tuple(
        FieldEvidence(field, tuple(keys), tuple(round(float(s), 6) for s in shares), tuple(of), to)
        for (field, keys), shares, of, to in zip(by_field.items(), m, repeats, swaps, strict=True)
    )
    of_matches = float((evidence * probability).sum() / max(probability.sum(), 1e-9))
    weights = PairWeights(evidence_of, n_records, round(prior, 6), round(of_matches, 3))
    return weights, Estimate(len(levels), float(probability.sum()), probability)


def _repeats(choices: Sequence[KeyChoice], i: int) -> bool:
    of_field = [choice for choice in choices if choice.field == choices[i].field]
    return any(choice.repeats or choice.swaps for choice in of_field)


def _evidence(
    levels: NDArray[np.int8],
    idf: NDArray[np.float32],
    m: Sequence[NDArray[np.float64]],
    repeats: Sequence[Sequence[tuple[int, ...]]],
    swaps: Sequence[tuple[int, ...]],
) -> NDArray[np.float64]:
    """Give (n_pairs, n_fields) nats; the same as `PairWeights.evidence_sql`, for EM."""
    evidence = np.zeros(levels.shape)
    for f, shares in enumerate(m):
        level = levels[:, f]
        logs = np.log(np.maximum(shares, 1e-4))
        logs[0] = max(logs[0], np.log(LEAST_M_NOTHING))
        says = np.where(level < 0, 0.0, logs[np.maximum(level, 0)] + idf[:, f])
        for nth, others in enumerate(repeats[f]):
            if others:
                here = level == nth + 1
                said = np.maximum(0, evidence[:, others].sum(axis=1))
                says = np.where(here, np.maximum(0, says - said), says)
        if swaps[f]:
            said = evidence[:, swaps[f]].sum(axis=1)
            says = np.where(level > 0, np.maximum(0, says - said), 0.0)
        evidence[:, f] = says
    return evidence


def _first_m(n_levels: int) -> NDArray[np.float64]:
    """Give m before any data: whole value, nothing, and the rest shared by the keys between."""
    m = np.full(n_levels, (1 - M_WHOLE - M_NOTHING) / max(1, n_levels - 2))
    m[:2] = M_NOTHING, M_WHOLE
    shares: NDArray[np.float64] = m / m.sum()
    return shares


def _agreement(
    engine: DuckDBEngine, fields: Sequence[tuple[Sequence[int], tuple[int, ...]]], pairs: str
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Give (n_pairs, n_fields) levels and their idf in nats; level -1 is a missing value.

    fields: of each the keys, narrow to wide, and the places of the fields that it swaps.
    """
    columns = []
    for f, (keys, swapped) in enumerate(fields):
        missing = f"when l.code_{keys[0]} < 0 or r.code_{keys[0]} < 0"
        straight = "".join(
            f" when l.code_{whole} = r.code_{whole} then 0"
            for whole in (fields[other][0][0] for other in swapped)
        )
        level = "".join(f" when l.code_{k} = r.code_{k} then {i + 1}" for i, k in enumerate(keys))
        idf = "".join(f" when l.code_{k} = r.code_{k} then l.idf_{k}" for k in keys)
        columns.append(
            f"cast(case {missing} then -1{straight}{level} else 0 end as tinyint) as level_{f}"
        )
        columns.append(
            f"cast(case {missing} then 0{straight}{idf} else 0 end as tinyint) as idf_{f}"
        )
    found = engine.con.execute(
        f"select {', '.join(columns)} from ({pairs}) as p"
        " join key_codes as l on l.record_no = p.left_no"
        " join key_codes as r on r.record_no = p.right_no order by p.left_no, p.right_no"
    ).fetchnumpy()
    n_fields = len(fields)
    levels = np.stack([np.asarray(found[f"level_{f}"], np.int8) for f in range(n_fields)], axis=1)
    steps = np.stack([np.asarray(found[f"idf_{f}"], np.float32) for f in range(n_fields)], axis=1)
    nats: NDArray[np.float32] = (steps / IDF_STEPS).astype(np.float32)
    return levels, nats
