"""Training rules -> the blocks that feed one EM session each, counted exactly.

A training rule is a conjunction like a strategy, with a budget of its own: sessions do not share
pairs, so the cost of training is the plain sum over the rules. Coverage does not matter here; a
rule only has to bring matches and non-matches together.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from er_pipeline.blocking.blocks.blocks import size_limits
from er_pipeline.blocking.blocks.training_facts import (
    TrainingFacts,
    sum_training_rules,
    training_facts,
    with_training_rules,
)
from er_pipeline.blocking.blocks.training_verdicts import (
    CHECKS,
    MIX_CHECK,
    judge_expected_mix,
    judge_training,
)
from er_pipeline.blocking.records.learned_from import learned_from
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Grid, Shown
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.stamps import code_version
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import (
    BLOCK_KEY,
    RECORD_NO,
    Column,
    Facts,
    Table,
    arrow_of,
)
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.tables.views import all_columns, with_records

logger = logging.getLogger(__name__)


CHOSEN = Table(
    "chosen_training_rules",
    "Training rules that the data chose, where none are declared.",
    [
        Column("rule", "VARCHAR", "Name of the training rule"),
        Column("keys", "VARCHAR[]", "Its keys; all must be equal"),
    ],
    all_columns("chosen_training_rules"),
)

# Proposes training rules for the records of a lake, name: keys. Matching stands above blocking, so
# it is handed down.
Propose = Callable[[Engine, Lake, PipelineSpec], Mapping[str, Sequence[str]]]


def steps(spec: PipelineSpec, propose: Propose | None = None) -> list[Step]:
    """Declare the step that blocks the records by every training rule, where a model is trained.

    propose: chooses the rules where none are declared.
    """
    if not spec.trains:
        return []
    is_chosen = spec.training_rules is None and propose is not None
    choice = [_choice_step(spec, propose)] if is_chosen and propose else []
    return [
        *choice,
        Step(
            writes=[
                _rules_table(spec),
                Table(
                    "em_training_blocks",
                    "The blocks of every training rule, one EM session each.",
                    [_rule_column(spec), BLOCK_KEY, RECORD_NO],
                    with_records("em_training_blocks", ["rule", "block_key"]),
                ),
            ],
            reads=["cleaned_records", *(step.name for step in choice)],
            settings=[
                [[rule.name, rule.identity] for rule in spec.training_conjunctions],
                *size_limits(spec),
                spec.compared_columns,
            ],
            run=partial(build_em_training_blocks, spec=spec, is_chosen=is_chosen),
            count=partial(count_training_rules, spec=spec, is_chosen=is_chosen),
            stage="training",
            place="cluster",
            checks=(*CHECKS, MIX_CHECK) if spec.matching else CHECKS,
            judge=partial(_judge, spec=spec),
            show=_show,
        ),
    ]


def _choice_step(spec: PipelineSpec, propose: Propose) -> Step:
    """Declare the step that chooses the rules; what it chose stays in force with its model."""
    choose = partial(choose_training_rules, spec=spec, propose=propose)
    return Step(
        writes=[replace(CHOSEN, stays_in_force=spec.keeps_learned)],
        reads=["cleaned_records"],
        settings=[
            code_version(propose.__module__),
            spec.field_kinds,
            [[c.field, c.expression, c.swaps, c.level] for c in spec.key_choices],
            spec.comparison_fields,
            spec.compared_columns,
            spec.checks.max_training_pairs,
            spec.checks.match_share_warn,
            *size_limits(spec),
        ],
        run=choose,
        count=choose,
        stage="training",
        show=_show_choice,
    )


def _rule_column(spec: PipelineSpec) -> Column:
    # Empty where the data choose: any name is allowed.
    names = tuple(rule.name for rule in spec.training_conjunctions)
    return Column("rule", "VARCHAR", "Name of the training rule", allowed=names)


def _rules_table(spec: PipelineSpec) -> Table:
    return Table(
        "em_training_rules",
        "Training rules with their exact cost and source columns.",
        [
            _rule_column(spec),
            Column("expression", "VARCHAR", "The rule's keys; all must be equal"),
            Column("source_columns", "VARCHAR[]", "Fields the rule reads, and so fixes"),
            Column("pairs", "BIGINT", "Exact number of pairs of its session", minimum=0),
            Column("largest_block", "BIGINT", "Records in its largest block", minimum=0),
            Column(
                "expected_match_share",
                "DOUBLE",
                "Share of them to match, as strong identifiers show it",
                required=False,
            ),
        ],
        all_columns("em_training_rules"),
    )


def choose_training_rules(
    engine: Engine, lake: Lake, spec: PipelineSpec, propose: Propose
) -> Facts:
    """Let the data choose the training rules; write chosen_training_rules (rule, keys).

    Reads cleaned_records. Returns the facts kept beside it: "rules", name -> keys, in their order.
    """
    lake.open(engine, "cleaned_records")
    logger.info("choosing training rules")
    chosen = {name: list(keys) for name, keys in propose(engine, lake, spec).items()}
    facts = {"rules": chosen, "learned_from": learned_from(engine, spec.field_kinds)}
    with lake.writing("chosen_training_rules", facts) as draft:
        engine.put("chosen_rules", CHOSEN.arrow(chosen.items()))
        engine.write("select * from chosen_rules", draft.file())
        return dict(draft.facts)


def build_em_training_blocks(
    engine: Engine, lake: Lake, spec: PipelineSpec, is_chosen: bool = False
) -> Facts:
    """Block the records by every training rule; list the rules with their exact cost.

    Reads cleaned_records. is_chosen: the rules are those of chosen_training_rules. Writes
    em_training_blocks (rule, block_key, record_no), one row per membership of a kept block, one
    file per rule; and em_training_rules (rule, expression, source_columns VARCHAR[], pairs,
    largest_block, expected_match_share), one row per rule; see `expected_match_share`.
    Returns the facts kept beside em_training_rules; see `sum_training_rules`.
    """
    lake.open(engine, "cleaned_records")
    sized, facts = sum_training_rules(engine, _with_rules(lake, spec, is_chosen))
    with lake.writing("em_training_blocks") as draft:
        if not sized:
            engine.put("no_blocks", arrow_of([_rule_column(spec), BLOCK_KEY, RECORD_NO]))
            engine.write("select * from no_blocks", draft.file())
        for rule, blocks in sized.items():
            engine.write(
                f"""
                select {literal(rule)} as rule, s.block_key, m.record_no
                from {blocks.members} as m join {blocks.sizes} as s on s.block_key = m.block_key
                where s.reason is null
                """,
                draft.file(rule),
            )
    with lake.writing("em_training_rules", facts) as draft:
        engine.put("training_rules", _rules_table(spec).arrow(_rows(facts)))
        engine.write("select * from training_rules", draft.file())
    return dict(facts)


def count_training_rules(
    engine: Engine, lake: Lake, spec: PipelineSpec, is_chosen: bool = False
) -> Facts:
    """Count what the training rules would compare; nothing is written."""
    lake.open(engine, "cleaned_records")
    _, facts = sum_training_rules(engine, _with_rules(lake, spec, is_chosen))
    return dict(facts)


def _with_rules(lake: Lake, spec: PipelineSpec, is_chosen: bool) -> PipelineSpec:
    if not is_chosen:
        return spec
    return with_training_rules(spec, lake.facts("chosen_training_rules")["rules"])


def _rows(facts: TrainingFacts) -> Iterable[tuple[object, ...]]:
    for rule, counts in facts["rules"].items():
        yield (
            rule,
            counts["expression"],
            counts["source_columns"],
            counts["pairs"],
            counts["largest_block"],
            counts["expected_match_share"],
        )


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    facts = training_facts(lake)
    yield from judge_training(facts, spec)
    if spec.matching:
        yield judge_expected_mix(facts, spec)


def _show_choice(facts: Facts) -> Mapping[str, Shown]:
    rows = [(rule, " and ".join(keys)) for rule, keys in facts["rules"].items()]
    return {"n_rules": len(rows), "rules": Grid(("rule", "keys"), rows)}


def _show(facts: Facts) -> Mapping[str, Shown]:
    rows = [
        (
            name,
            counts["expression"],
            f"{counts['pairs']:,}",
            f"{counts['largest_block']:,}",
            ", ".join(counts["source_columns"]),
        )
        for name, counts in facts["rules"].items()
    ]
    return {
        "training_pairs": facts["pairs"],
        **{f"training_pairs_{name}": counts["pairs"] for name, counts in facts["rules"].items()},
        "rules": Grid(("rule", "keys", "pairs", "largest block", "fixes"), rows),
    }
