"""Pair weights: what agreement and disagreement in every field say, fitted to the candidates.

pair_evidence.py says how a pair is weighed, fitted_weights.py how the weights are found.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.blocking_section import EMBEDDING
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.fitted_weights import fit_weights
from er_pipeline.blocking.weights.pair_evidence import FieldEvidence, PairWeights, log_share

# Candidates that EM looks at: enough for two digits of every m, 100 MB while they are looked at.
SAMPLED_PAIRS = 300_000

# Gives the match probability of every pair of an engine table (left_no, right_no), in the order of
# the pairs. Reads the engine's cleaned_records.
Scorer = Callable[[DuckDBEngine, str], NDArray[np.float64]]


def weigh_pairs(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, scorer: Scorer | None = None
) -> dict[str, Any]:
    """Estimate how much each agreement and disagreement says; write pair_weights.

    Reads key_codes, record_codes, filtered_blocks, the tables of ready-made pairs and, where there
    are any, labels. scorer: a trained model that tells matches; EM where there is none. Writes
    pair_weights (field, level, key, m, log_m, m_related): level 0 is agreement in nothing,
    m_related the m of related pairs, NULL where there is no such class. Returns the facts kept
    beside it, from which `read_weights` makes them again.

    Raises LakeError if a table was made from other records.
    """
    fingerprint = read_records(engine, lake)
    tables = ["key_codes", "record_codes", "filtered_blocks"]
    tables += ["learned_blocks"] * bool(spec.learns) + ["embedding_blocks"] * bool(spec.embedding)
    for table in tables:
        read_numbered(engine, lake, table, fingerprint)
    n_pairs = lake.facts("filtered_blocks")["pairs"]
    n_pairs += lake.facts("embedding_blocks")["pairs"] if spec.embedding else 0
    sampled, pairs, labelled = "sampled_records", "sampled_pairs", "labelled"
    sample_records(engine, n_pairs, f"{spec.seed}", sampled)
    sample_pairs(engine, _proposals(engine, lake, spec, sampled), spec.link_mode, pairs)
    answers = read_labelled(engine, lake, spec, fingerprint, labelled)
    scores = scorer(engine, pairs) if scorer else None
    weights, estimate = fit_weights(engine, spec.key_choices, pairs, labelled, scores)
    facts: dict[str, Any] = {
        "fingerprint": fingerprint,
        "sampled_pairs": estimate.pairs,
        "expected_matches_in_sample": round(estimate.matches, 1),
        "labels": answers,
        "taught_by_model": estimate.taught,
        "prior": weights.prior,
        "evidence_of_matches": weights.of_matches,
        "n_records": weights.n_records,
        "fields": [asdict(field) for field in weights.fields],
        "related": [list(m) for m in weights.related],
        "encoder": EMBEDDING if spec.encoder else None,
    }
    with lake.writing("pair_weights", facts) as draft:
        engine.make_table(
            "weight_rows",
            "select '' as field, 0::smallint as level, '' as key, 0.0::double as m,"
            " 0.0::double as log_m, null::double as m_related where 1 = 0",
        )
        for place, field in enumerate(weights.fields):
            names = ["nothing", *(spec.key_choices[key].expression for key in field.keys)]
            related = weights.related[place] if weights.related else [None] * len(names)
            for level, (name, m, of) in enumerate(zip(names, field.m, related, strict=True)):
                engine.execute(
                    "insert into weight_rows values (?, ?, ?, ?, ?, ?)",
                    [field.field, level, name, m, log_share(m), of],
                )
        engine.write("select * from weight_rows", draft.file())
    return facts


def read_weights(lake: Lake) -> PairWeights:
    """Take the weights that `weigh_pairs` left in the lake."""
    facts = lake.facts("pair_weights")
    return PairWeights(
        tuple(
            FieldEvidence(
                told["field"],
                tuple(told["keys"]),
                tuple(told["m"]),
                tuple(tuple(of) for of in told["repeats"]),
                tuple(told["swaps"]),
                tuple((place, share) for place, share in told["redundant"]),
            )
            for told in facts["fields"]
        ),
        facts["n_records"],
        facts["prior"],
        facts["evidence_of_matches"],
        tuple(tuple(m) for m in facts["related"]),
    )


def read_labelled(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, fingerprint: str, labelled: str
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
        labelled,
        f"select left_no::integer as left_no, right_no::integer as right_no,"
        f" answer = 'match' as is_match from {source} order by 1, 2",
    )
    counted = engine.row(
        "select count(*) filter (where is_match), count(*) filter (where not is_match)"
        f" from {labelled}"
    )
    return {"matches": counted[0], "non_matches": counted[1]}


def _proposals(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, sampled: str) -> list[str]:
    """Write the queries of (a, b): what is proposed to the sampled records, as a."""
    engine.make_table(
        "sampled_codes",
        f"select * from record_codes where record_no in (select record_no from {sampled})",
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
                f" where l.record_no in (select record_no from {sampled})"
            )
    if spec.embedding:
        for a, b in (("left_no", "right_no"), ("right_no", "left_no")):
            proposals.append(
                f"select {a} as a, {b} as b from embedding_blocks"
                f" where {a} in (select record_no from {sampled})"
            )
    return proposals


def sample_records(engine: DuckDBEngine, n_pairs: int, seed: str, records: str) -> None:
    """Sample as many records as have about `SAMPLED_PAIRS` of n_pairs candidates.

    records: the engine table made (record_no), of the first ones in the order of a hash of their
    number and the seed.
    """
    (n_records,) = engine.row("select count(*) from key_codes")
    share = min(1.0, SAMPLED_PAIRS / max(1, 2 * n_pairs))
    engine.make_table(
        records,
        "select record_no from key_codes"
        f" order by md5(concat({literal(seed)}, ' ', record_no)), record_no"
        f" limit {max(1, round(share * n_records))}",
    )


def sample_pairs(engine: DuckDBEngine, proposals: Sequence[str], mode: str, pairs: str) -> None:
    """Put the candidates of sampled records together, each once.

    pairs: the engine table made (left_no, right_no). proposals: queries of (a, b), a being a
    sampled record; pairs of a record with itself, or when linking within a source, are left out
    here.
    """
    across = (
        " join key_codes as l on l.record_no = least(p.a, p.b) join key_codes as r"
        " on r.record_no = greatest(p.a, p.b) and l.source_no < r.source_no"
        if mode == "link"
        else ""
    )
    proposed = " union all ".join(proposals) or "select 0 as a, 0 as b where 1 = 0"
    engine.make_table(
        pairs,
        "select distinct least(p.a, p.b)::integer as left_no, greatest(p.a, p.b)::integer as"
        f" right_no from ({proposed}) as p{across} where p.a <> p.b order by 1, 2",
    )
