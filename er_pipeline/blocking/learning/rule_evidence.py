"""Rule evidence: the pairs that show what a rule is worth, known matches and probable ones.

For every small set of fields the loosest affordable conjunction makes pairs of sampled records. EM
estimates which of them are matches (fitted_weights.py), or a trained model, if there is one. Judged
pairs, if there are any, stand beside them and count more.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.learning.conjunction_costs import Index, Keys
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.weights.fitted_weights import fit_weights
from er_pipeline.blocking.weights.pair_weights import (
    Scorer,
    pairs_to_sample,
    sample_pairs,
    sample_records,
)

logger = logging.getLogger(__name__)

# Probable matches and other pairs that the search looks at: more change no choice.
EVIDENCE_PAIRS, SEEN_PAIRS = 5_000, 10_000
PROBABLE = 0.5
# Fewer judged matches than this are too few to be held out: they only join the evidence.
LEAST_LABELS = 10
# All probable matches together are worth this share of the judged ones.
WORTH_OF_PROBABLE = 0.5


@dataclass(frozen=True)
class Evidence:
    """The pairs that show what a rule is worth.

    shared: (n_pairs, n_keys), which keys each pair shares. worth: (n_pairs,) of finding it; 0 for
    pairs that are only paid for. entity: (n_pairs,) which entity a match belongs to; pairs of one
    entity are never torn apart between learning and testing. table: engine table of them.
    """

    shared: NDArray[np.bool_]
    worth: NDArray[np.float64]
    entity: NDArray[np.int64]
    table: str


@dataclass(frozen=True)
class GatheredEvidence:
    """What rules are learned from.

    evidence: its judged matches first, n_judged of them. seen: (n_seen, n_keys) keys shared by any
    candidates. probable: engine table (left_no, right_no, probability) of the candidates looked at.
    is_taught: the probabilities are a model's, not those of EM.
    """

    evidence: Evidence
    seen: NDArray[np.bool_]
    n_judged: int
    probable: str
    is_taught: bool

    @property
    def judged(self) -> Evidence:
        """The judged matches alone, each worth the same."""
        shared, entity = (
            self.evidence.shared[: self.n_judged],
            self.evidence.entity[: self.n_judged],
        )
        return Evidence(shared, np.ones(self.n_judged), entity, self.evidence.table)


def gather_evidence(
    engine: Engine,
    index: Index,
    spec: PipelineSpec,
    loosest: Sequence[Keys],
    alone: Sequence[Keys],
    labelled: str,
    round_no: int,
    scorer: Scorer | None,
) -> GatheredEvidence:
    """Gather what shows good rules: judged matches, probable ones, and pairs of any kind.

    loosest: the conjunctions whose pairs are looked at, of so many sampled records as have enough
    of them. alone: keys whose pairs are looked at besides: what other rules make of the pairs of a
    key shows in these. labelled: engine table (left_no, right_no, is_match). scorer: a trained
    model, which gives the probabilities if it has learned what a match is; EM if omitted.
    """
    probable, is_taught = _weigh_candidates(
        engine, index, spec, loosest, alone, labelled, round_no, scorer
    )
    pairs = "evidence_pairs"
    order = f"md5(concat('{spec.seed} ', left_no, ' ', right_no)), left_no, right_no"
    engine.make_table(
        pairs,
        f"""
        select cast(row_number() over (order by judged desc, left_no, right_no) - 1 as integer)
            as pair_no, left_no, right_no, worth, judged
        from (
            select left_no, right_no, 1.0 as worth, true as judged from {labelled} where is_match
            union all select * from (
                select left_no, right_no, probability, false
                from {probable} anti join {labelled} using (left_no, right_no)
                where probability >= {PROBABLE}
                order by {order} limit {EVIDENCE_PAIRS}
            )
        )
        """,
    )
    found = engine.columns(f"select left_no, right_no, worth, judged from {pairs} order by pair_no")
    worth = np.asarray(found["worth"], np.float64)
    is_judged = np.asarray(found["judged"], bool)
    n_judged = int(is_judged.sum())
    if n_judged >= LEAST_LABELS and (~is_judged).any():
        worth[~is_judged] *= WORTH_OF_PROBABLE * n_judged / worth[~is_judged].sum()
    left, right = np.asarray(found["left_no"], np.int64), np.asarray(found["right_no"], np.int64)
    shared = agreement(index, pairs, len(worth))
    evidence = Evidence(shared, worth, _entities(left, right), pairs)
    seen = agreement_of(
        index, f"select left_no, right_no from {probable} order by {order} limit {SEEN_PAIRS}"
    )
    return GatheredEvidence(evidence, seen, n_judged, probable, is_taught)


def _weigh_candidates(
    engine: Engine,
    index: Index,
    spec: PipelineSpec,
    loosest: Sequence[Keys],
    alone: Sequence[Keys],
    labelled: str,
    round_no: int,
    scorer: Scorer | None,
) -> tuple[str, bool]:
    """Make the candidates of sampled records and estimate how probably each is a match.

    Returns the engine table made, see `GatheredEvidence`, and whether the model was listened to.
    """
    records, codes, pairs, probable = (
        "sampled_records",
        "sampled_codes",
        "sampled_pairs",
        "probable",
    )
    n_pairs = sum(index.cost(keys).pairs for keys in loosest)
    fields = {index.choices[key].field for key in index.searched}
    most = pairs_to_sample(len(fields & set(spec.field_kinds)))
    sample_records(engine, n_pairs, f"{spec.seed}-{round_no}", records, most)
    logger.info("looking for probable matches with %s conjunctions", len(loosest) + len(alone))
    engine.make_table(
        codes, f"select * from key_codes where record_no in (select record_no from {records})"
    )
    proposals = [proposal(index, keys, codes) for keys in (*loosest, *alone)]
    sample_pairs(engine, proposals, index.mode, pairs)
    single = [c for i, c in enumerate(index.choices) if i < len(spec.key_choices)]
    scores = scorer(engine, pairs) if scorer else None
    _, estimate = fit_weights(engine, single, pairs, labelled, scores, index.left_out)
    nth = np.arange(1, len(estimate.probability) + 1)
    engine.put("probabilities", {"nth": nth, "probability": estimate.probability})
    engine.make_table(
        probable,
        f"""
        select p.left_no, p.right_no, q.probability from (
            select left_no, right_no, row_number() over (order by left_no, right_no) as nth
            from {pairs}
        ) as p join probabilities as q on q.nth = p.nth
        """,
    )
    return probable, estimate.taught


def proposal(index: Index, keys: Keys, sampled: str) -> str:
    """Write the query of the pairs (a, b) that a conjunction proposes, a being a sampled record.

    sampled: engine table, the rows of key_codes of sampled records.
    """
    names = [f"code_{key}" for key in keys]
    kept = f"select {', '.join(names)} from ({index.blocks_sql(keys)}) where reason is null"
    codes, joins = index.codes_of(keys, "c")
    left, right = (
        f"(select c.record_no, {', '.join(codes)} from {table} as c{joins})"
        for table in (sampled, "key_codes")
    )
    same = " and ".join(f"l.{name} = r.{name}" for name in names)
    whole = " and ".join(f"b.{name} = l.{name}" for name in names)
    return (
        f"select l.record_no as a, r.record_no as b from {left} as l"
        f" join ({kept}) as b on {whole} join {right} as r on {same}"
    )


def agreement(index: Index, pairs: str, n_pairs: int) -> NDArray[np.bool_]:
    """Return which keys each pair shares: (n_pairs, n_keys).

    pairs: engine table (pair_no from 0, left_no, right_no).
    """
    single = [i for i in range(len(index.choices)) if i not in index.listed]
    shared = np.zeros((n_pairs, len(index.choices)), bool)
    if single and n_pairs:
        columns = ", ".join(f"l.code_{i} = r.code_{i} as same_{i}" for i in single)
        found = index.engine.columns(
            f"select {columns} from {pairs} as p join key_codes as l"
            " on l.record_no = p.left_no join key_codes as r on r.record_no = p.right_no"
            " order by p.pair_no"
        )
        for i in single:
            shared[:, i] = found[f"same_{i}"]
    for i, table in index.listed.items():
        found = index.engine.columns(
            f"select distinct p.pair_no from {pairs} as p"
            f" join {table} as l on l.record_no = p.left_no"
            f" join {table} as r on r.record_no = p.right_no and r.code_{i} = l.code_{i}"
        )
        shared[np.asarray(found["pair_no"], np.int64), i] = True
    return shared


def agreement_of(index: Index, pairs: str) -> NDArray[np.bool_]:
    """Return which keys the pairs of a query share: (n_pairs, n_keys)."""
    index.engine.make_table(
        "some_pairs",
        "select cast(row_number() over (order by left_no, right_no) - 1 as integer) as pair_no,"
        f" left_no, right_no from ({pairs})",
    )
    (n_pairs,) = index.engine.row("select count(*) from some_pairs")
    return agreement(index, "some_pairs", n_pairs)


def _entities(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for every pair the smallest record that matches lead to from it."""
    parent: dict[int, int] = {}

    def root(record: int) -> int:
        while parent.setdefault(record, record) != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return np.array([root(a) for a in left.tolist()], np.int64)
