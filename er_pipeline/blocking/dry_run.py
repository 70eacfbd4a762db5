"""The dry run: what a dataset would cost, counted exactly from block sizes; no pair is made."""

from collections.abc import Iterator
from pathlib import Path

from er_pipeline.blocking.cleaned_records import clean_records, read_records
from er_pipeline.blocking.em_training_blocks import sum_training_rules
from er_pipeline.blocking.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.evaluation import judge_cleaning, judge_strategies, judge_training
from er_pipeline.blocking.filtered_blocks import sum_strategies
from er_pipeline.blocking.lake import Lake
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
        facts = sum_strategies(engine, spec, memberships)
        training = sum_training_rules(engine, spec)
        yield ""
        yield f"{'strategy':<24}{'blocks':>12}{'pairs':>16}{'over the cap':>14}{'avoided':>18}"
        for name, counts in facts["strategies"].items():
            yield (
                f"{name:<24}{counts['kept_blocks']:>12,}{counts['pairs']:>16,}"
                f"{counts['dropped_blocks']['oversized']:>14,}"
                f"{counts['dropped_pairs']['oversized']:>18,}"
            )
        yield f"{'sum':<24}{'':>12}{facts['pairs']:>16,}   of {facts['possible_pairs']:,} possible"
        yield ""
        yield f"{'training rule':<24}{'blocks':>12}{'pairs':>16}"
        for name, counts in training["rules"].items():
            yield f"{name:<24}{counts['kept_blocks']:>12,}{counts['pairs']:>16,}"
        yield f"{'sum':<24}{'':>12}{training['pairs']:>16,}"
        yield from judge_cleaning(cleaned, spec)
        yield from judge_strategies(facts, spec)
        yield from judge_training(training, spec)
