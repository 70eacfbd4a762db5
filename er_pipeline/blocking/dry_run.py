"""The dry run: what a dataset would cost, counted exactly from block sizes; no pair is made."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from er_pipeline.blocking.blocks import over_the_cap
from er_pipeline.blocking.cleaned_records import clean_records, read_records
from er_pipeline.blocking.em_training_blocks import sum_training_rules
from er_pipeline.blocking.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.evaluation import judge_cleaning, judge_strategies, judge_training
from er_pipeline.blocking.filtered_blocks import sum_strategies
from er_pipeline.blocking.key_codes import index_keys
from er_pipeline.blocking.labels import read_labels
from er_pipeline.blocking.lake import Lake
from er_pipeline.blocking.learned_blocks import build_learned_blocks
from er_pipeline.blocking.learned_rules import learn_rules
from er_pipeline.blocking.refined_blocks import told_divisions
from er_pipeline.blocking.spec import PipelineSpec
from er_pipeline.blocking.verdicts import Verdict


def count_dataset(spec: PipelineSpec, folder: Path, scratch: Path) -> Iterator[str | Verdict]:
    """Count every strategy and training rule of a dataset; judge the budgets.

    folder: where relative paths start. scratch: takes the cleaned records; throw it away after.
    Gives lines for people as it goes, and the verdicts at the end.
    Raises what `clean_records` raises.
    """
    lake = Lake(scratch, spec.dataset)
    with DuckDBEngine(spec.threads, spec.memory_limit, scratch / ".spill") as engine:
        cleaned = clean_records(engine, lake, spec, folder)
        records = cleaned["records"]
        yield f"{records:,} records cleaned; nothing is kept."
        yield ""
        yield f"{'field':<24}{'kind':<14}{'filled':>10}{'distinct':>12}{'cleaned away':>14}"
        for name, values in cleaned["values_of_field"].items():
            yield (
                f"{name:<24}{spec.field_kinds[name]:<14}{values['filled'] / records:>10.1%}"
                f"{values['distinct']:>12,}{values['cleaned_away']:>14,}"
            )
        read_records(engine, lake)
        memberships = {}
        for strategy in spec.strategy_conjunctions:
            table = f"memberships_{strategy.name}"
            engine.make_table(table, strategy.keyed_records(engine, "cleaned_records"))
            memberships[strategy.name] = table
        learned = None
        if spec.learns:
            yield ""
            yield "learning rules ..."
            learned = _learn(engine, lake, spec, folder)
            for rule in lake.facts("learned_rules")["rules"]:
                yield f"    {' and '.join(rule['expressions'])}: {rule['pairs']:,} pairs"
        facts = sum_strategies(engine, spec, memberships, learned)
        training = sum_training_rules(engine, spec)
        yield ""
        width = max([24, *(len(name) + 2 for name in facts["strategies"])])
        yield f"{'strategy':<{width}}{'blocks':>12}{'pairs':>16}{'over the cap':>14}{'avoided':>18}"
        for name, counts in facts["strategies"].items():
            yield (
                f"{name:<{width}}{counts['kept_blocks']:>12,}{counts['pairs']:>16,}"
                f"{over_the_cap(counts)[0]:>14,}{over_the_cap(counts)[1]:>18,}"
                + (f"  divided by {told_divisions(counts)}" if "divisions" in counts else "")
            )
        yield (
            f"{'sum':<{width}}{'':>12}{facts['pairs']:>16,}   of"
            f" {facts['possible_pairs']:,} possible"
        )
        yield ""
        yield f"{'training rule':<24}{'blocks':>12}{'pairs':>16}"
        for name, counts in training["rules"].items():
            yield f"{name:<24}{counts['kept_blocks']:>12,}{counts['pairs']:>16,}"
        yield f"{'sum':<24}{'':>12}{training['pairs']:>16,}"
        yield from judge_cleaning(cleaned, spec)
        yield from judge_strategies(facts, spec)
        yield from judge_training(training, spec)


def _learn(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, folder: Path) -> dict[str, Any]:
    """Learn the rules as a run would, in the scratch lake; give the facts of learned_blocks."""
    if spec.labels:
        read_labels(engine, lake, spec, folder)
    index_keys(engine, lake, spec)
    # An engine of its own per step, as the assets have: each makes tables of the same names.
    for step in (learn_rules, build_learned_blocks):
        with DuckDBEngine(spec.threads, spec.memory_limit, lake.root / ".spill") as own:
            facts = step(own, lake, spec)
    read_records(engine, lake)
    engine.read(lake, "learned_codes")
    return facts
