"""Steps: every table of a dataset in the order of the flow, what makes it and what it shows.

A step names what it writes and reads and which function of the pure half does it; `assets.py`
turns it into an asset.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from er_pipeline.blocking.blocks.blocks import build_blocks, over_the_cap
from er_pipeline.blocking.blocks.em_training_blocks import build_em_training_blocks
from er_pipeline.blocking.blocks.filtered_blocks import filter_blocks, total_size_classes
from er_pipeline.blocking.blocks.refined_blocks import told_divisions
from er_pipeline.blocking.labels.label_queue import queue_pairs
from er_pipeline.blocking.labels.labels import read_labels
from er_pipeline.blocking.learning.learned_blocks import build_learned_blocks
from er_pipeline.blocking.learning.learned_rules import learn_rules
from er_pipeline.blocking.neighbours.embedding_blocks import find_neighbours
from er_pipeline.blocking.neighbours.record_embeddings import embed_records
from er_pipeline.blocking.pairs.second_pass_pairs import join_passes, pair_the_lonely
from er_pipeline.blocking.pairs.unified_pairs import second_hand_tables, unify_pairs
from er_pipeline.blocking.records.cleaned_records import clean_records
from er_pipeline.blocking.records.key_codes import index_keys
from er_pipeline.blocking.records.true_pairs import number_true_pairs
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.keys import Conjunction
from er_pipeline.blocking.weights.pair_weights import weigh_pairs
from er_pipeline.evaluation.blocking_report import evaluate, evaluated_tables
from er_pipeline.evaluation.match_quality import measure_matches
from er_pipeline.evaluation.missed_matches import explain_missed
from er_pipeline.evaluation.recall import estimate_recall
from er_pipeline.matching.em_model import train_model
from er_pipeline.matching.entities import join_matches
from er_pipeline.matching.matches import score_pairs, weight_classes
from er_pipeline.matching.scored_pairs import model_scorer
from er_pipeline.orchestration.asset_metadata import (
    Facts,
    numbers,
    show_missed,
    show_quality,
    show_recall,
)
from er_pipeline.orchestration.charts import (
    WEIGHT_CLASSES,
    count_picture,
    curve_picture,
    level_pictures,
    markdown_table,
    overlap_picture,
    similarity_histogram,
    size_histogram,
    weight_histogram,
)


@dataclass(frozen=True)
class Step:
    """One asset in the making.

    tables: what it writes, the main one first. reads: the tables it needs. stage: its tag.
    settings: what its code version depends on, besides the code.
    code: the function of the pure half, for the asset's code reference; run calls it.
    show: facts -> metadata of the main table (numbers become plots, Markdown is shown inline).
    """

    tables: Mapping[str, str]
    stage: str
    reads: Sequence[str]
    settings: Any
    code: Callable[..., Facts]
    run: Callable[[DuckDBEngine, Lake], Facts]
    show: Callable[[Facts], Mapping[str, Any]]
    lineage: Mapping[str, Sequence[str]] = field(default_factory=dict)


def dataset_steps(spec: PipelineSpec, folder: Path) -> list[Step]:
    """List the steps of a dataset in the order of the flow; the catalog comes after them."""
    strategies = [f"blocks_{strategy.name}" for strategy in spec.strategy_conjunctions]
    truth = ["true_pairs", "em_training_rules", "em_training_blocks"] if spec.truth else []
    keys = [strategy.expression for strategy in spec.strategy_conjunctions]
    learned = ["learned_blocks"] if spec.learns else []
    labels = ["labels"] if spec.labels else []
    weighed = ["key_codes", "pair_weights"] if spec.weights else []
    first_pairs = "first_pass_pairs" if spec.has_two_passes else "unified_pairs"
    ready = second_hand_tables(spec, of_first_pass=True)
    steps = [
        Step(
            tables={
                "cleaned_records": "Every record once, numbered, each field clean or NULL.",
                "rejected_records": "Rows of the sources that cannot be read, with the reason.",
            },
            stage="records",
            reads=[f"source_{label}" for label in spec.source_labels],
            settings=[spec.sources, spec.field_kinds, spec.cleaning],
            code=clean_records,
            run=lambda engine, lake: clean_records(engine, lake, spec, folder),
            show=_show_records,
        )
    ]
    if spec.truth:
        steps.append(
            Step(
                tables={"true_pairs": "Known matches; they judge the result, never shape it."},
                stage="records",
                reads=["cleaned_records"],
                settings=spec.truth,
                code=number_true_pairs,
                run=lambda engine, lake: number_true_pairs(engine, lake, spec, folder),
                show=lambda facts: numbers(facts),
            )
        )
    if spec.labels:
        steps.append(
            Step(
                tables={"labels": "Pairs that people have judged, each once, its last answer."},
                stage="training",
                reads=["cleaned_records"],
                settings=[spec.labels, spec.link_mode],
                code=read_labels,
                run=lambda engine, lake: read_labels(engine, lake, spec, folder),
                show=numbers,
                lineage={"source": ()},  # of the label, not of a record
            )
        )
    steps += [_blocks_step(spec, strategy) for strategy in spec.strategy_conjunctions]
    steps += _training_steps(spec)
    steps += _learning_steps(spec)
    steps += [
        Step(
            tables={
                "filtered_blocks": f"Blocks worth comparing: {_sizes_wanted(spec)}.",
                "dropped_blocks": "The ledger of blocks not compared: pairs avoided, and why.",
            },
            stage="blocks",
            reads=["cleaned_records", *strategies, *learned, *labels],
            settings=[spec.blocks, keys, spec.learns, spec.link_mode, spec.labels],
            code=filter_blocks,
            run=lambda engine, lake: filter_blocks(engine, lake, spec),
            show=_show_filtered,
        ),
        *_embedding_steps(spec),
        *([] if spec.has_two_passes else _second_pass_steps(spec)),
        *_weighing_steps(spec),
        Step(
            tables={first_pairs: "Every candidate pair once, with all strategies for it."},
            stage="pairs",
            reads=["filtered_blocks", *learned, *ready, *weighed],
            settings=[keys, spec.link_mode, spec.proposers, spec.weights, spec.budget],
            code=unify_pairs,
            run=lambda engine, lake: unify_pairs(engine, lake, spec, first_pairs),
            show=_show_pairs,
        ),
        *(_second_pass_after_matches(spec) if spec.has_two_passes else []),
        *_queue_steps(spec),
        *_matching_steps(spec),
        *_evaluation_steps(spec),
        Step(
            tables={"blocking_report": "The run in figures: pairs, reduction, coverage, recall."},
            stage="evaluation",
            reads=["unified_pairs", "filtered_blocks", *truth, *evaluated_tables(spec)],
            settings=[spec.truth, spec.matching],
            code=evaluate,
            run=lambda engine, lake: evaluate(engine, lake, spec),
            show=_show_report,
        ),
    ]
    return steps


def _blocks_step(spec: PipelineSpec, strategy: Conjunction) -> Step:
    return Step(
        tables={f"blocks_{strategy.name}": f"Records by their key: {strategy.expression}."},
        stage="blocks",
        reads=["cleaned_records"],
        settings=[key.sql for key in strategy.keys],
        code=build_blocks,
        run=lambda engine, lake: build_blocks(engine, lake, strategy, spec),
        show=_show_blocks,
        lineage={"block_key": strategy.source_columns},
    )


def _teachers(spec: PipelineSpec) -> list[str]:
    return ["em_model"] if spec.is_taught_by_model else []


def _learning_steps(spec: PipelineSpec) -> list[Step]:
    steps = []
    if spec.weights or spec.learns:
        steps.append(
            Step(
                tables={"key_codes": "The forward index: one row per record, one number per key."},
                stage="blocks",
                reads=["cleaned_records"],
                settings=[choice.key.sql for choice in spec.key_choices],
                code=index_keys,
                run=lambda engine, lake: index_keys(engine, lake, spec),
                show=numbers,
            )
        )
    if spec.learns:
        labels = ["labels"] if spec.labels else []
        taught = {}
        if spec.is_taught_by_model:
            taught["weak_labels"] = "Pairs of which the model is sure; apart from judged ones."
        steps += [
            Step(
                tables={
                    "learned_rules": "Conjunctions chosen for what they find and what they cost.",
                    "blocks_train": "The forward index of the sample that was learned from.",
                    **taught,
                },
                stage="learning",
                reads=["cleaned_records", "key_codes", *labels, *_teachers(spec)],
                settings=[spec.learns, spec.blocks, spec.link_mode, spec.is_taught_by_model],
                code=learn_rules,
                run=lambda engine, lake: learn_rules(engine, lake, spec, model_scorer(lake, spec)),
                show=_show_rules,
            ),
            Step(
                tables={"learned_blocks": "The blocks of all learned rules that are compared."},
                stage="blocks",
                reads=["cleaned_records", "key_codes", "learned_rules"],
                settings=[spec.learns, spec.blocks, spec.link_mode],
                code=build_learned_blocks,
                run=lambda engine, lake: build_learned_blocks(engine, lake, spec),
                show=lambda facts: {
                    **numbers(facts),
                    "block_sizes": size_histogram(total_size_classes(facts["rules"])),
                },
            ),
        ]
    return steps


def _weighing_steps(spec: PipelineSpec) -> list[Step]:
    if not spec.weights:
        return []
    reads = ["key_codes", "filtered_blocks"]
    reads += ["learned_blocks"] * bool(spec.learns) + ["embedding_blocks"] * bool(spec.embedding)
    reads += ["labels"] * bool(spec.labels) + _teachers(spec)
    return [
        Step(
            tables={"pair_weights": "How much each agreement and disagreement says, by field."},
            stage="pairs",
            reads=reads,
            settings=[spec.labels, spec.seed, spec.is_taught_by_model],
            code=weigh_pairs,
            run=lambda engine, lake: weigh_pairs(engine, lake, spec, model_scorer(lake, spec)),
            show=_show_weights,
        )
    ]


def _queue_steps(spec: PipelineSpec) -> list[Step]:
    if not spec.labels:
        return []
    keys = ["key_codes", "pair_weights"] if spec.weights else []
    return [
        Step(
            tables={"label_queue": "Pairs a person should judge next, and why."},
            stage="learning",
            reads=["unified_pairs", "labels", *keys],
            settings=[spec.labels, spec.seed],
            code=queue_pairs,
            run=lambda engine, lake: queue_pairs(engine, lake, spec),
            show=numbers,
        )
    ]


def _training_steps(spec: PipelineSpec) -> list[Step]:
    steps = [
        Step(
            tables={
                "em_training_rules": "Training rules with their exact cost and source columns.",
                "em_training_blocks": "The blocks of every training rule, one EM session each.",
            },
            stage="training",
            reads=["cleaned_records"],
            settings=[spec.blocks, [rule.expression for rule in spec.training_conjunctions]],
            code=build_em_training_blocks,
            run=lambda engine, lake: build_em_training_blocks(engine, lake, spec),
            show=_show_training,
        ),
    ]
    if spec.matching:
        steps.append(
            Step(
                tables={"em_model": "The trained model: what every level of agreement says."},
                stage="training",
                reads=["cleaned_records", "em_training_rules", "em_training_blocks"],
                settings=[spec.matching.trained_by(), spec.comparisons, spec.link_mode, spec.seed],
                code=train_model,
                run=lambda engine, lake: train_model(engine, lake, spec),
                show=_show_model,
            )
        )
    return steps


def _matching_steps(spec: PipelineSpec) -> list[Step]:
    if spec.matching is None:
        return []
    scored = ["unified_pairs"]
    if spec.has_two_passes:
        scored += ["second_pass_pairs", "first_pass_matches"]

    def score(engine: DuckDBEngine, lake: Lake) -> Facts:
        if not spec.has_two_passes:
            return score_pairs(engine, lake, spec)
        return score_pairs(engine, lake, spec, "second_pass_pairs", first="first_pass_matches")

    return [
        Step(
            tables={"matches": "Candidate pairs that may be matches, with their probability."},
            stage="matching",
            reads=["cleaned_records", "em_model", *scored],
            settings=[spec.matching, spec.comparisons],
            code=score_pairs,
            run=score,
            show=_show_matches,
        ),
        Step(
            tables={"entities": "Every record with its entity: what matches join."},
            stage="matching",
            reads=["cleaned_records", "matches"],
            settings=[spec.matching.threshold],
            code=join_matches,
            run=lambda engine, lake: join_matches(engine, lake, spec),
            show=lambda facts: {
                **numbers(facts),
                "sizes": count_picture("entities by size", facts["sizes"]),
            },
        ),
    ]


def _evaluation_steps(spec: PipelineSpec) -> list[Step]:
    steps = []
    matching = spec.matching
    threshold = matching.threshold if matching else None
    if spec.truth:
        pairs = ["filtered_blocks", "dropped_blocks", *second_hand_tables(spec), "unified_pairs"]
        pairs += ["first_pass_pairs", "first_pass_matches"] * spec.has_two_passes
        pairs += ["learned_rules", "learned_blocks"] * bool(spec.learns)
        pairs += ["key_codes"] * bool(spec.learns or spec.weights)
        pairs += ["record_embeddings"] * bool(spec.encoder)
        steps.append(
            Step(
                tables={
                    "missed_matches": "True pairs that are not found: why, and what would find them"
                    " at least cost."
                },
                stage="evaluation",
                reads=["cleaned_records", "true_pairs", *pairs, *["matches"] * bool(matching)],
                settings=[spec.truth, threshold],
                code=explain_missed,
                run=lambda engine, lake: explain_missed(engine, lake, spec, threshold=threshold),
                show=show_missed,
            )
        )
    if spec.truth and matching:
        steps.append(
            Step(
                tables={"match_quality": "Precision, recall and F1 of the matches by threshold."},
                stage="evaluation",
                reads=["cleaned_records", "true_pairs", "matches"],
                settings=[spec.truth, threshold],
                code=measure_matches,
                run=lambda engine, lake: measure_matches(
                    engine, lake, threshold=matching.threshold
                ),
                show=show_quality,
            )
        )
    if matching and matching.recall:
        sample = matching.recall
        steps.append(
            Step(
                tables={
                    "recall_sample": "Likely matches of some records among all records, and whether"
                    " they are candidates: recall without truth."
                },
                stage="evaluation",
                reads=["cleaned_records", "em_model", "unified_pairs", "matches"],
                settings=[sample, threshold, spec.seed],
                code=estimate_recall,
                run=lambda engine, lake: estimate_recall(
                    engine,
                    lake,
                    spec,
                    max_records=sample.records,
                    max_comparisons=sample.comparisons,
                    min_probability=sample.min_probability or matching.threshold,
                    seed=spec.seed,
                ),
                show=show_recall,
            )
        )
    return steps


def _embedding_steps(spec: PipelineSpec) -> list[Step]:
    steps = []
    if spec.encoder:
        steps.append(
            Step(
                tables={
                    "record_embeddings": "Which text and vector each record has; every distinct"
                    f" text is encoded once, by the encoder {spec.encoder.encoder}."
                },
                stage="blocks",
                reads=["cleaned_records"],
                settings=[spec.encoder.vectors_of(), spec.embedding_fields],
                code=embed_records,
                run=lambda engine, lake: embed_records(engine, lake, spec),
                show=lambda facts: {**numbers(facts), "encoder": facts["encoder"]},
            )
        )
    if spec.embedding:
        steps.append(
            Step(
                tables={
                    "embedding_blocks": f"The {spec.embedding.k} nearest neighbours of every"
                    " record, as pairs with their similarity."
                },
                stage="blocks",
                reads=["cleaned_records", "record_embeddings"],
                settings=[spec.embedding, spec.link_mode],
                code=find_neighbours,
                run=lambda engine, lake: find_neighbours(engine, lake, spec),
                show=lambda facts: {
                    **numbers(facts),
                    "index": facts["index"],
                    "similarity": similarity_histogram(facts["similarities"]),
                },
            )
        )
    return steps


def _second_pass_steps(spec: PipelineSpec) -> list[Step]:
    if spec.second_pass is None:
        return []
    neighbours = ["record_embeddings"] if spec.second_pass.embedding else []
    first = ["filtered_blocks", *(["embedding_blocks"] if spec.embedding else [])]
    if spec.has_two_passes:
        first = ["first_pass_pairs", "first_pass_matches"]
    without = "match" if spec.has_two_passes else "candidate"
    return [
        Step(
            tables={
                "second_pass_pairs": "Pairs of a more lenient pass, only for records that the"
                f" first pass left without a {without}."
            },
            stage="pairs",
            reads=["cleaned_records", *first, *neighbours],
            settings=[spec.second_pass, spec.link_mode],
            code=pair_the_lonely,
            run=lambda engine, lake: pair_the_lonely(engine, lake, spec),
            show=numbers,
        )
    ]


def _second_pass_after_matches(spec: PipelineSpec) -> list[Step]:
    """List the steps from the first pass's pairs to those of both."""
    weighed = ["key_codes", "pair_weights"] if spec.weights else []
    first, matches = "first_pass_pairs", "first_pass_matches"
    return [
        Step(
            tables={matches: "Pairs of the first pass that may be matches; who has none goes on."},
            stage="matching",
            reads=["cleaned_records", "em_model", first],
            settings=[spec.matching, spec.comparisons],
            code=score_pairs,
            run=lambda engine, lake: score_pairs(engine, lake, spec, first, matches),
            show=_show_matches,
        ),
        *_second_pass_steps(spec),
        Step(
            tables={"unified_pairs": "The pairs of both passes, each once."},
            stage="pairs",
            reads=["cleaned_records", first, "second_pass_pairs", *weighed],
            settings=[spec.second_pass, spec.link_mode],
            code=join_passes,
            run=lambda engine, lake: join_passes(engine, lake, spec),
            show=_show_pairs,
        ),
    ]


def _show_records(facts: Facts) -> Mapping[str, Any]:
    rows = [
        (
            name,
            f"{v['filled'] / facts['records']:.1%}",
            f"{v['distinct']:,}",
            f"{v['cleaned_away']:,}",
        )
        for name, v in facts["values_of_field"].items()
    ]
    shares = {
        f"filled_share_{name}": v["filled"] / facts["records"]
        for name, v in facts["values_of_field"].items()
    }
    return {
        "records": facts["records"],
        "rejected_rows": facts["rejected_rows"],
        **shares,
        "fields": markdown_table(
            ("field", "filled", "distinct values", "placeholders and unreadable"), rows
        ),
    }


def _show_blocks(facts: Facts) -> Mapping[str, Any]:
    return {
        **numbers(facts),
        "key": facts["expression"],
        "block_sizes": size_histogram(facts["size_classes"]),
    }


def _show_filtered(facts: Facts) -> Mapping[str, Any]:
    divided = any("divisions" in c for c in facts["strategies"].values())
    rows = [
        (
            name,
            f"{c['kept_blocks']:,}",
            f"{c['pairs']:,}",
            f"{c['largest_block']:,}",
            f"{over_the_cap(c)[0]:,}",
            f"{over_the_cap(c)[1]:,}",
            *((f"{c['dropped_blocks']['refined']:,}", told_divisions(c)) if divided else ()),
        )
        for name, c in facts["strategies"].items()
    ]
    header = ["strategy", "blocks", "pairs", "largest block", "over the cap", "pairs avoided"]
    header += ["divided", "by"] if divided else []
    return {
        **numbers(facts),
        **{f"pairs_{name}": c["pairs"] for name, c in facts["strategies"].items()},
        "strategies": markdown_table(header, rows),
        "block_sizes": size_histogram(total_size_classes(facts["strategies"])),
    }


def _show_pairs(facts: Facts) -> Mapping[str, Any]:
    names = list(facts["proposed_pairs"])
    rows = [
        (
            name,
            f"{facts['proposed_pairs'][name]:,}",
            f"{facts['pairs_of_one_strategy_only'][name]:,}",
        )
        for name in names
    ]
    weighed = {}
    if "weight_classes" in facts:
        weighed["weights"] = weight_histogram(facts["weight_classes"])
        weighed["ranked"] = curve_picture(
            {
                "expected": [
                    (rank["pairs_per_record"], rank["expected_completeness"])
                    for rank in facts["ranks"]
                ]
            }
        )
    return {
        **numbers(facts),
        **weighed,
        **{f"pairs_{name}": n for name, n in facts["proposed_pairs"].items()},
        "strategies": markdown_table(("strategy", "pairs", "proposed by it alone"), rows),
        "overlap": overlap_picture(names, facts["shared_pairs"]),
    }


def _show_rules(facts: Facts) -> Mapping[str, Any]:
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
    return {**numbers(facts), "n_rules": len(facts["rules"]), "rules": markdown_table(header, rows)}


def _show_weights(facts: Facts) -> Mapping[str, Any]:
    rows = [
        (field["field"], *(f"{x:.1%}" for x in (field["m"][1], sum(field["m"][2:]), field["m"][0])))
        for field in facts["fields"]
    ]
    header: tuple[str, ...] = ("field", "m: whole value", "m: a wider key", "m: nothing")
    if facts["related"]:
        header += ("relatives: nothing",)
        rows = [(*row, f"{m[0]:.1%}") for row, m in zip(rows, facts["related"], strict=True)]
    return {**numbers(facts), "fields": markdown_table(header, rows)}


def _show_training(facts: Facts) -> Mapping[str, Any]:
    rows = [
        (
            name,
            c["expression"],
            f"{c['pairs']:,}",
            f"{c['largest_block']:,}",
            ", ".join(c["source_columns"]),
        )
        for name, c in facts["rules"].items()
    ]
    return {
        "training_pairs": facts["pairs"],
        **{f"training_pairs_{name}": c["pairs"] for name, c in facts["rules"].items()},
        "rules": markdown_table(("rule", "keys", "pairs", "largest block", "fixes"), rows),
    }


def _show_model(facts: Facts) -> Mapping[str, Any]:
    sessions = facts["sessions"]
    rows = [
        (
            session["rule"],
            f"{session['pairs']:,}",
            f"{session['match_share']:.2%}",
            f"{session['iterations']}{'' if session['converged'] else ', not converged'}",
            ", ".join(session["trained"]),
            ", ".join(session["left_out"]),
        )
        for session in sessions
    ]
    header = ("session", "pairs", "matches", "iterations", "trained", "left out")
    shares = [
        (name, session["rule"], f"{m[0]:.3f}", f"{m[-1]:.3f}")
        for session in sessions
        for name, m in session["m"].items()
        if m[0] is not None and m[-1] is not None
    ]
    weights, m_and_u = level_pictures(facts["levels"])
    return {
        **numbers(facts),
        **{f"match_share_{session['rule']}": session["match_share"] for session in sessions},
        "match_weights": weights,
        "m_and_u": m_and_u,
        "sessions": markdown_table(header, rows),
        "m_by_session": markdown_table(
            ("comparison", "session", "m: equal values", "m: other values"), sorted(shares)
        ),
    }


def _show_matches(facts: Facts) -> Mapping[str, Any]:
    found = [(int(weight), n) for weight, n in facts["weights"].items()]
    return {
        **numbers(facts),
        "weights": count_picture(
            "pairs by match weight", dict(weight_classes(found, WEIGHT_CLASSES))
        ),
    }


def _show_report(facts: Facts) -> Mapping[str, Any]:
    figures = {**facts["run"], **facts.get("matching", {}), **facts.get("recall", {})}
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
    curve = {"curve": curve_picture({"ranked": ranked, **others})} if ranked or others else {}
    return {**figures, **curve, "figures": markdown_table(("figure", "value"), rows)}


def _sizes_wanted(spec: PipelineSpec) -> str:
    largest = "any number of" if spec.blocks.max_size is None else f"{spec.blocks.max_size:,}"
    return f"{spec.blocks.min_size} to {largest} records"
