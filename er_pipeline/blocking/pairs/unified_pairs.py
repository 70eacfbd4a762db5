"""Every block -> candidate pairs, each stored once, with all strategies that propose it.

pair_queries.py says how they are made, ranked_pairs.py how the best of them are kept.
"""

import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NotRequired, TypedDict, cast

from er_pipeline.blocking.blocks.filtered_facts import filtered_facts
from er_pipeline.blocking.neighbours.vector_files import TEXT_VECTORS, WHOLE_VECTORS
from er_pipeline.blocking.pairs.mask_layout import MaskLayout
from er_pipeline.blocking.pairs.pair_queries import pair_queries
from er_pipeline.blocking.pairs.pair_verdicts import judge_pairs
from er_pipeline.blocking.pairs.pair_views import VIEWS_AGREE, judge_views
from er_pipeline.blocking.pairs.ranked_facts import RankedFacts
from er_pipeline.blocking.pairs.ranked_pairs import judge_ranking, rank_pairs
from er_pipeline.blocking.pairs.weighed_when_read import (
    account_for_sample,
    holds_weights,
    weighed_when_read,
    weight_of_view,
)
from er_pipeline.blocking.records.drop_verdicts import PAIRS_KEPT, judge_pairs_drop
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import (
    Curve,
    Grid,
    Overlap,
    Shown,
    WeightClasses,
    numbers,
)
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Check, Column, Facts, Table
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.tables.views import pairs_by_id

logger = logging.getLogger(__name__)

STRATEGY_MASK = Column("strategy_mask", "BIGINT", "Bit i is the i-th strategy", minimum=1)
SIMILARITY = Column("similarity", "FLOAT", "Cosine similarity, of neighbours", required=False)
WEIGHT = Column(
    "weight",
    "FLOAT",
    "Evidence for a match; 1 singles out one record. Within one table, without budget or"
    " neighbours, the view alone has it",
)

CUT_PAIRS = Table(
    "cut_pairs",
    "Pairs that the budget cut, with the weight that was not enough.",
    [LEFT_NO, RIGHT_NO, WEIGHT],
    view=None,
    is_internal=True,
)
CHECKS = (
    Check("every_pair_once", "Training and scoring would weigh a repeated pair twice."),
    Check("every_pair_canonical", "left before right, and across sources when linking."),
    Check("every_id_exists", "A pair of an unknown record cannot be scored."),
    PAIRS_KEPT,
)
LOSES_LITTLE = Check(
    "budget_loses_little",
    "Matches that the budget cuts are lost for good.",
    stops=False,
    limits=("checks.max_matches_cut",),
)
BUDGET_CHECKS = (
    Check(
        "budget_is_kept",
        "Every pair beyond the budget costs money; the ledger adds up.",
        limits=("budget.pairs_per_record", "budget.max_pairs"),
    ),
    LOSES_LITTLE,
)


# Combinations of strategies that are noted: more than a picture shows beside each other.
COMBINATIONS = 40


class SummedPairs(TypedDict):
    """What `sum_pairs` counts.

    proposed_pairs, pairs_of_one_strategy_only: strategy -> pairs. shared_pairs: of every strategy
    (row) with every other one; the diagonal holds its own. combinations: (mask, pairs) of the
    strategies that propose the same pairs, most pairs first, as many as a picture shows.
    """

    pairs: int
    proposed_pairs: dict[str, int]
    pairs_of_one_strategy_only: dict[str, int]
    shared_pairs: list[list[int]]
    combinations: NotRequired[list[list[int]]]


class UnifiedFacts(SummedPairs, RankedFacts):
    """What is noted beside unified_pairs and first_pass_pairs.

    strategy_bits: strategy or learned rule -> its bit in the mask. made_pairs,
    made_pairs_of_one_strategy_only: before the budget's cut, where pairs are weighed.
    second_pass_pairs: how many came on top, where a second pass follows the first one's matches.
    """

    strategy_bits: dict[str, int]
    made_pairs: NotRequired[dict[str, int]]
    made_pairs_of_one_strategy_only: NotRequired[dict[str, int]]
    second_pass_pairs: NotRequired[int]


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that makes the candidate pairs: all, or those of the first pass."""
    name = "first_pass_pairs" if spec.has_two_passes else "unified_pairs"
    table = pairs_table(name, "Every candidate pair once, with all strategies for it.", spec)
    reads = ["record_codes", "filtered_blocks"]
    if spec.learns:
        reads.append("learned_blocks")
    reads += ready_pair_tables(spec, of_first_pass=True)
    if spec.weights:
        reads += ["key_codes", "pair_weights"]
    if spec.weights and spec.encoder:
        reads += ["record_embeddings", TEXT_VECTORS]
        if spec.reads_whole_records:
            reads.append(WHOLE_VECTORS)
    step = Step(
        writes=[table, *([CUT_PAIRS] if keeps_cut_pairs(spec) else [])],
        reads=reads,
        settings=[
            [[strategy.name, strategy.is_list] for strategy in spec.strategy_conjunctions],
            spec.proposers,
            spec.link_mode,
            [spec.encoder is not None, spec.reads_whole_records, spec.seed],
            spec.budget,
        ],
        run=partial(unify_pairs, spec=spec, table=name),
        stage="pairs",
        place="cluster",
        show=show_pairs,
    )
    if spec.has_two_passes:  # judged when the pairs of both passes are there
        return [step]
    return [replace(step, checks=pair_checks(spec), judge=partial(judge_unified, spec=spec))]


def pairs_table(name: str, about: str, spec: PipelineSpec) -> Table:
    """Declare a table of candidate pairs."""
    columns = [LEFT_NO, RIGHT_NO, STRATEGY_MASK]
    shown = ["p.similarity" if spec.encoder else "null::float as similarity"]
    if spec.encoder:
        columns.append(SIMILARITY)
    if holds_weights(spec):
        columns.append(WEIGHT)
        shown.append("p.weight")
    view = pairs_by_id(
        name,
        strategies=spec.proposers,
        rules="learned_rules" if spec.learns else None,
        after=shown,
        joined=weight_of_view if weighed_when_read(spec) else None,
    )
    return Table(name, about, columns, view)


def keeps_cut_pairs(spec: PipelineSpec) -> bool:
    """Say whether the pairs that a budget cuts are kept, since nothing else shows their weight.

    Where several views rank the pairs, a weight depends on all of them.
    """
    return spec.weights and spec.budget is not None and spec.reads_whole_records


def pair_checks(spec: PipelineSpec) -> tuple[Check, ...]:
    """List what must hold of unified_pairs."""
    checks = CHECKS if spec.budget is None else (*CHECKS, *BUDGET_CHECKS)
    return (*checks, VIEWS_AGREE) if spec.weights and spec.reads_whole_records else checks


def unify_pairs(
    engine: Engine, lake: Lake, spec: PipelineSpec, table: str = "unified_pairs"
) -> Facts:
    """Make every candidate pair once, weigh it, and keep the best within the budget.

    Reads record_codes, filtered_blocks (and learned_blocks) for many-valued strategies, and
    embedding_blocks and second_pass_pairs where the spec has them; for weights key_codes, the
    facts of pair_weights and, with an encoder, the vectors. Writes the table (left_no INTEGER,
    right_no INTEGER, strategy_mask BIGINT, with an encoder similarity FLOAT, and weight FLOAT where
    `holds_weights`); bit i of the mask is the i-th of the facts' "strategy_bits"; left_no <
    right_no, which is the order of (source, record_id); in link mode the left record is of the
    earlier source.
    table: first_pass_pairs where a second pass follows the first one's matches.
    Cost without a budget: 1.35 times that of joining and writing the pairs at all
    (benchmarks/unified_pairs.py).
    Returns the facts kept beside the table, see `UnifiedFacts`.

    Raises BudgetError if there are more pairs than the budget allows and it says to fail.
    """
    tables = ["record_codes", "filtered_blocks", *ready_pair_tables(spec, of_first_pass=True)]
    if spec.learns:
        tables.append("learned_blocks")
    if spec.weights:
        tables.append("key_codes")
    for name in tables:
        lake.open(engine, name)
    if spec.cluster:
        spec.cluster.check_pairs(table, _most_pairs(lake, spec))
    layout = MaskLayout.of(spec, lake)
    listed = "select strategy, block_no, record_no from filtered_blocks"
    if spec.learns:
        listed += " union all select rule, block_no, record_no from learned_blocks"
    engine.make_view("listed_blocks", listed)
    with lake.writing(table, {"strategy_bits": layout.bits()}) as draft:
        # Where pairs are ranked, they are made in a folder of their own first.
        made = draft.folder
        if layout.weights:
            made = draft.folder / "made"
            made.mkdir()
        for nth, (part, sql) in enumerate(pair_queries(engine, layout, spec.link_mode)):
            logger.info("making pairs of %s", part)
            engine.write(sql, made / f"{nth:04}-{part[:80]}.parquet", bulk=True)
        if layout.weights:
            engine.read_folder(made, "written_pairs")
            summed = sum_pairs(engine, layout.names)
            draft.facts["made_pairs"] = summed["proposed_pairs"]
            draft.facts["made_pairs_of_one_strategy_only"] = summed["pairs_of_one_strategy_only"]
            kept, weights = draft.file("ranked"), layout.weights
            if keeps_cut_pairs(spec):
                with lake.writing(CUT_PAIRS.name) as cut:
                    ranked = rank_pairs(engine, lake, spec, weights, made, kept, cut.file())
            else:
                ranked = rank_pairs(engine, lake, spec, weights, made, kept)
            draft.facts.update(ranked)
        if made != draft.folder:
            shutil.rmtree(made)
        engine.read_folder(draft.folder, "written_pairs")
        summed = sum_pairs(engine, layout.names)
        draft.facts.update(summed)
        if weighed_when_read(spec):
            draft.facts["made_pairs"] = summed["proposed_pairs"]
            draft.facts["made_pairs_of_one_strategy_only"] = summed["pairs_of_one_strategy_only"]
            draft.facts.update(
                account_for_sample(engine, lake, spec, "written_pairs", summed["pairs"])
            )
        return dict(draft.facts)


def _most_pairs(lake: Lake, spec: PipelineSpec) -> int:
    """Count the pairs of all blocks, repeats too, or what the budget keeps if that is less."""
    facts = filtered_facts(lake)
    kept = spec.budget.pairs(facts["records"]) if spec.budget else facts["pairs"]
    return min(facts["pairs"], kept)


def unified_facts(lake: Lake, table: str = "unified_pairs") -> UnifiedFacts:
    """Read what is noted beside unified_pairs, or first_pass_pairs."""
    return cast(UnifiedFacts, lake.facts(table))


def ready_pair_tables(spec: PipelineSpec, *, of_first_pass: bool = False) -> list[str]:
    """List the tables that bring ready-made pairs; those that `unify_pairs` reads, or all."""
    second = spec.second_pass is not None and not (of_first_pass and spec.has_two_passes)
    tables = ["embedding_blocks"] if spec.embedding else []
    if second:
        tables.append("second_pass_pairs")
    return tables


def sum_pairs(engine: Engine, names: Sequence[str]) -> SummedPairs:
    """Count the engine's written_pairs, in one pass over their masks."""
    masks = engine.rows(
        "select strategy_mask, count(*) from written_pairs group by strategy_mask order by 1"
    )
    proposed = {
        name: sum(n for mask, n in masks if mask >> bit & 1) for bit, name in enumerate(names)
    }
    alone = {
        name: sum(n for mask, n in masks if mask == 1 << bit) for bit, name in enumerate(names)
    }
    shared = [
        [sum(n for mask, n in masks if mask >> a & 1 and mask >> b & 1) for b in range(len(names))]
        for a in range(len(names))
    ]
    return {
        "pairs": sum(n for _, n in masks),
        "proposed_pairs": proposed,
        "pairs_of_one_strategy_only": alone,
        "shared_pairs": shared,
        "combinations": [[mask, n] for mask, n in sorted(masks, key=_most_first)[:COMBINATIONS]],
    }


def _most_first(counted: tuple[int, int]) -> tuple[int, int]:
    mask, n_pairs = counted
    return -n_pairs, mask


def judge_unified(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    """Judge unified_pairs: its rows, and what the budget left."""
    yield from judge_pairs(engine, lake, spec)
    before = cast(UnifiedFacts | None, lake.last_good_facts("unified_pairs"))
    yield judge_pairs_drop(
        unified_facts(lake)["pairs"],
        before["pairs"] if before else None,
        spec.checks.max_pairs_drop,
    )
    yield from judge_ranking(unified_facts(lake), spec)
    if "views" in unified_facts(lake):
        yield judge_views(unified_facts(lake)["views"])


def show_pairs(facts: Facts) -> Mapping[str, Shown]:
    """Show what each strategy proposes, how they overlap and, where weighed, the weights."""
    proposed, alone = facts["proposed_pairs"], facts["pairs_of_one_strategy_only"]
    names = list(proposed)
    rows = [(name, f"{proposed[name]:,}", f"{alone[name]:,}") for name in names]
    weighed: dict[str, Shown] = {}
    if "views" in facts:
        weighed["views"] = Grid(
            ("view", "mutual bests", "trust"),
            [
                (view["name"], f"{view['mutual_best']:.1%}", f"{view['trust']:.3f}")
                for view in facts["views"]["views"]
            ],
        )
    if "weight_classes" in facts:
        curve = [
            (rank["pairs_per_record"], rank["expected_completeness"]) for rank in facts["ranks"]
        ]
        weighed["weights"] = WeightClasses(facts["weight_classes"])
        weighed["ranked"] = Curve({"expected": curve})
    return {
        **numbers(facts),
        **weighed,
        **{f"pairs_{name}": n for name, n in proposed.items()},
        "strategies": Grid(("strategy", "pairs", "proposed by it alone"), rows),
        "overlap": Overlap(names, facts["shared_pairs"]),
    }
