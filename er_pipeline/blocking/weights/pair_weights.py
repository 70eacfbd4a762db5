"""Pair weights: what agreement and disagreement in every field say, fitted to the candidates.

pair_evidence.py says how a pair is weighed, fitted_weights.py how the weights are found.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.blocks.filtered_facts import filtered_facts
from er_pipeline.blocking.blocks.record_codes import codes_facts
from er_pipeline.blocking.neighbours.embedding_blocks import neighbour_facts
from er_pipeline.blocking.records.learned_from import learned_from
from er_pipeline.blocking.spec.blocking_section import EMBEDDING
from er_pipeline.blocking.spec.learned import LearnedFrom
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Grid, Shown, numbers
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.stamps import code_version
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import (
    LEFT_NO,
    RIGHT_NO,
    Column,
    Facts,
    Table,
    arrow_of,
)
from er_pipeline.blocking.tables.views import all_columns
from er_pipeline.blocking.weights.fitted_weights import fit_weights
from er_pipeline.blocking.weights.pair_evidence import FieldEvidence, PairWeights, log_share

# Candidates that EM looks at: enough for two digits of every m, 100 MB while they are looked at.
# Fewer where there are more fields than this, so that time and memory do not grow with them.
SAMPLED_PAIRS, FIELDS_OF_SAMPLE = 300_000, 30

# Gives the match probability of every pair of an engine table (left_no, right_no), in the order of
# the pairs. Reads the engine's cleaned_records.
Scorer = Callable[[Engine, str], NDArray[np.float64]]
# Makes the scorer of the model that lies in a lake. Matching stands above blocking, so it is handed
# down to the steps that a model teaches.
ScorerOf = Callable[[Lake], Scorer | None]

WEIGHT_COLUMNS = (
    Column("field", "VARCHAR", "The field that speaks"),
    Column("level", "SMALLINT", "0: agreement in nothing; then narrow to wide", minimum=0),
    Column("key", "VARCHAR", "The narrowest key that is shared, or nothing"),
    Column("m", "DOUBLE", "Share of the matches that agree just so far", minimum=0),
    Column("log_m", "DOUBLE", "Its logarithm; idf comes on top, value by value"),
    Column(
        "m_related",
        "DOUBLE",
        "The same share of pairs of relatives, where the data show such a class",
        required=False,
    ),
)
LABELLED = (LEFT_NO, RIGHT_NO, Column("is_match", "BOOLEAN", "Whether it was judged a match"))


class WeightFacts(TypedDict):
    """What is noted beside pair_weights: the weights themselves, and what they were found from.

    fields: as `FieldEvidence`. related: of every field m among related pairs, if there are any.
    """

    sampled_pairs: int
    expected_matches_in_sample: float
    labels: dict[str, int]
    taught_by_model: bool
    prior: float
    evidence_of_matches: float
    n_records: int
    fields: list[dict[str, Any]]
    related: list[list[float]]
    encoder: str | None
    learned_from: LearnedFrom


def steps(spec: PipelineSpec, scorer: ScorerOf | None = None) -> list[Step]:
    """Declare the step that finds what agreement says, where pairs are weighed.

    scorer: makes that of a trained model, where one teaches.
    """
    if not spec.weights:
        return []
    reads = ["cleaned_records", "key_codes", "record_codes", "filtered_blocks"]
    if spec.learns:
        reads.append("learned_blocks")
    if spec.embedding:
        reads.append("embedding_blocks")
    if spec.labels:
        reads.append("labels")
    if scorer:
        reads += ["em_model", "term_frequencies"]
    table = Table(
        "pair_weights",
        "How much each agreement and disagreement says, by field.",
        WEIGHT_COLUMNS,
        all_columns("pair_weights"),
        stays_in_force=spec.keeps_learned,
    )
    choices = [
        [choice.field, choice.expression, choice.repeats, choice.swaps]
        for choice in spec.key_choices
    ]
    listed = [strategy.name for strategy in spec.strategy_conjunctions if strategy.is_list]
    encoder = EMBEDDING if spec.encoder else None
    return [
        Step(
            writes=[table],
            reads=reads,
            settings=[choices, listed, spec.link_mode, spec.seed, encoder, code_of(scorer)],
            run=partial(weigh_pairs, spec=spec, scorer=scorer),
            stage="pairs",
            show=_show,
            tolerates=["em_model", "term_frequencies"] if scorer else [],
        )
    ]


def code_of(scorer: ScorerOf | None) -> str | None:
    """Return the version of a scorer's code, which shapes what the step makes it is handed to."""
    if scorer is None:
        return None
    made_by = scorer.func if isinstance(scorer, partial) else scorer
    return code_version(made_by.__module__)


def weigh_pairs(
    engine: Engine, lake: Lake, spec: PipelineSpec, scorer: ScorerOf | None = None
) -> Facts:
    """Estimate how much each agreement and disagreement says; write pair_weights.

    Reads cleaned_records, key_codes, record_codes, filtered_blocks, the tables of ready-made pairs
    and, where there are any, labels. scorer: makes that of a trained model, which says what
    matches; without one EM does. Writes pair_weights (field, level, key, m, log_m, m_related):
    level 0 is agreement in nothing, m_related the m of related pairs, NULL where there is no such
    class.
    Returns the facts kept beside it, from which `read_weights` makes the weights again.
    """
    tables = ["cleaned_records", "key_codes", "record_codes", "filtered_blocks"]
    if spec.learns:
        tables.append("learned_blocks")
    if spec.embedding:
        tables.append("embedding_blocks")
    for table in tables:
        lake.open(engine, table)
    n_pairs = filtered_facts(lake)["pairs"]
    n_pairs += neighbour_facts(lake)["pairs"] if spec.embedding else 0
    sampled, pairs, labelled = "sampled_records", "sampled_pairs", "labelled"
    sample_records(engine, n_pairs, f"{spec.seed}", sampled, pairs_to_sample(len(spec.field_kinds)))
    sample_pairs(engine, _proposals(engine, lake, spec, sampled), spec.link_mode, pairs)
    answers = read_labelled(engine, lake, spec, labelled)
    score = scorer(lake) if scorer else None
    scores = score(engine, pairs) if score else None
    weights, estimate = fit_weights(engine, spec.key_choices, pairs, labelled, scores)
    facts = WeightFacts(
        sampled_pairs=estimate.pairs,
        expected_matches_in_sample=round(estimate.matches, 1),
        labels=answers,
        taught_by_model=estimate.taught,
        prior=weights.prior,
        evidence_of_matches=weights.of_matches,
        n_records=weights.n_records,
        fields=[asdict(field) for field in weights.fields],
        related=[list(m) for m in weights.related],
        encoder=EMBEDDING if spec.encoder else None,
        learned_from=learned_from(engine, spec.field_kinds),
    )
    with lake.writing("pair_weights", facts) as draft:
        engine.put("weight_rows", arrow_of(WEIGHT_COLUMNS, _weight_rows(spec, weights)))
        engine.write("select * from weight_rows", draft.file())
        return dict(draft.facts)


def _weight_rows(spec: PipelineSpec, weights: PairWeights) -> list[tuple[Any, ...]]:
    rows = []
    for place, field in enumerate(weights.fields):
        names = ["nothing", *(spec.key_choices[key].expression for key in field.keys)]
        related = weights.related[place] if weights.related else [None] * len(names)
        for level, (name, m, of) in enumerate(zip(names, field.m, related, strict=True)):
            rows.append((field.field, level, name, m, log_share(m), of))
    return rows


def _show(facts: Facts) -> Mapping[str, Shown]:
    rows = []
    for field in facts["fields"]:
        shares = (field["m"][1], sum(field["m"][2:]), field["m"][0])
        rows.append([field["field"], *(f"{share:.1%}" for share in shares)])
    header = ["field", "m: whole value", "m: a wider key", "m: nothing"]
    if facts["related"]:
        header.append("relatives: nothing")
        rows = [[*row, f"{m[0]:.1%}"] for row, m in zip(rows, facts["related"], strict=True)]
    return {**numbers(facts), "fields": Grid(header, rows)}


def weight_facts(lake: Lake) -> WeightFacts:
    """Read what is noted beside pair_weights."""
    return cast(WeightFacts, lake.facts("pair_weights"))


def read_weights(lake: Lake) -> PairWeights:
    """Take the weights that `weigh_pairs` left in the lake."""
    return weights_of(weight_facts(lake))


def weights_of(facts: Mapping[str, Any]) -> PairWeights:
    """Make the weights of what is noted beside pair_weights, see `WeightFacts`."""
    return PairWeights(
        tuple(
            FieldEvidence(
                noted["field"],
                tuple(noted["keys"]),
                tuple(noted["m"]),
                tuple(tuple(of) for of in noted["repeats"]),
                tuple(noted["swaps"]),
                tuple((place, share) for place, share in noted["redundant"]),
            )
            for noted in facts["fields"]
        ),
        facts["n_records"],
        facts["prior"],
        facts["evidence_of_matches"],
        tuple(tuple(m) for m in facts["related"]),
    )


def read_labelled(engine: Engine, lake: Lake, spec: PipelineSpec, labelled: str) -> dict[str, int]:
    """Make the engine table `labelled` (left_no, right_no, is_match) of the judged pairs.

    Pairs judged unsure are left out; without labels it is empty.
    Returns how many matches and non-matches there are.
    """
    if spec.labels is None:
        engine.put(labelled, arrow_of(LABELLED))
        return {"matches": 0, "non_matches": 0}
    lake.open(engine, "labels")
    engine.make_table(
        labelled,
        "select left_no, right_no, answer = 'match' as is_match from labels"
        " where answer in ('match', 'no_match') order by left_no, right_no",
    )
    matches, non_matches = engine.row(
        "select count(*) filter (where is_match), count(*) filter (where not is_match)"
        f" from {labelled}"
    )
    return {"matches": matches, "non_matches": non_matches}


def _proposals(engine: Engine, lake: Lake, spec: PipelineSpec, sampled: str) -> list[str]:
    """Write the queries of (a, b): what is proposed to the sampled records, as a."""
    codes = codes_facts(lake)
    engine.make_table(
        "sampled_codes",
        f"select * from record_codes where record_no in (select record_no from {sampled})",
    )
    proposals = [
        "select l.record_no as a, r.record_no as b from sampled_codes as l join record_codes as r"
        f" on l.code_{i} = r.code_{i}"
        for i in range(codes["codes"])
    ]
    listed = [strategy.name for strategy in spec.strategy_conjunctions if strategy.is_list]
    for table, column, names in (
        ("filtered_blocks", "strategy", listed),
        ("learned_blocks", "rule", codes["listed_rules"]),
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


def pairs_to_sample(n_fields: int) -> int:
    """Return how many candidates EM looks at."""
    return round(SAMPLED_PAIRS * min(1.0, FIELDS_OF_SAMPLE / max(1, n_fields)))


def sample_records(engine: Engine, n_pairs: int, seed: str, records: str, most: int) -> None:
    """Sample as many records as have about `most` of n_pairs candidates.

    records: the engine table made (record_no), of the first ones in the order of a hash of their
    number and the seed.
    """
    (n_records,) = engine.row("select count(*) from key_codes")
    share = min(1.0, most / max(1, 2 * n_pairs))
    engine.make_table(
        records,
        "select record_no from key_codes"
        f" order by md5({literal(f'{seed} ')} || cast(record_no as varchar)), record_no"
        f" limit {max(1, round(share * n_records))}",
    )


def sample_pairs(engine: Engine, proposals: Sequence[str], mode: str, pairs: str) -> None:
    """Put the candidates of sampled records together, each once.

    pairs: the engine table made (left_no, right_no). proposals: queries of (a, b), a being a
    sampled record; pairs of a record with itself, or when linking within a source, are left out
    here.
    """
    across = ""
    if mode == "link":
        across = (
            " join key_codes as l on l.record_no = least(p.a, p.b) join key_codes as r"
            " on r.record_no = greatest(p.a, p.b) and l.source_no < r.source_no"
        )
    if not proposals:
        engine.put(pairs, arrow_of([LEFT_NO, RIGHT_NO]))
        return
    engine.make_table(
        pairs,
        "select distinct least(p.a, p.b)::integer as left_no, greatest(p.a, p.b)::integer as"
        f" right_no from ({' union all '.join(proposals)}) as p{across}"
        " where p.a <> p.b order by 1, 2",
    )
