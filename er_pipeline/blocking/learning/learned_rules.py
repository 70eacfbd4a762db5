"""Learned rules: which conjunctions to block by, from labels or from the data alone.

1. Evidence is gathered: judged matches and probable ones (rule_evidence.py). The confident scores
   of a trained model, if there is one, are written down as weak labels.
2. Conjunctions are chosen that find these matches for the fewest pairs (rule_search.py), or as
   the lexicographic ranking has it (lexicographic_search.py).
3. Where enough is judged, their recall is estimated on entities held out (held_out_recall.py).
"""

import logging
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.learning.conjunction_costs import Index, Keys, Sample
from er_pipeline.blocking.learning.held_out_recall import HeldOut, Learner, hold_out
from er_pipeline.blocking.learning.lexicographic_search import search_lexicographically
from er_pipeline.blocking.learning.rule_candidates import candidates, loosest_affordable
from er_pipeline.blocking.learning.rule_evidence import (
    LEAST_LABELS,
    GatheredEvidence,
    agreement_of,
    gather_evidence,
)
from er_pipeline.blocking.learning.rule_keys import (
    Banned,
    declared_conjunctions,
    open_index,
    pinned_conjunctions,
)
from er_pipeline.blocking.learning.rule_limits import Limits, limits_of
from er_pipeline.blocking.learning.rule_search import Rule, RuleSearch
from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.spec.learned import LearnedFacts, LearnedRule
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, quoted
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.key_choices import listed_choices
from er_pipeline.blocking.weights.pair_weights import Scorer, read_labelled

logger = logging.getLogger(__name__)

# A model's score of at least this is a weak label, and so is its opposite.
SURE = 0.99


def learn_rules(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, scorer: Scorer | None = None
) -> dict[str, Any]:
    """Choose the blocking rules of a dataset.

    Reads cleaned_records, key_codes and, if there are any, labels. scorer: a trained model that
    knows probable matches; its confident scores are written to weak_labels (left_no, right_no,
    match_probability), apart from what people judged. Writes learned_rules (see contracts.py), best
    first, and blocks_train, the forward index of a seeded sample: one row per sampled record, one
    column per key. A new number of labels is a new round, with its own sample.
    Returns the facts kept beside learned_rules, `LearnedFacts`: the rules, and recall with its 95%
    interval on held-out entities.

    Raises InputError if the lexicographic ranking has no judged match to learn from.
    """
    learning = spec.learns
    assert learning is not None
    fingerprint = read_records(engine, lake)
    read_numbered(engine, lake, "key_codes", fingerprint)
    engine.execute("alter view key_codes rename to key_codes_file")
    engine.make_table("key_codes", "from key_codes_file order by record_no")
    labelled, sampled = "labelled", "train_records"
    answers = read_labelled(engine, lake, spec, fingerprint, labelled)
    if learning.ranking == "lexicographic" and not answers["matches"]:
        raise InputError(
            "learning: ranking lexicographic needs judged matches, and there is none yet; judge"
            " some with er-pipeline label, or write ranking: budgeted"
        )
    index = open_index(engine, spec, learning)
    round_no = answers["matches"] + answers["non_matches"]
    _draw_records(engine, f"{learning.seed} {round_no} ", learning.sample, labelled, sampled)
    sample = Sample.of(index, sampled)
    banned = Banned.of(spec, learning, index.choices)
    pinned = pinned_conjunctions(index, spec, learning)
    declared = declared_conjunctions(index, spec)
    limits = limits_of(spec, learning, index, sample, declared)
    loosest, alone = _looked_at(index, sample, limits, banned)
    gathered = gather_evidence(engine, index, spec, loosest, alone, labelled, round_no, scorer)
    if scorer:
        _write_weak_labels(engine, lake, fingerprint, gathered)
    if learning.ranking == "lexicographic":
        n_covered = learning.n_covered or limits.pairs
        learn = _lexicographic(index, sample, gathered, limits, banned, pinned, labelled, n_covered)
        is_tested = True
    else:
        learn = _budgeted(index, sample, gathered, limits, banned, pinned, declared)
        is_tested = gathered.n_judged >= LEAST_LABELS
    rules = learn(np.ones(gathered.n_judged, bool))
    held_out = hold_out(index, gathered.judged, learn, learning.seed) if is_tested else None
    low, high = interval(held_out.found, held_out.entities) if held_out else (None, None)
    facts: LearnedFacts = {
        "fingerprint": fingerprint,
        "rules": _list_rules(spec, index, rules, held_out, labelled),
        "ranking": learning.ranking,
        "seed": learning.seed,
        "pairs": sum(rule.pairs for rule in rules),
        "max_pairs_of_rule": limits.pairs_of_rule,
        "taught_by_model": gathered.is_taught,
        "conjunctions_counted": len(index.costs),
        "labelled_matches": answers["matches"],
        "labelled_non_matches": answers["non_matches"],
        "evidence_found": float(sum(rule.new_worth for rule in rules)),
        "held_out_entities": held_out.entities if held_out else 0,
        "recall": held_out.recall if held_out and held_out.entities else None,
        "recall_low": low,
        "recall_high": high,
    }
    with lake.writing("blocks_train", {"fingerprint": fingerprint}) as draft:
        engine.write(_train_sql(engine, spec, sampled), draft.file())
    _write_rules(engine, lake, facts)
    return dict(facts)


def _draw_records(engine: DuckDBEngine, seed: str, n: int, labelled: str, records: str) -> None:
    """Make the table of records (record_no) to learn from: n by a hash, and all that are judged."""
    engine.make_table(
        records,
        f"""
        select record_no from (
            select record_no from key_codes
            order by md5(concat('{seed}', record_no)), record_no
            limit {n}
        ) union select left_no from {labelled} union select right_no from {labelled}
        """,
    )


def _looked_at(
    index: Index, sample: Sample, limits: Limits, banned: Banned
) -> tuple[list[Keys], list[Keys]]:
    """Choose the conjunctions whose pairs are looked at, and the keys that are besides."""
    most = limits.pairs_of_rule
    loosest = list(loosest_affordable(index, sample, most, min(2, limits.k), banned))
    if not loosest:
        loosest = list(loosest_affordable(index, sample, most, limits.k, banned))
    # Keys affordable alone, too: what of theirs other rules make shows in their own pairs.
    alone: list[Keys] = [(key,) for key in range(len(index.choices)) if not banned((key,))]
    return loosest, [k for k in alone if k not in loosest and 0 < index.cost(k).pairs <= most]


def _budgeted(
    index: Index,
    sample: Sample,
    gathered: GatheredEvidence,
    limits: Limits,
    banned: Banned,
    pinned: Sequence[Keys],
    declared: Sequence[Keys],
) -> Learner:
    """Prepare the budgeted search."""
    evidence, n_judged = gathered.evidence, gathered.n_judged
    options = candidates(index, sample, evidence, limits, banned)
    options += [keys for keys in (*pinned, *declared) if keys not in options]
    options = list(dict.fromkeys(options))
    search = RuleSearch(index, sample, evidence, gathered.seen, options, limits)
    logger.info("choosing among %s conjunctions", f"{len(options):,}")
    is_judged = (np.arange(len(evidence.worth)) < n_judged).astype(float)

    def learn(part: NDArray[np.bool_]) -> list[Rule]:
        # With their judged pairs, the probable ones of tested entities are out of sight.
        tested = evidence.entity[:n_judged][~part]
        known = (~np.isin(evidence.entity, tested)).astype(float)
        return search.choose(is_judged * known, evidence.worth * known, pinned, declared)

    return learn


def _lexicographic(
    index: Index,
    sample: Sample,
    gathered: GatheredEvidence,
    limits: Limits,
    banned: Banned,
    pinned: Sequence[Keys],
    labelled: str,
    n_covered: int,
) -> Learner:
    """Prepare the lexicographic search, which looks at judged pairs alone."""
    judged = gathered.judged
    negatives = agreement_of(index, f"select left_no, right_no from {labelled} where not is_match")

    def learn(part: NDArray[np.bool_]) -> list[Rule]:
        return search_lexicographically(
            index, sample, judged, part, negatives, limits, n_covered, banned, pinned
        )

    return learn


def _list_rules(
    spec: PipelineSpec,
    index: Index,
    rules: Sequence[Rule],
    held_out: HeldOut | None,
    labelled: str,
) -> list[LearnedRule]:
    """List the facts of every rule, with a name that no strategy has."""
    taken = {strategy.lower() for strategy in spec.proposers}
    judged = agreement_of(index, f"select left_no, right_no from {labelled} where is_match")
    wrong = agreement_of(index, f"select left_no, right_no from {labelled} where not is_match")
    listed: list[LearnedRule] = []
    for rule in rules:
        keys = [index.choices[key].key for key in rule.keys]
        expressions = [key.expression for key in keys]
        name = rule_name(expressions, taken)
        taken.add(name)
        tested = held_out.by_rule.get(rule.keys) if held_out else None
        recall = (tested[0] / tested[1], *interval(*tested)) if tested and tested[1] else None
        listed.append(
            {
                "rule": name,
                "expressions": expressions,
                # What DuckDB computes; functions of our own over distinct values keep their name.
                "sql": " and ".join(key.expression if key.lookups else key.sql for key in keys),
                "source_columns": sorted({c for key in keys for c in key.source_columns}),
                "origin": rule.origin,
                "matches_found": int(judged[:, rule.keys].all(axis=1).sum()),
                "non_matches_made": int(wrong[:, rule.keys].all(axis=1).sum()),
                "evidence_found": rule.worth,
                "evidence_new": rule.new_worth,
                "recall": recall,
                "pairs": rule.pairs,
                "new_pairs": rule.new_pairs,
                "largest_block": rule.largest,
            }
        )
    return listed


def rule_name(expressions: Sequence[str], taken: set[str]) -> str:
    """Name a rule after its keys: left(last_name, 4), phone is last_name_left_4_phone."""
    parts = []
    for expression in expressions:
        words = re.findall(r"[A-Za-z0-9_]+", expression)
        depth = expression.count("(")
        functions, arguments = words[:depth], words[depth:]
        parts.append("_".join([*arguments[:1], *reversed(functions), *arguments[1:]]))
    name = re.sub(r"_+", "_", "__".join(parts)).strip("_").lower()[:56]
    name = name if name[0].isalpha() else f"rule_{name}"
    unique, n = name, 2
    while unique in taken:
        unique, n = f"{name}_{n}", n + 1
    return unique


def _write_weak_labels(
    engine: DuckDBEngine, lake: Lake, fingerprint: str, gathered: GatheredEvidence
) -> None:
    """Write the pairs of which the model is sure, of those that were looked at.

    Where it was not listened to there are none.
    """
    with lake.writing("weak_labels", {"fingerprint": fingerprint}) as draft:
        engine.write(
            f"""
            select left_no, right_no, probability as match_probability from {gathered.probable}
            where {gathered.is_taught} and (probability >= {SURE} or probability <= {1 - SURE})
            order by left_no, right_no
            """,
            draft.file(),
        )


def _write_rules(engine: DuckDBEngine, lake: Lake, facts: LearnedFacts) -> None:
    """Write learned_rules, one row per rule."""
    with lake.writing("learned_rules", facts) as draft:
        engine.execute(
            "create or replace table rule_rows (rule_no integer, rule varchar, expression varchar,"
            " sql varchar, source_columns varchar[], origin varchar, support bigint,"
            " non_matches bigint, evidence_found double, evidence_new double, recall double,"
            " recall_low double, recall_high double, pairs bigint, new_pairs bigint,"
            " largest_block bigint, seed bigint)"
        )
        for i, rule_facts in enumerate(facts["rules"]):
            held = rule_facts["recall"] or (None, None, None)
            engine.execute(
                f"insert into rule_rows values ({', '.join('?' * 17)})",
                [
                    i,
                    rule_facts["rule"],
                    " and ".join(rule_facts["expressions"]),
                    rule_facts["sql"],
                    rule_facts["source_columns"],
                    rule_facts["origin"],
                    rule_facts["matches_found"],
                    rule_facts["non_matches_made"],
                    rule_facts["evidence_found"],
                    rule_facts["evidence_new"],
                    *held,
                    rule_facts["pairs"],
                    rule_facts["new_pairs"],
                    rule_facts["largest_block"],
                    facts["seed"],
                ],
            )
        engine.write("select * from rule_rows order by rule_no", draft.file())


def _train_sql(engine: DuckDBEngine, spec: PipelineSpec, sampled: str) -> str:
    """Write the query of blocks_train: sampled records with the text of each of their keys."""
    engine.make_table(
        "trained_on",
        f"select * from cleaned_records where record_no in (select record_no from {sampled})",
    )
    columns, joins = "", ""
    choices = (*spec.key_choices, *listed_choices(spec.field_kinds, spec.field_kinds))
    for i, choice in enumerate(choices):
        keyed = choice.conjunction.keyed_records(engine, "trained_on")
        text = f"select record_no, block_key from ({keyed})"
        if choice.key.is_list:
            text = (
                "select record_no, string_agg(block_key, ' ' order by block_key) as block_key"
                f" from ({keyed}) group by record_no"
            )
        engine.make_table(f"train_key_{i}", text)
        columns += f", k{i}.block_key as {quoted(choice.expression)}"
        joins += f" left join train_key_{i} as k{i} on k{i}.record_no = r.record_no"
    return (
        f"select r.record_no, r.record_id, r.source{columns} from trained_on as r {joins}"
        " order by r.record_no"
    )
