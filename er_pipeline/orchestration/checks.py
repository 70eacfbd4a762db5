"""Checks: what must hold of each table. The pure half gives the verdicts and their numbers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from er_pipeline.blocking.blocks.em_training_blocks import judge_expected_mix, judge_training
from er_pipeline.blocking.blocks.filtered_blocks import judge_strategies
from er_pipeline.blocking.learning.rule_verdicts import judge_rules
from er_pipeline.blocking.neighbours.embedding_blocks import judge_lists, judge_neighbours
from er_pipeline.blocking.pairs.pair_verdicts import judge_pairs, judge_ranking
from er_pipeline.blocking.records.cleaned_records import judge_cleaning
from er_pipeline.blocking.records.expectations import judge_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.contracts import judge_contract
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.evaluation.missed_matches import judge_missed
from er_pipeline.evaluation.recall import judge_recall
from er_pipeline.matching.entities import judge_entities
from er_pipeline.matching.matches import judge_matches
from er_pipeline.matching.model_verdicts import judge_model
from er_pipeline.orchestration.assets import explained
from er_pipeline.orchestration.resources import LakeFolder
from er_pipeline.orchestration.steps import dataset_steps

Judge = Callable[[DuckDBEngine, Lake], Iterable[Verdict]]


def dataset_checks(spec: PipelineSpec, tables: Sequence[str]) -> list[dg.AssetChecksDefinition]:
    """Make the checks of a dataset: the contract of every table, and what its verdicts say."""
    budget = {
        "budget_is_kept": "Every pair beyond the budget costs money; the ledger adds up.",
        "budget_loses_little": "Matches that the budget cuts are lost for good.",
    }
    if spec.budget is None:
        budget = {}
    mix = {
        "expected_mix_is_trainable": "EM needs matches and non-matches; known before it runs.",
    }
    if spec.matching is None:
        mix = {}
    judges: dict[str, tuple[dict[str, str], Judge]] = {
        "cleaned_records": (
            {
                "fits_expectations": "The Great Expectations suite of the dataset: ids unique and"
                " present, no field emptier than allowed, formats kept.",
                "cleaning_keeps_values": "A field of the wrong kind or region is emptied silently.",
            },
            lambda engine, lake: [
                *judge_records(engine, lake, spec),
                *judge_cleaning(lake.facts("cleaned_records"), spec),
            ],
        ),
        "filtered_blocks": (
            {
                "key_coverage_is_enough": "Records without a key are never compared.",
                "filtering_keeps_coverage": "Records whose every block was dropped are lost.",
                "pairs_within_budget": "Every pair costs money; decided before one is made.",
                "every_strategy_within_budget": "One strategy must not eat the whole budget.",
                "no_block_holds_too_much": "A giant block is a placeholder in disguise.",
            },
            lambda engine, lake: judge_strategies(lake.facts("filtered_blocks"), spec),
        ),
        "record_embeddings": (
            {"neighbours_within_budget": "What the lists will hold, decided before the search."},
            lambda engine, lake: judge_lists(lake.facts("record_embeddings"), spec),
        ),
        "embedding_blocks": (
            {
                "embedding_pairs_within_budget": "Every pair costs money.",
                "lists_are_not_full": "A full list may have been cut short: k is too small.",
                "index_recall_is_enough": "What an approximate index misses is lost for good.",
            },
            lambda engine, lake: judge_neighbours(lake.facts("embedding_blocks"), spec),
        ),
        "unified_pairs": (
            {
                "every_pair_once": "Training and scoring would weigh a repeated pair twice.",
                "every_pair_canonical": "left before right, and across sources when linking.",
                "every_id_exists": "A pair of an unknown record cannot be scored.",
                **budget,
            },
            lambda engine, lake: [
                *judge_pairs(engine, lake, spec),
                *judge_ranking(lake.facts("unified_pairs"), spec),
            ],
        ),
        "learned_rules": (
            {
                "rules_were_found": "Without a rule or strategy nothing is compared.",
                "recall_floor_is_reached": "What no rule finds is lost for good.",
            },
            lambda engine, lake: judge_rules(lake.facts("learned_rules"), spec),
        ),
        "em_training_rules": (
            {
                "training_within_budget": "Sessions share no pairs, so their costs add up.",
                "every_comparison_is_free": "EM learns nothing about a field its rule fixes.",
                "every_rule_makes_pairs": "A rule without pairs trains nothing.",
                **mix,
            },
            lambda engine, lake: [
                *judge_training(lake.facts("em_training_rules"), spec),
                *([judge_expected_mix(lake.facts("em_training_rules"), spec)] if mix else []),
            ],
        ),
        "em_model": (
            {
                "trained_mix_is_sound": "Where nearly all or no pairs match, EM finds no classes.",
                "sessions_agree": "Sessions that find different m have learned different things.",
                "sessions_converge": "What has not converged is not yet an estimate.",
                "every_level_is_trained": "What no pair taught has a usual value only.",
            },
            lambda engine, lake: judge_model(lake.facts("em_model"), spec),
        ),
        "first_pass_matches": (
            {"every_candidate_is_scored": "Who is not scored seems to have no match."},
            lambda engine, lake: judge_matches(lake.facts("first_pass_matches")),
        ),
        "matches": (
            {"every_candidate_is_scored": "A pair that is not scored is lost without a word."},
            lambda engine, lake: judge_matches(lake.facts("matches")),
        ),
        "entities": (
            {
                "every_record_in_one_entity": "People count and look up entities by record.",
                "no_entity_is_giant": "A chain of wrong matches joins strangers.",
            },
            lambda engine, lake: judge_entities(engine, lake, spec, lake.facts("entities")),
        ),
        "missed_matches": (
            {"missed_matches_add_up": "A true pair is found, or missed for one cause."},
            lambda engine, lake: judge_missed(lake.facts("missed_matches")),
        ),
        "recall_sample": (
            {"recall_is_kept": "What is no candidate is lost, and without truth nobody notices."},
            lambda engine, lake: judge_recall(
                lake.facts("recall_sample"), lake.last_good_facts("recall_sample"), spec
            ),
        ),
    }
    return [
        _checks(spec, table, *_with_contract(spec, table, *judges.get(table, ({}, _nothing))))
        for table in tables
    ]


# A finding that only warns must not stop the run.
WARNINGS = (
    "cleaning_keeps_values",
    "no_block_holds_too_much",
    "every_rule_makes_pairs",
    "lists_are_not_full",
    "recall_floor_is_reached",
    "budget_loses_little",
    "sessions_agree",
    "sessions_converge",
    "every_level_is_trained",
    "recall_is_kept",
)


def _checks(
    spec: PipelineSpec, table: str, checks: dict[str, str], judge: Judge
) -> dg.AssetChecksDefinition:
    """Make all checks of one table; they run together after it."""

    @dg.multi_asset_check(
        name=f"{spec.dataset}__{table}__checks",
        specs=[
            dg.AssetCheckSpec(
                name,
                asset=dg.AssetKey([spec.dataset, table]),
                description=description,
                blocking=name not in WARNINGS,
            )
            for name, description in checks.items()
        ],
    )
    def run_checks(
        context: dg.AssetCheckExecutionContext, lake: LakeFolder
    ) -> Iterator[dg.AssetCheckResult]:
        with explained(), DuckDBEngine(spec.threads, spec.memory_limit) as engine:
            verdicts = list(judge(engine, lake.of(spec)))
        for verdict in verdicts:
            yield check_result(spec, table, verdict)

    return run_checks


def check_result(spec: PipelineSpec, table: str, verdict: Verdict) -> dg.AssetCheckResult:
    """Show a verdict: its sentence, and its numbers so that the UI plots them over time."""
    numbers: dict[str, Any] = {
        name: dg.MetadataValue.float(value) if isinstance(value, float) else value
        for name, value in verdict.numbers.items()
    }
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey([spec.dataset, table]),
        check_name=verdict.check,
        passed=verdict.passed,
        severity=(
            dg.AssetCheckSeverity.ERROR
            if verdict.severity == "error"
            else dg.AssetCheckSeverity.WARN
        ),
        description=verdict.text,
        metadata=numbers,
    )


def _with_contract(
    spec: PipelineSpec, table: str, checks: dict[str, str], judge: Judge
) -> tuple[dict[str, str], Judge]:
    def judge_all(engine: DuckDBEngine, lake: Lake) -> Iterator[Verdict]:
        contract = judge_contract(engine, lake, spec, table)
        yield contract
        try:
            yield from list(judge(engine, lake))
        except duckdb.Error:
            if contract.passed:
                raise
            text = f"cannot be judged: {table} does not fit its contract"
            yield from (Verdict(name, False, "error", text) for name in checks)

    contract = {"fits_contract": "Columns, types and values as the table's contract says."}
    return {**contract, **checks}, judge_all


def _nothing(engine: DuckDBEngine, lake: Lake) -> Iterable[Verdict]:
    return ()


def checked_tables(spec: PipelineSpec) -> list[str]:
    """List every table of a dataset that has a contract, in the order of the flow."""
    return [table for step in dataset_steps(spec, Path()) for table in step.tables]
