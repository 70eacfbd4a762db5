"""Learned rules: which conjunctions to block by, from labels or from the data alone.

1. Evidence is gathered: judged matches and probable ones (rule_evidence.py). The confident scores
   of a trained model, if there is one, are written down as weak labels.
2. Conjunctions are chosen that find these matches for the fewest pairs (rule_search.py), or as
   the lexicographic ranking has it (lexicographic_search.py).
3. Where enough is judged, their recall is estimated on entities held out (held_out_recall.py).
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.blocks.blocks import size_limits
from er_pipeline.blocking.learning.blocks_train import (
    draw_records,
    train_choices,
    train_table,
    write_blocks_train,
)
from er_pipeline.blocking.learning.conjunction_costs import Index, Keys, Sample
from er_pipeline.blocking.learning.held_out_recall import HeldOut, Learner, hold_out
from er_pipeline.blocking.learning.informative_fields import left_out_fields
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
from er_pipeline.blocking.learning.rule_verdicts import CHECKS, judge_rules
from er_pipeline.blocking.learning.weak_labels import WEAK_LABELS, write_weak_labels
from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.records.learned_from import learned_from
from er_pipeline.blocking.spec.learned import (
    LearnedFacts,
    LearnedRule,
    learned_rules_facts,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Grid, Shown, numbers
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Column, Facts, Table
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.tables.views import all_columns
from er_pipeline.blocking.values.key_choices import KeyChoice
from er_pipeline.blocking.weights.pair_weights import ScorerOf, code_of, read_labelled

logger = logging.getLogger(__name__)

# Settings that follow the budget where the user has not set them.
ROOM_FOR_BUDGET = {"rule_pairs_per_record", "pairs_per_record"}

RULES = Table(
    "learned_rules",
    "Conjunctions chosen for what they find and what they cost.",
    [
        Column("rule_no", "INTEGER", "Place of the rule, best first", minimum=0),
        Column("rule", "VARCHAR", "Name of the rule"),
        Column("expression", "VARCHAR", "The rule's keys; all must be equal"),
        Column("sql", "VARCHAR", "The same, as it is computed over cleaned_records"),
        Column("source_columns", "VARCHAR[]", "Fields the rule reads"),
        Column("origin", "VARCHAR", "pinned or learned", allowed=("pinned", "learned")),
        Column("support", "BIGINT", "Labelled matches that share its keys", minimum=0),
        Column("non_matches", "BIGINT", "Labelled non-matches that do", minimum=0),
        Column(
            "evidence_found",
            "DOUBLE",
            "Share of the matches it was learned from that it finds; no recall",
        ),
        Column("evidence_new", "DOUBLE", "Share that no rule before it finds"),
        Column("recall", "DOUBLE", "Share of held-out entities it finds", required=False),
        Column("recall_low", "DOUBLE", "Lower end of the 95% interval", required=False),
        Column("recall_high", "DOUBLE", "Upper end of the 95% interval", required=False),
        Column("pairs", "BIGINT", "Exact number of pairs on the full data", minimum=0),
        Column("new_pairs", "BIGINT", "About so many that no rule before it makes", minimum=0),
        Column("largest_block", "BIGINT", "Records in its largest block", minimum=0),
        Column("seed", "BIGINT", "Seed of the search's samples", minimum=0),
    ],
    all_columns("learned_rules"),
)


def steps(spec: PipelineSpec, scorer: ScorerOf | None = None) -> list[Step]:
    """Declare the step that learns rules, if the spec asks for it.

    scorer: makes that of a trained model, if one teaches.
    """
    learning = spec.learns
    if learning is None:
        return []
    writes, reads = [RULES, train_table(spec)], ["cleaned_records", "key_codes"]
    if spec.labels:
        reads.append("labels")
    if scorer:
        writes.append(WEAK_LABELS)
        reads += ["em_model", "term_frequencies"]
    return [
        Step(
            writes=[replace(table, stays_in_force=spec.keeps_learned) for table in writes],
            reads=reads,
            settings=[
                learning.chosen_by(),
                _room(spec),
                [spec.parse("rule", keys).identity for keys in (*learning.pin, *learning.ban)],
                [strategy.identity for strategy in spec.strategy_conjunctions],
                spec.proposers,
                *size_limits(spec),
                [_settings_of(choice) for choice in train_choices(spec)],
                code_of(scorer),
            ],
            run=partial(learn_rules, spec=spec, scorer=scorer),
            stage="learning",
            checks=CHECKS,
            judge=partial(_judge, spec=spec),
            show=_show,
            count=partial(learn_rules, spec=spec, scorer=scorer),
            tolerates=["em_model", "term_frequencies"] if scorer else [],
        )
    ]


def _room(spec: PipelineSpec) -> Any:
    """Return what of the budget shapes the search: nothing, where it leaves room as it is."""
    budget, learning = spec.budget, spec.learns
    if budget is None or learning is None or learning.model_fields_set >= ROOM_FOR_BUDGET:
        return None
    if budget.max_pairs is not None:  # per record only once they are counted
        return [budget.pairs_per_record, budget.max_pairs]
    wider = learning.within(budget.pairs_per_record)
    return None if wider == learning else [wider.rule_pairs_per_record, wider.pairs_per_record]


def _settings_of(choice: KeyChoice) -> list[Any]:
    return [
        choice.field,
        choice.level,
        choice.repeats,
        choice.swaps,
        choice.conjunction.identity,
    ]


def learn_rules(
    engine: Engine, lake: Lake, spec: PipelineSpec, scorer: ScorerOf | None = None
) -> Facts:
    """Choose the blocking rules of a dataset.

    Reads cleaned_records, key_codes and, if there are any, labels. scorer: makes that of a trained
    model, which knows probable matches; its confident scores are written to weak_labels (left_no,
    right_no, match_probability). Writes learned_rules, best first, and blocks_train, the sample,
    as `write_blocks_train` does. A new number of labels is a new round, with its own sample.
    Returns the facts kept beside learned_rules, `LearnedFacts`: the rules, and recall with its 95%
    interval on held-out entities.

    Raises InputError if the lexicographic ranking has no judged match to learn from.
    """
    learning = spec.learns
    assert learning is not None
    lake.open(engine, "cleaned_records")
    lake.open(engine, "key_codes", "key_codes_file")
    engine.make_table("key_codes", "select * from key_codes_file order by record_no")
    labelled, sampled = "labelled", "train_records"
    answers = read_labelled(engine, lake, spec, labelled)
    if learning.ranking == "lexicographic" and not answers["matches"]:
        raise InputError(
            "learning: ranking lexicographic needs judged matches, and there is none yet; judge"
            " some with er-pipeline label, or write ranking: budgeted"
        )
    index = open_index(engine, spec, learning)
    round_no = answers["matches"] + answers["non_matches"]
    draw_records(engine, f"{learning.seed} {round_no} ", learning.sample, labelled, sampled)
    sample = Sample.of(index, sampled)
    banned = Banned.of(spec, learning, index.choices)
    pinned = pinned_conjunctions(index, spec, learning)
    declared = declared_conjunctions(index, spec)
    index.left_out = left_out_fields(index, sample, spec, labelled, round_no)
    limits = limits_of(spec, learning, index, sample, declared)
    loosest, alone = _looked_at(index, sample, limits, banned)
    scores = scorer(lake) if scorer else None
    gathered = gather_evidence(engine, index, spec, loosest, alone, labelled, round_no, scores)
    if scorer:
        write_weak_labels(engine, lake, gathered)
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
        "rules": _list_rules(spec, index, rules, held_out, labelled),
        "ranking": learning.ranking,
        "seed": learning.seed,
        "pairs": sum(rule.pairs for rule in rules),
        "max_pairs_of_rule": limits.pairs_of_rule,
        "taught_by_model": gathered.is_taught,
        "conjunctions_counted": len(index.costs),
        "labelled_matches": answers["matches"],
        "labelled_non_matches": answers["non_matches"],
        "learned_from": learned_from(engine, spec.field_kinds),
        "evidence_found": float(sum(rule.new_worth for rule in rules)),
        "held_out_entities": held_out.entities if held_out else 0,
        "recall": held_out.recall if held_out and held_out.entities else None,
        "recall_low": low,
        "recall_high": high,
    }
    write_blocks_train(engine, lake, spec, sampled)
    with lake.writing("learned_rules", facts) as draft:
        engine.put("rule_rows", RULES.arrow(_rows(facts)))
        engine.write("select * from rule_rows order by rule_no", draft.file())
        return dict(draft.facts)


def _looked_at(
    index: Index, sample: Sample, limits: Limits, banned: Banned
) -> tuple[list[Keys], list[Keys]]:
    """Choose the conjunctions whose pairs are looked at, and the keys that are besides."""
    most = limits.pairs_of_rule
    loosest = list(loosest_affordable(index, sample, most, min(2, limits.k), banned))
    if not loosest:
        loosest = list(loosest_affordable(index, sample, most, limits.k, banned))
    # Keys affordable alone, too: what of theirs other rules make shows in their own pairs.
    alone: list[Keys] = [(key,) for key in index.searched if not banned((key,))]
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


def _rows(facts: LearnedFacts) -> Iterable[tuple[Any, ...]]:
    for i, rule in enumerate(facts["rules"]):
        yield (
            i,
            rule["rule"],
            " and ".join(rule["expressions"]),
            rule["sql"],
            rule["source_columns"],
            rule["origin"],
            rule["matches_found"],
            rule["non_matches_made"],
            rule["evidence_found"],
            rule["evidence_new"],
            *(rule["recall"] or (None, None, None)),
            rule["pairs"],
            rule["new_pairs"],
            rule["largest_block"],
            facts["seed"],
        )


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    return judge_rules(learned_rules_facts(lake), spec)


def _show(facts: Facts) -> Mapping[str, Shown]:
    rows = [
        (
            " and ".join(rule["expressions"]),
            f"{rule['pairs']:,}",
            f"{rule['evidence_found']:.1%}",
            f"{rule['evidence_new']:.2%}",
            f"{rule['recall'][1]:.0%}-{rule['recall'][2]:.0%}" if rule["recall"] else "",
        )
        for rule in facts["rules"]
    ]
    header = ("rule", "pairs", "of the evidence", "new", "recall, 95%")
    return {**numbers(facts), "n_rules": len(facts["rules"]), "rules": Grid(header, rows)}
