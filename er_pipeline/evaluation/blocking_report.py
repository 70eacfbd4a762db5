"""The blocking report: what the pairs are worth, in the figures of the whole run.

Figures come from block sizes wherever they can; nothing is materialized to be counted.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from er_pipeline.blocking.blocks.blocks import over_the_cap
from er_pipeline.blocking.blocks.filtered_facts import (
    FilteredFacts,
    filtered_facts,
    total_size_classes,
)
from er_pipeline.blocking.blocks.training_facts import training_facts
from er_pipeline.blocking.pairs.second_pass_pairs import second_pass_facts
from er_pipeline.blocking.pairs.unified_pairs import (
    UnifiedFacts,
    ready_pair_tables,
    unified_facts,
)
from er_pipeline.blocking.records.cleaned_records import cleaned_facts
from er_pipeline.blocking.records.emptied_values import emptied_figures
from er_pipeline.blocking.spec.learned import learned_rules_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Curve, Grid, Shown
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Check, Column, Facts, Table
from er_pipeline.blocking.tables.verdicts import Verdict, share_of
from er_pipeline.blocking.tables.views import all_columns
from er_pipeline.evaluation.completeness import (
    TruePairs,
    completeness_curve,
    count_true_pairs,
    find_true_pairs,
    tables_of_true_pairs,
)
from er_pipeline.evaluation.in_force_report import FITS, judge_in_force, learned_tables
from er_pipeline.evaluation.taken_figures import figures_of_tables

REPORT = Table(
    "blocking_report",
    "The run in figures: pairs, reduction, coverage, recall.",
    [
        Column("section", "VARCHAR", "run, strategies, size_classes, truth, matching, ..."),
        Column("name", "VARCHAR", "Strategy, class, cause or remedy; empty for the whole run"),
        Column("metric", "VARCHAR", "What was measured"),
        Column("value", "DOUBLE", "The figure"),
    ],
    all_columns("blocking_report"),
)

HAVE_CANDIDATES = Check(
    "records_have_candidates",
    "What has no candidate matches nothing, and nobody notices when more and more have none.",
    stops=False,
    limits=("checks.max_without_candidate",),
)
# Most by which the share of records without a candidate may rise from one good run to the next,
# where the settings name no limit: a source adds some records a night, not a fifth of new ones.
MOST_RISE = 0.2


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that sums the run up."""
    return [
        Step(
            writes=[REPORT],
            reads=_reads(spec),
            settings=[
                [[strategy.name, strategy.is_list] for strategy in spec.strategy_conjunctions],
                spec.proposers,
                spec.weights,
            ],
            run=partial(evaluate, spec=spec),
            stage="evaluation",
            checks=(HAVE_CANDIDATES, FITS) if learned_tables(spec) else (HAVE_CANDIDATES,),
            judge=partial(_judge, spec=spec),
            show=_show,
        )
    ]


def _reads(spec: PipelineSpec) -> list[str]:
    tables = ["cleaned_records", "unified_pairs", "filtered_blocks", *ready_pair_tables(spec)]
    tables.append("recall_views")
    tables += learned_tables(spec)
    if spec.learns:
        tables.append("learned_rules")
    if spec.truth:
        tables += tables_of_true_pairs(spec)
        tables.append("missed_matches")
        if spec.trains:
            tables += ["em_training_blocks", "em_training_rules"]
    if spec.matching:
        tables += ["matches", "entities"]
        if spec.truth:
            tables.append("match_quality")
        if spec.matching.recall:
            tables.append("recall_sample")
    return list(dict.fromkeys(tables))


def evaluate(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Sum the run up; write blocking_report.

    Reads the facts of filtered_blocks and unified_pairs, with truth true_pairs, em_training_blocks
    and unified_pairs themselves, and the facts of all that was made of the pairs. Writes
    blocking_report (section, name, metric, value DOUBLE).
    Returns the figures, which are kept beside the table, by section: "run", "strategies",
    "size_classes", "emptied", "emptied_examples", "recall_interval", "recall_views" and, where
    recall is not known, "recall_unknown"; with truth "truth", "training", "missed" and "remedies";
    with matching "matching" and "recall".
    """
    figures = gather_figures(engine, lake, spec, _reads(spec))
    with lake.writing("blocking_report", figures) as draft:
        engine.put("report_rows", REPORT.arrow(_report_rows(figures)))
        engine.write("select * from report_rows", draft.file())
    return figures


def gather_figures(
    engine: Engine, lake: Lake, spec: PipelineSpec, tables: Collection[str]
) -> dict[str, Any]:
    """Gather the figures of a run, as far as these of its tables are good; see `evaluate`.

    Without candidate pairs there are only the records: "run" with "records", "rejected_rows" and
    "forgotten_records".
    Without any, there is nothing.
    """

    def has(*needed: str) -> bool:
        return all(table in tables for table in needed)

    for table in _reads(spec):
        if has(table):
            lake.open(engine, table)
    if not has("cleaned_records"):
        return {}
    if not has("unified_pairs", "filtered_blocks", *ready_pair_tables(spec)):
        return {"run": {"records": cleaned_facts(lake)["records"], **_left_out(lake)}}
    filtered, unified = filtered_facts(lake), unified_facts(lake)
    run = {
        **_run_figures(engine, lake, spec, filtered, unified),
        **_second_pass_figures(lake, spec),
        **_budget_figures(unified),
        **_learning_figures(lake, spec),
    }
    strategies = _strategy_figures(filtered, unified)
    classes = total_size_classes(filtered["strategies"])
    figures: dict[str, Any] = {"run": run, "strategies": strategies, "size_classes": classes}
    figures |= emptied_figures(cleaned_facts(lake)["values_of_field"])
    true: TruePairs | None = None
    if spec.truth and has(*tables_of_true_pairs(spec)):
        true = find_true_pairs(engine, lake, spec, unified["strategy_bits"])
        figures["truth"] = count_true_pairs(engine, lake, strategies, true)
        run["pairs_completeness"] = figures["truth"]["pairs_completeness"]
        run["pairs_quality"] = figures["truth"]["pairs_quality"]
        if spec.trains and has("em_training_blocks", "em_training_rules"):
            figures["training"] = training_figures(engine, lake)
    figures["curve"] = completeness_curve(engine, unified, strategies, true, filtered["records"])
    if "weight_classes" in unified:
        figures["weight_classes"] = {
            f"{row['weight']:g}": {name: v for name, v in row.items() if name != "weight"}
            for row in unified["weight_classes"]
        }
    return figures | figures_of_tables(lake, tables)


def _left_out(lake: Lake) -> dict[str, int]:
    """Count what stands in the sources and is no record."""
    facts = cleaned_facts(lake)
    return {
        "rejected_rows": facts["rejected_rows"],
        "forgotten_records": sum(facts["forgotten_of_source"].values()),
    }


def _run_figures(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    filtered: FilteredFacts,
    unified: UnifiedFacts,
) -> dict[str, int | float]:
    n, pairs, possible = filtered["records"], unified["pairs"], filtered["possible_pairs"]
    n_filled = n - filtered["records_empty"]  # nothing could cover the others
    counted = filtered["strategies"].values()
    paired = _count_paired_records(engine, spec, filtered, unified)
    return {
        "records": n,
        "records_empty": filtered["records_empty"],
        **_left_out(lake),
        "blocks": sum(counts["kept_blocks"] for counts in counted),
        "potential_comparisons": filtered["pairs"],
        "pairs": pairs,
        "pairs_per_record": share_of(pairs, n),
        "possible_pairs": possible,
        "reduction_ratio": 1 - share_of(pairs, possible),
        "reduction_factor": share_of(possible, pairs),
        "key_coverage": share_of(filtered["records_with_key"], n_filled),
        "block_coverage": share_of(filtered["records_in_a_block"], n_filled),
        "pair_coverage": share_of(paired, n_filled),
        "coverage_lost_to_filtering": share_of(
            filtered["records_sharing_a_key"] - filtered["records_in_a_block"], n_filled
        ),
        "records_without_key": n_filled - filtered["records_with_key"],
        "records_with_a_key_nobody_shares": (
            filtered["records_with_key"] - filtered["records_sharing_a_key"]
        ),
        "pairs_avoided_by_the_cap": sum(over_the_cap(counts)[1] for counts in counted),
        "largest_block_share_of_pairs": share_of(
            max((counts["largest_block_pairs"] for counts in counted), default=0),
            filtered["pairs"],
        ),
    }


def _second_pass_figures(lake: Lake, spec: PipelineSpec) -> dict[str, int | float]:
    if not spec.second_pass:
        return {}
    second = second_pass_facts(lake)
    return {
        "second_pass_records": second["records_without"],
        "second_pass_records_given_a_candidate": second["records_given_a_candidate"],
        "second_pass_pairs": second["pairs"],
    }


def _budget_figures(unified: UnifiedFacts) -> dict[str, int | float]:
    figures: dict[str, int | float] = {}
    if "pairs_made" in unified:
        figures["pairs_cut_by_the_budget"] = unified["pairs_cut"]
        figures["expected_matches"] = unified["expected_matches"]
        figures["expected_matches_cut"] = unified["expected_matches_cut"]
    if "budget_pairs" in unified:
        figures["budget_pairs"] = unified["budget_pairs"]
        figures["matches_per_million_more_pairs"] = unified["matches_per_million_more_pairs"]
    return figures


def _learning_figures(lake: Lake, spec: PipelineSpec) -> dict[str, int | float]:
    if not spec.learns:
        return {}
    learned = learned_rules_facts(lake)
    figures: dict[str, int | float] = {
        "learned_rules": len(learned["rules"]),
        "strategies_beside_learned_rules": len(spec.strategy_conjunctions),
        "evidence_found_by_learned_rules": learned["evidence_found"],
    }
    held_out = {
        "held_out_recall": learned["recall"],
        "held_out_recall_low": learned["recall_low"],
        "held_out_recall_high": learned["recall_high"],
    }
    figures |= {name: share for name, share in held_out.items() if share is not None}
    return figures


def _strategy_figures(
    filtered: FilteredFacts, unified: UnifiedFacts
) -> dict[str, dict[str, int | float]]:
    """Return the figures of every strategy, in the order of their bits."""
    pairs = unified.get("made_pairs", unified["proposed_pairs"])
    alone = unified.get("made_pairs_of_one_strategy_only", unified["pairs_of_one_strategy_only"])
    figures: dict[str, dict[str, int | float]] = {}
    for name in unified["strategy_bits"]:
        counts = filtered["strategies"].get(name)  # neighbours have no blocks
        figures[name] = {
            "blocks": counts["kept_blocks"] if counts else 0,
            "pairs": pairs[name],
            "pairs_kept": unified["proposed_pairs"][name],
            "pairs_of_it_alone": alone[name],
            "largest_block": counts["largest_block"] if counts else 0,
            "pairs_avoided_by_the_cap": over_the_cap(counts)[1] if counts else 0,
        }
    return figures


def _count_paired_records(
    engine: Engine, spec: PipelineSpec, filtered: FilteredFacts, unified: UnifiedFacts
) -> int:
    """Count the records with a candidate: every kept block gives each of its records a partner.

    Where the budget cut pairs the candidates themselves are looked at.
    """
    if unified.get("pairs_cut"):
        (n_paired,) = engine.row(
            "select count(*) from (select left_no from unified_pairs union"
            " select right_no from unified_pairs)"
        )
        return int(n_paired)
    ready = ready_pair_tables(spec)
    if not ready:
        return int(filtered["records_in_a_block"])
    sides = [f"select {side} from {table}" for table in ready for side in ("left_no", "right_no")]
    (n_paired,) = engine.row(
        "select count(distinct record_no) from (select record_no from filtered_blocks union all "
        + " union all ".join(sides)
        + ")"
    )
    return int(n_paired)


def training_figures(engine: Engine, lake: Lake) -> dict[str, dict[str, int | float]]:
    """Count the true pairs among those that each training rule trains on.

    Reads the engine's true_pairs and em_training_blocks, and the facts of em_training_rules.
    Returns pairs, true_pairs and match_share by rule; a rule without a pair has no match_share.
    """
    true = dict(
        engine.rows(
            """
            select l.rule, count(*) from true_pairs as t
            join em_training_blocks as l on l.record_no = t.left_no
            join em_training_blocks as r on r.record_no = t.right_no
                and r.rule = l.rule and r.block_key = l.block_key
            group by l.rule
            """
        )
    )
    figures: dict[str, dict[str, int | float]] = {}
    for rule, counts in training_facts(lake)["rules"].items():
        figures[rule] = {"pairs": counts["pairs"], "true_pairs": true.get(rule, 0)}
        if counts["pairs"]:
            figures[rule]["match_share"] = figures[rule]["true_pairs"] / counts["pairs"]
    return figures


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterator[Verdict]:
    before = lake.last_good_facts("blocking_report")
    covered_before = before["run"]["pair_coverage"] if before else None
    covered = lake.facts("blocking_report")["run"]["pair_coverage"]
    yield judge_candidates(covered, covered_before, spec.checks.max_without_candidate)
    yield from judge_in_force(engine, lake, spec)


def judge_candidates(covered: float, before: float | None, most: float | None) -> Verdict:
    """Judge how many records have no candidate.

    covered: share of the records with a value that have one. before: the same of the last good run,
    None if there was none. most: share that may have none; None holds it against the last good run.
    """
    without = 1 - covered
    limit = most
    if limit is None and before is not None:
        limit = min(1.0, 1 - before + MOST_RISE)
    passed = limit is None or without <= limit
    text = f"{without:.1%} of the records have no candidate"
    if before is not None:
        text += f", {1 - before:.1%} in the last good run"
    if limit is not None:
        text += f" (a warning above {limit:.1%})"
    if not passed:
        text += (
            ". Does a source write a field otherwise now? Add a strategy over other fields, or set"
            f" checks: max_without_candidate, such as {min(1.0, (int(without * 100) + 1) / 100):g}."
        )
    return Verdict(
        HAVE_CANDIDATES.name,
        passed,
        "warn",
        text if text.endswith(".") else f"{text}.",
        {"share_without_candidate": without, "share_without_before": 1 - (before or 0.0)},
    )


def _report_rows(figures: Mapping[str, Any]) -> Iterator[tuple[str, str, str, float]]:
    for section, entries in figures.items():
        for name, value in entries.items():
            if isinstance(value, Mapping):
                for metric, number in value.items():
                    yield section, name, metric, float(number)
            else:
                yield section, "", name, float(value)


def _show(facts: Facts) -> Mapping[str, Shown]:
    figures = {
        **facts["run"],
        **facts.get("matching", {}),
        **facts.get("recall", {}),
        **facts["recall_interval"],
    }
    rows = [(name.replace("_", " "), f"{value:,.6g}") for name, value in figures.items()]
    ranked = [
        (point["pairs_per_record"], point["pairs_completeness"])
        for name, point in facts["curve"].items()
        if name.startswith("ranked ")
    ]
    others = {
        name.removeprefix("strategy "): [(p["pairs_per_record"], p["pairs_completeness"])]
        for name, p in facts["curve"].items()
        if not name.startswith("ranked ")
    }
    curve = {"curve": Curve({"ranked": ranked, **others})} if ranked or others else {}
    return {**figures, **curve, "figures": Grid(("figure", "value"), rows)}
