"""Step 5: what the pairs are worth. Figures of the whole run, and verdicts on them.

Figures come from block sizes wherever they can; nothing is materialized to be counted.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from er_pipeline.blocking.blocks.blocks import DROP_REASONS, over_the_cap
from er_pipeline.blocking.blocks.filtered_blocks import total_size_classes
from er_pipeline.blocking.pairs.unified_pairs import ready_pair_tables
from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.records.true_pairs import read_true_pairs
from er_pipeline.blocking.spec.blocking_section import EMBEDDING
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import share_of

QUALITY = ("precision", "recall", "f1")


def evaluate(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> dict[str, Any]:
    """Sum the run up; write blocking_report.

    Reads the facts of filtered_blocks and unified_pairs, with truth true_pairs, em_training_blocks
    and unified_pairs themselves, and the facts of `evaluated_tables`, as far as they were made of
    these pairs. Writes blocking_report (section, name, metric, value DOUBLE).
    Returns the figures by section: "run", "strategies", "size_classes"; with truth "truth",
    "training", "missed" and "remedies"; with matching "matching" and "recall".
    """
    fingerprint = read_records(engine, lake)
    read_numbered(engine, lake, "unified_pairs", fingerprint)
    filtered, unified = lake.facts("filtered_blocks"), lake.facts("unified_pairs")
    n, pairs, possible = filtered["records"], unified["pairs"], filtered["possible_pairs"]
    kept = sum(counts["kept_blocks"] for counts in filtered["strategies"].values())
    if unified.get("pairs_cut"):
        (paired,) = engine.row(
            "select count(*) from (select left_no from unified_pairs union"
            " select right_no from unified_pairs)"
        )
    else:
        paired = _count_paired_records(engine, lake, spec, filtered, fingerprint)
    run: dict[str, int | float] = {
        "records": n,
        "rejected_rows": lake.facts("cleaned_records")["rejected_rows"],
        "blocks": kept,
        "potential_comparisons": filtered["pairs"],
        "pairs": pairs,
        "pairs_per_record": share_of(pairs, n),
        "possible_pairs": possible,
        "reduction_ratio": 1 - share_of(pairs, possible),
        "reduction_factor": share_of(possible, pairs),
        "key_coverage": share_of(filtered["records_with_key"], n),
        "block_coverage": share_of(filtered["records_in_a_block"], n),
        "pair_coverage": share_of(paired, n),
        "coverage_lost_to_filtering": share_of(
            filtered["records_sharing_a_key"] - filtered["records_in_a_block"], n
        ),
        "records_without_key": n - filtered["records_with_key"],
        "records_with_a_key_nobody_shares": (
            filtered["records_with_key"] - filtered["records_sharing_a_key"]
        ),
        "pairs_avoided_by_the_cap": sum(
            over_the_cap(counts)[1] for counts in filtered["strategies"].values()
        ),
        "largest_block_share_of_pairs": share_of(
            max((c["largest_block_pairs"] for c in filtered["strategies"].values()), default=0),
            filtered["pairs"],
        ),
    }
    if spec.second_pass:
        second = lake.facts("second_pass_pairs")
        run["second_pass_records"] = second["records_without"]
        run["second_pass_records_given_a_candidate"] = second["records_given_a_candidate"]
        run["second_pass_pairs"] = second["pairs"]
    nothing = dict.fromkeys(DROP_REASONS, 0)
    no_blocks = {
        **{"kept_blocks": 0, "largest_block": 0},
        **{"dropped_blocks": nothing, "dropped_pairs": nothing},
    }
    names = list(unified["strategy_bits"])
    counted = {name: filtered["strategies"].get(name, no_blocks) for name in names}
    strategies: dict[str, dict[str, Any]] = {
        name: {
            "blocks": counts["kept_blocks"],
            "pairs": unified.get("made_pairs", unified["proposed_pairs"])[name],
            "pairs_kept": unified["proposed_pairs"][name],
            "pairs_of_it_alone": unified.get(
                "made_pairs_of_one_strategy_only", unified["pairs_of_one_strategy_only"]
            )[name],
            "largest_block": counts["largest_block"],
            "pairs_avoided_by_the_cap": over_the_cap(counts)[1],
        }
        for name, counts in counted.items()
    }
    if "pairs_made" in unified:
        run["pairs_cut_by_the_budget"] = unified["pairs_cut"]
        run["expected_matches"] = unified["expected_matches"]
        run["expected_matches_cut"] = unified["expected_matches_cut"]
    if "budget_pairs" in unified:
        run["budget_pairs"] = unified["budget_pairs"]
        run["matches_per_million_more_pairs"] = unified["matches_per_million_more_pairs"]
    if spec.learns:
        learned = lake.facts("learned_rules")
        run["learned_rules"] = len(learned["rules"])
        run["strategies_beside_learned_rules"] = len(spec.strategy_conjunctions)
        run["evidence_found_by_learned_rules"] = learned["evidence_found"]
        if learned["recall"] is not None:
            for name in ("recall", "recall_low", "recall_high"):
                run[f"held_out_{name}"] = learned[name]
    classes = total_size_classes(filtered["strategies"])
    figures: dict[str, Any] = {"run": run, "strategies": strategies, "size_classes": classes}
    if spec.truth and read_true_pairs(engine, lake, fingerprint):
        figures["truth"] = _against_truth(engine, lake, spec, fingerprint, strategies)
        run["pairs_completeness"] = figures["truth"]["pairs_completeness"]
        run["pairs_quality"] = figures["truth"]["pairs_quality"]
        figures["training"] = training_figures(engine, lake, fingerprint)
    figures["curve"] = completeness_curve(engine, unified, strategies, "truth" in figures, n)
    if "weight_classes" in unified:
        figures["weight_classes"] = {
            f"{row['weight']:g}": {name: v for name, v in row.items() if name != "weight"}
            for row in unified["weight_classes"]
        }
    figures |= _figures_of_tables(engine, lake, spec, fingerprint)
    with lake.writing("blocking_report", {"fingerprint": fingerprint, "figures": figures}) as draft:
        engine.make_table(
            "report_rows",
            "select '' as section, '' as name, '' as metric, 0.0::double as value where 1 = 0",
        )
        for row in _report_rows(figures):
            engine.execute("insert into report_rows values (?, ?, ?, ?)", row)
        engine.write("select * from report_rows", draft.file())
    return figures


def evaluated_tables(spec: PipelineSpec) -> list[str]:
    """List the tables made of the pairs whose figures belong into the report."""
    tables = ["matches", "entities"] if spec.matching else []
    tables += ["missed_matches"] if spec.truth else []
    tables += ["match_quality"] if spec.truth and spec.matching else []
    return tables + (["recall_sample"] if spec.matching and spec.matching.recall else [])


def _figures_of_tables(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, fingerprint: str
) -> dict[str, dict[str, Any]]:
    """Take over the figures of matching and of what was missed, by section of the report."""
    facts: dict[str, dict[str, Any]] = {}
    for table in evaluated_tables(spec):
        # Versions begin with the time they were written at: older ones tell of other pairs.
        if lake.has(table) and lake.version(table) > lake.version("unified_pairs"):
            read_numbered(engine, lake, table, fingerprint)
            facts[table] = lake.facts(table)
    figures: dict[str, dict[str, Any]] = {}
    if "matches" in facts and "entities" in facts:
        entities = facts["entities"]
        figures["matching"] = {
            "threshold": entities["threshold"],
            "matches": facts["matches"]["matches"],
            **{
                name: facts["matches"][name]
                for name in ("second_pass_records_given_a_match",)
                if name in facts["matches"]
            },
            "entities": entities["entities"],
            "entities_of_several_records": entities["entities"] - entities["singletons"],
            "largest_entity": entities["largest_entity"],
        }
    if "match_quality" in facts:
        quality = facts["match_quality"]
        figures["matching"] |= {
            **{f"match_{name}": quality["at_threshold"][name] for name in QUALITY},
            "best_threshold": quality["at_best"]["threshold"],
            **{f"match_{name}_at_best": quality["at_best"][name] for name in QUALITY},
        }
    if "missed_matches" in facts:
        missed = facts["missed_matches"]
        figures["missed"] = {
            cause: {"true_pairs": n, "share_of_true_pairs": share_of(n, missed["true_pairs"])}
            for cause, n in missed["causes"].items()
        }
        if "matching" in figures:
            figures["matching"]["missed_that_would_score_too_low"] = missed["unlikely"]
        figures["remedies"] = {
            remedy["remedy"]: {name: n for name, n in remedy.items() if name != "remedy"}
            for remedy in missed["remedies"]
        }
    if "recall_sample" in facts:
        sample = facts["recall_sample"]["sample"]
        figures["recall"] = {
            **{f"estimated_{name}": sample[name] for name in ("recall", "recall_low")},
            "estimated_recall_high": sample["recall_high"],
            "records_sampled": facts["recall_sample"]["records_sampled"],
            "likely_matches_of_sample": sample["likely_matches"],
        }
        if "families" in facts["recall_sample"]:
            families = facts["recall_sample"]["families"]
            figures["recall"] |= {
                "recall_by_families": families["recall"],
                "families_of_evidence": len(families["families"]),
                "likely_matches_found": families["likely_matches_found"],
                "likely_matches_unseen": families["likely_matches_unseen"],
            }
    return figures


def _count_paired_records(
    engine: DuckDBEngine,
    lake: Lake,
    spec: PipelineSpec,
    filtered: Mapping[str, Any],
    fingerprint: str,
) -> int:
    """Count the records with a candidate: every kept block gives each of its records a partner."""
    ready = ready_pair_tables(spec)
    if not ready:
        return int(filtered["records_in_a_block"])
    for table in ["filtered_blocks", *ready]:
        read_numbered(engine, lake, table, fingerprint)
    sides = [f"select {side} from {table}" for table in ready for side in ("left_no", "right_no")]
    (n_paired,) = engine.row(
        "select count(distinct record_no) from (select record_no from filtered_blocks union all "
        + " union all ".join(sides)
        + ")"
    )
    return int(n_paired)


def _against_truth(
    engine: DuckDBEngine,
    lake: Lake,
    spec: PipelineSpec,
    fingerprint: str,
    strategies: dict[str, dict[str, Any]],
) -> dict[str, int | float]:
    """Count the true pairs that are candidates, by strategy; see missed_matches for the others."""
    bits = {name: bit for bit, name in enumerate(strategies)}
    propose_true_pairs(engine, lake, spec, fingerprint, bits)
    engine.make_table(
        "found_pairs",
        f"select p.left_no, p.right_no, p.strategy_mask{', p.weight' * spec.weights}"
        " from unified_pairs as p join true_pairs as t"
        " on t.left_no = p.left_no and t.right_no = p.right_no",
    )
    found = engine.rows("select strategy_mask, count(*) from found_pairs group by 1")
    proposed = engine.rows("select strategy_mask, count(*) from proposed_true group by 1")
    (n_true,) = engine.row("select count(*) from true_pairs")
    (n_pairs,) = engine.row("select count(*) from unified_pairs")
    n_found, n_proposed = sum(n for _, n in found), sum(n for _, n in proposed)
    for name, bit in bits.items():
        hits = sum(n for mask, n in proposed if mask >> bit & 1)
        strategies[name]["true_pairs"] = hits
        strategies[name]["true_pairs_of_it_alone"] = sum(
            n for mask, n in proposed if mask == 1 << bit
        )
        strategies[name]["pairs_completeness"] = share_of(hits, n_true)
        # What a match costs in pairs: on the whole, and what leaving the strategy out would save.
        for cost, pairs, found_by in (
            ("pairs_per_true_pair", "pairs", "true_pairs"),
            ("pairs_per_true_pair_of_it_alone", "pairs_of_it_alone", "true_pairs_of_it_alone"),
        ):
            if strategies[name][found_by]:  # none found: no figure says what one would cost
                strategies[name][cost] = strategies[name][pairs] / strategies[name][found_by]
    return {
        "true_pairs": n_true,
        "given_pairs_with_unknown_ids": lake.facts("true_pairs")["pairs_with_unknown_ids"],
        "true_pairs_proposed": n_proposed,
        "true_pairs_found": n_found,
        "pairs_completeness": share_of(n_found, n_true),
        "pairs_quality": share_of(n_found, n_pairs),
        "true_pairs_cut_by_the_budget": n_proposed - n_found,
        "completeness_cut_by_the_budget": share_of(n_proposed - n_found, n_true),
    }


def propose_true_pairs(
    engine: DuckDBEngine,
    lake: Lake,
    spec: PipelineSpec,
    fingerprint: str,
    bits: Mapping[str, int],
) -> None:
    """Make proposed_true (left_no, right_no, strategy_mask): true pairs that were made at all.

    What proposes a pair follows from the two records; so it is known of pairs the budget cut, too.
    """
    tables = ["record_codes", "filtered_blocks", *ready_pair_tables(spec)]
    for table in tables + ["learned_blocks"] * bool(spec.learns):
        read_numbered(engine, lake, table, fingerprint)
    codes = lake.facts("record_codes")
    declared = [strategy for strategy in spec.strategy_conjunctions if not strategy.is_list]
    single = [*(strategy.name for strategy in declared), *codes["single_rules"]]
    equal = " + ".join(
        f"case when l.code_{i} = r.code_{i} then {1 << bits[name]}::bigint else 0::bigint end"
        for i, name in enumerate(single)
    )
    parts = [
        f"select t.left_no, t.right_no, {equal or '0::bigint'} as strategy_mask"
        " from true_pairs as t join record_codes as l on l.record_no = t.left_no"
        " join record_codes as r on r.record_no = t.right_no"
    ]
    listed = [
        ("filtered_blocks", "strategy", strategy.name)
        for strategy in spec.strategy_conjunctions
        if strategy.is_list
    ]
    listed += [("learned_blocks", "rule", name) for name in codes["listed_rules"]]
    for table, column, name in listed:
        members = f"(select record_no, block_no from {table} where {column} = {literal(name)})"
        parts.append(
            f"select distinct t.left_no, t.right_no, {1 << bits[name]}::bigint"
            f" from true_pairs as t join {members} as l on l.record_no = t.left_no"
            f" join {members} as r on r.record_no = t.right_no and r.block_no = l.block_no"
        )
    for table in ready_pair_tables(spec):
        mask = "p.strategy_mask"
        if table == "embedding_blocks":
            mask = f"{1 << bits[EMBEDDING]}::bigint"
        parts.append(
            f"select t.left_no, t.right_no, {mask} from true_pairs as t join {table} as p"
            " on p.left_no = t.left_no and p.right_no = t.right_no"
        )
    engine.make_table(
        "proposed_true",
        "select left_no, right_no, sum(strategy_mask)::bigint as strategy_mask"
        f" from ({' union all '.join(parts)}) group by all having sum(strategy_mask) > 0",
    )


def training_figures(
    engine: DuckDBEngine, lake: Lake, fingerprint: str
) -> dict[str, dict[str, int | float]]:
    """Count the true pairs among those that each training rule trains on.

    Reads true_pairs, em_training_blocks and the facts of em_training_rules. Returns pairs,
    true_pairs and match_share by rule; a rule without a pair has no match_share.

    Raises LakeError if a table is missing or was made from other records.
    """
    for table in ("true_pairs", "em_training_rules", "em_training_blocks"):
        read_numbered(engine, lake, table, fingerprint)
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
    for rule, counts in lake.facts("em_training_rules")["rules"].items():
        figures[rule] = {"pairs": counts["pairs"], "true_pairs": true.get(rule, 0)}
        if counts["pairs"]:
            figures[rule]["match_share"] = figures[rule]["true_pairs"] / counts["pairs"]
    return figures


def completeness_curve(
    engine: DuckDBEngine,
    unified: Mapping[str, Any],
    strategies: Mapping[str, Mapping[str, Any]],
    has_truth: bool,
    n_records: int,
) -> dict[str, dict[str, float]]:
    """Tell what share of the matches how many pairs per record find.

    Points "strategy <name>" for each strategy alone, "union" for all kept pairs, and "ranked <n>"
    for the best n pairs per record, each with pairs_per_record and pairs_completeness: with truth
    the share of the true pairs (reads the engine's found_pairs), else of the matches expected among
    the pairs made. Points of strategies need truth.
    """
    points: dict[str, dict[str, float]] = {}
    if has_truth:
        (n_true,) = engine.row("select count(*) from true_pairs")
        (n_proposed,) = engine.row("select count(*) from proposed_true")
        for name, counts in strategies.items():
            points[f"strategy {name}"] = {
                "pairs_per_record": share_of(counts["pairs"], n_records),
                "pairs_completeness": counts["pairs_completeness"],
            }
        points["union"] = {
            "pairs_per_record": share_of(unified.get("pairs_made", unified["pairs"]), n_records),
            "pairs_completeness": share_of(n_proposed, n_true),
        }
    for rank in unified.get("ranks", []):
        if rank["pairs_per_record"] * n_records > unified["pairs"] + 0.5 and has_truth:
            break  # which true pairs were cut beyond the budget is not kept
        completeness = rank["expected_completeness"]
        if has_truth:
            (n_above,) = engine.row(
                f"select count(*) from found_pairs where weight >= {rank['weight']}::float"
            )
            completeness = share_of(n_above, n_true)
        points[f"ranked {rank['pairs_per_record']:g}"] = {
            "pairs_per_record": rank["pairs_per_record"],
            "pairs_completeness": completeness,
        }
    return points


def _report_rows(figures: Mapping[str, Any]) -> Iterator[tuple[str, str, str, float]]:
    for section, entries in figures.items():
        for name, value in entries.items():
            if isinstance(value, Mapping):
                for metric, number in value.items():
                    yield section, name, metric, float(number)
            else:
                yield section, "", name, float(value)
