"""The dry run: what a dataset would cost, counted exactly from block sizes; no pair is made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from er_pipeline.blocking.blocks.blocks import over_the_cap
from er_pipeline.blocking.blocks.coverage_verdicts import judge_strategies, no_strategy_text
from er_pipeline.blocking.blocks.filtered_facts import FilteredFacts
from er_pipeline.blocking.blocks.refined_blocks import divisions_text
from er_pipeline.blocking.blocks.training_facts import TrainingFacts
from er_pipeline.blocking.blocks.training_verdicts import judge_training
from er_pipeline.blocking.records.cleaned_records import (
    CleanedFacts,
    judge_cleaning,
    judge_records,
)
from er_pipeline.blocking.records.emptied_values import examples_text
from er_pipeline.blocking.spec.declared_comparisons import comparisons_with, not_compared
from er_pipeline.blocking.spec.expectations_section import RECORDS
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.engine_of_step import engine_of
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.matching.comparisons import MOST_COMPARED
from er_pipeline.matching.scoring_cost import MatchingCost


def untaught(spec: PipelineSpec) -> PipelineSpec:
    """Return the spec of a dry run: no model is trained, so none teaches."""
    if not spec.is_taught_by_model:
        return spec
    assert spec.matching is not None
    matching = spec.matching.model_copy(update={"teaches_blocking": False})
    return spec.model_copy(update={"matching": matching})


def count_dataset(
    spec: PipelineSpec, steps: Sequence[Step], lake: Lake
) -> Iterator[str | Mapping[str, Any] | Verdict]:
    """Count every strategy and training rule of a dataset; judge the budgets.

    steps: the flow of the `untaught` spec. lake: of that flow, in a place to throw away after; it
    takes the cleaned records.
    Gives lines for people as it goes, then the same figures for programs, then the verdicts.
    Raises what `clean_records` raises.
    """
    facts: dict[str, Any] = {}
    for step in steps:
        if step.count is None:
            continue
        if step.name == "learned_rules":
            yield ""
            teacher = ""
            if spec.is_taught_by_model:
                teacher = "; a run has the trained model teach, and may choose a few others"
            yield f"learning rules{teacher} ..."
        with engine_of(step, lake, spec.threads, spec.memory_limit) as engine:
            facts[step.name] = step.count(engine, lake)
            if step.name == "cleaned_records":
                yield from _records_lines(engine, lake, spec, facts[step.name])
        if step.name == "true_pairs":
            known, unknown = (
                facts[step.name][name] for name in ("true_pairs", "pairs_with_unknown_ids")
            )
            yield ""
            yield f"{known:,} true pairs; {unknown:,} more name unknown ids."
        if step.name == "learned_rules":
            for rule in facts[step.name]["rules"]:
                yield f"    {' and '.join(rule['expressions'])}: {rule['pairs']:,} pairs"
    filtered = cast(FilteredFacts, facts["filtered_blocks"])
    training = cast(TrainingFacts | None, facts.get("em_training_rules"))
    if filtered["records_empty"]:
        yield ""
        yield (
            f"{filtered['records_empty']:,} records are empty in every field; coverage leaves them"
            " out."
        )
    yield from _strategies_lines(filtered, spec)
    if training:
        yield from _training_lines(training)
    if spec.matching and (left_out := not_compared(spec)):
        yield ""
        yield f"{left_out}."
    cost = _matching_cost(filtered, training, spec) if spec.matching and training else None
    if cost:
        yield ""
        yield cost.text()
    cleaned = cast(CleanedFacts, facts["cleaned_records"])
    yield {
        "snapshot": cleaned["snapshot"],
        "records": cleaned["records"],
        "rejected_rows": cleaned["rejected_rows"],
        "fields": cleaned["values_of_field"],
        "pairs": filtered["pairs"],
        "possible_pairs": filtered["possible_pairs"],
        "strategies": filtered["strategies"],
        "training_pairs": training["pairs"] if training else 0,
        "training_rules": training["rules"] if training else {},
        **({f"{name}_cpu_seconds": of for name, of in cost.seconds().items()} if cost else {}),
    }
    yield from judge_cleaning(cleaned, spec)
    yield from judge_strategies(filtered, spec)
    if training:
        yield from judge_training(training, spec)
    yield from _judge_budget(filtered, spec)
    if spec.matching:
        with DuckDBEngine(spec.threads, spec.memory_limit) as engine:
            lake.open(engine, "cleaned_records")
            yield judge_lengths(engine, spec)
    if RECORDS in spec.expectations.tables:
        with DuckDBEngine(spec.threads, spec.memory_limit) as engine:
            yield from judge_records(engine, lake, spec, data_docs=False)


def judge_lengths(engine: Engine, spec: PipelineSpec) -> Verdict:
    """Judge how long the compared values are; a model compares the beginning of long ones.

    Reads the engine's cleaned_records.
    """
    fields = spec.comparison_fields
    longest = engine.row(
        f"select {', '.join(f'max(length({quoted(name)}))' for name in fields)}"
        " from cleaned_records"
    )
    lengths = {name: n or 0 for name, n in zip(fields, longest, strict=True)}
    cut = {name: n for name, n in lengths.items() if n > MOST_COMPARED}
    listed = ", ".join(f"{name} (up to {n:,} characters)" for name, n in cut.items())
    return Verdict(
        "values_are_compared_whole",
        not cut,
        "warn",
        f"Matching compares the first {MOST_COMPARED} characters of {listed}. Leave such fields out"
        f" by {comparisons_with(spec, dict.fromkeys(cut))} if what sets records apart comes later."
        if cut
        else f"No compared value is longer than {MOST_COMPARED} characters.",
        {f"longest_{name}": n for name, n in lengths.items()},
    )


def _records_lines(
    engine: Engine, lake: Lake, spec: PipelineSpec, cleaned: CleanedFacts
) -> Iterator[str]:
    records = cleaned["records"]
    of_date = f" of the snapshot of {cleaned['snapshot']}" if cleaned["snapshot"] else ""
    yield f"{records:,} records{of_date} cleaned; nothing is kept."
    if cleaned["rejected_rows"]:
        yield f"{cleaned['rejected_rows']:,} rows cannot be read; a run puts them apart."
    yield ""
    yield (
        f"{'field':<24}{'kind':<14}{'filled':>10}{'distinct':>12}{'cleaned away':>14}"
        "  commonest value"
    )
    lake.open(engine, "cleaned_records")
    for name, values in cleaned["values_of_field"].items():
        yield (
            f"{name:<24}{spec.field_kinds[name]:<14}{values['filled'] / records:>10.1%}"
            f"{values['distinct']:>12,}{values['cleaned_away']:>14,}"
            f"  {_commonest(engine, name, values['filled'])}"
        )
    for name, values in cleaned["values_of_field"].items():
        if values["examples"]:
            yield (
                f"emptied of {name}: {values['cleaned_away']:,} values and"
                f" {values['null_marks']:,} marks of no value, such as"
                f" {examples_text(values['examples'])}"
            )


def _strategies_lines(facts: FilteredFacts, spec: PipelineSpec) -> Iterator[str]:
    yield ""
    if not facts["strategies"]:
        yield f"{no_strategy_text(spec)}."
        return
    width = max([24, *(len(name) + 2 for name in facts["strategies"])])
    yield f"{'strategy':<{width}}{'blocks':>12}{'pairs':>16}{'over the cap':>14}{'avoided':>18}"
    for name, counts in facts["strategies"].items():
        n_over, avoided = over_the_cap(counts)
        divided = f"  divided by {divisions_text(counts)}" if "divisions" in counts else ""
        yield (
            f"{name:<{width}}{counts['kept_blocks']:>12,}{counts['pairs']:>16,}"
            f"{n_over:>14,}{avoided:>18,}{divided}"
        )
    yield (
        f"{'sum':<{width}}{'':>12}{facts['pairs']:>16,}   of {facts['possible_pairs']:,} possible"
    )


def _training_lines(training: TrainingFacts) -> Iterator[str]:
    yield ""
    yield f"{'training rule':<24}{'blocks':>12}{'pairs':>16}"
    for name, counts in training["rules"].items():
        yield f"{name:<24}{counts['kept_blocks']:>12,}{counts['pairs']:>16,}"
    yield f"{'sum':<24}{'':>12}{training['pairs']:>16,}"


def _matching_cost(
    filtered: FilteredFacts, training: TrainingFacts, spec: PipelineSpec
) -> MatchingCost:
    assert spec.matching is not None, "matching is on"
    n_pairs = filtered["pairs"]
    if spec.budget:
        n_pairs = min(n_pairs, spec.budget.pairs(filtered["records"]))
    session_pairs = [counts["pairs"] for counts in training["rules"].values()]
    n_comparisons = len(spec.comparison_fields)
    return MatchingCost.of(n_pairs, n_comparisons, session_pairs, spec.matching.max_u_pairs)


def _commonest(engine: Engine, field: str, n_filled: int) -> str:
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


def _judge_budget(facts: FilteredFacts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge the budget of pairs as far as can be known before one is made."""
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
    if not facts["strategies"]:
        text = (
            f"At most {budget:,} pairs are kept; how many there are to choose from is not counted."
        )
        if not (spec.encoder or spec.second_pass):
            text = f"Nothing proposes pairs, so the budget of {budget:,} is not used."
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
