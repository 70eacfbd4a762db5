"""The dry run: what a dataset would cost, counted exactly from block sizes; no pair is made."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from er_pipeline.blocking.blocks.blocks import over_the_cap
from er_pipeline.blocking.blocks.em_training_blocks import sum_training_rules
from er_pipeline.blocking.blocks.filtered_blocks import sum_strategies
from er_pipeline.blocking.blocks.refined_blocks import told_divisions
from er_pipeline.blocking.labels.labels import read_labels
from er_pipeline.blocking.learning.learned_blocks import build_learned_blocks
from er_pipeline.blocking.learning.learned_rules import learn_rules
from er_pipeline.blocking.records.cleaned_records import clean_records, read_records
from er_pipeline.blocking.records.key_codes import index_keys
from er_pipeline.blocking.records.true_pairs import number_true_pairs
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, quoted
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.evaluation.blocking_report import judge_cleaning, judge_strategies, judge_training


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
        if cleaned["rejected_rows"]:
            yield f"{cleaned['rejected_rows']:,} rows cannot be read; a run puts them apart."
        if spec.truth:
            truth = number_true_pairs(engine, lake, spec, folder)
            unknown = truth["pairs_with_unknown_ids"]
            yield f"{truth['true_pairs']:,} true pairs; {unknown:,} more name unknown ids."
        read_records(engine, lake)
        yield ""
        yield (
            f"{'field':<24}{'kind':<14}{'filled':>10}{'distinct':>12}{'cleaned away':>14}"
            "  commonest value"
        )
        for name, values in cleaned["values_of_field"].items():
            yield (
                f"{name:<24}{spec.field_kinds[name]:<14}{values['filled'] / records:>10.1%}"
                f"{values['distinct']:>12,}{values['cleaned_away']:>14,}"
                f"  {_commonest(engine, name, values['filled'])}"
            )
        memberships = {}
        for strategy in spec.strategy_conjunctions:
            table = f"memberships_{strategy.name}"
            engine.make_table(table, strategy.keyed_records(engine, "cleaned_records"))
            memberships[strategy.name] = table
        learned = None
        if spec.learns:
            yield ""
            taught = "; a run has the trained model teach, and may choose a few others"
            yield f"learning rules{taught * spec.is_taught_by_model} ..."
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
        yield from _judge_budget(facts, spec)
        if spec.expectations.max_null_rate or spec.expectations.formats:
            from er_pipeline.blocking.records.expectations import (
                judge_records,  # takes long to import
            )

            yield from judge_records(engine, lake, spec)


def _commonest(engine: DuckDBEngine, field: str, n_filled: int) -> str:
    """Show the commonest value of a field and its share: placeholders are seen at a glance."""
    name = quoted(field)
    found = engine.rows(
        f"select {name}, count(*) as _n from cleaned_records where {name} is not null"
        f" group by {name} order by _n desc, {name} limit 1"
    )
    if not found:
        return ""
    value, n = found[0]
    return f"{value[:30]} ({n / n_filled:.1%})"


def _judge_budget(facts: Mapping[str, Any], spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge the budget of pairs as far as it can be told before one is made."""
    if spec.budget is None:
        return
    budget = spec.budget.pairs(facts["records"])
    at_most = facts["pairs"]
    # Two strategies may make the same pairs; one makes none twice, unless it is many-valued.
    at_least = max(
        (
            facts["strategies"][strategy.name]["pairs"]
            for strategy in spec.strategy_conjunctions
            if not strategy.is_list
        ),
        default=0,
    )
    over = at_least > budget and spec.budget.on_over_budget == "fail"
    text = f"The best {budget:,} pairs are kept of at least {at_least:,} and at most {at_most:,}."
    if over:
        text = (
            f"At least {at_least:,} pairs would be made, {at_least - budget:,} more than the budget"
            f" of {budget:,}, and on_over_budget: fail would stop the run. Raise the budget, or"
            " write trim."
        )
    elif at_most > budget and spec.budget.on_over_budget == "fail":
        text += " If more are made, on_over_budget: fail stops the run."
    numbers = {"budget_pairs": budget, "most_pairs": at_most, "least_pairs": at_least}
    yield Verdict("budget_is_kept", not over, "error", text, numbers)


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
