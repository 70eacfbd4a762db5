"""The second pass: more lenient blocking, only for records that need it.

Those are the records without a candidate; where pairs are scored, those without a match. Every pair
of this pass has at least one such record, so its cost is bounded by their number, and no pair of
the first pass comes again.

Without scores the pairs of both passes are put together by `unify_pairs`. With them the first pass
ends in first_pass_pairs and first_pass_matches, and `join_passes` puts both passes together.
"""

import logging
from functools import partial
from typing import TypedDict, cast

from er_pipeline.blocking.blocks.blocks import size_blocks
from er_pipeline.blocking.blocks.membership_limit import (
    check_made_memberships,
    check_memberships,
)
from er_pipeline.blocking.neighbours.nearest import SearchStats
from er_pipeline.blocking.neighbours.neighbour_lists import search_settings
from er_pipeline.blocking.neighbours.neighbour_pairs import search_pairs
from er_pipeline.blocking.neighbours.vector_files import (
    TEXT_VECTORS,
    load_vectors,
    vector_folder,
)
from er_pipeline.blocking.pairs.ranked_pairs import weight_sql
from er_pipeline.blocking.pairs.unified_pairs import (
    SIMILARITY,
    STRATEGY_MASK,
    judge_unified,
    pair_checks,
    pairs_table,
    show_pairs,
    sum_pairs,
    unified_facts,
)
from er_pipeline.blocking.pairs.weighed_when_read import holds_weights
from er_pipeline.blocking.spec.blocking_section import SECOND_EMBEDDING, Blocks
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import BudgetError
from er_pipeline.blocking.tables.lake import Lake, link_files
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Facts, Table
from er_pipeline.blocking.tables.views import pairs_by_id
from er_pipeline.blocking.values.key_failures import named_failures
from er_pipeline.blocking.weights.pair_evidence import RIVALS_SHARE
from er_pipeline.blocking.weights.pair_weights import read_weights

logger = logging.getLogger(__name__)


class SecondPassFacts(TypedDict):
    """What is noted beside second_pass_pairs: the pass's yield.

    looked_for: "a candidate", or "a match" where pairs are scored. planned_pairs: of its
    strategies, counted before one was made.
    """

    looked_for: str
    records_without: int
    records_given_a_candidate: int
    records_still_without: int
    pairs: int
    planned_pairs: int


def steps_after_blocks(spec: PipelineSpec) -> list[Step]:
    """Declare the second pass where it helps records without a candidate."""
    return [] if spec.second_pass is None or spec.has_two_passes else [_second_step(spec)]


def steps_after_matches(spec: PipelineSpec) -> list[Step]:
    """Declare the second pass where it helps records without a match, and the pairs of both."""
    if not spec.has_two_passes:
        return []
    reads = ["first_pass_pairs", "second_pass_pairs"]
    if spec.weights:
        reads += ["key_codes", "pair_weights"]
    both = Step(
        writes=[pairs_table("unified_pairs", "The pairs of both passes, each once.", spec)],
        reads=reads,
        settings=[spec.link_mode, spec.encoder is not None],
        run=partial(join_passes, spec=spec),
        stage="pairs",
        place="cluster",
        checks=pair_checks(spec),
        judge=partial(judge_unified, spec=spec),
        show=show_pairs,
    )
    return [_second_step(spec), both]


def _second_step(spec: PipelineSpec) -> Step:
    second = spec.second_pass
    assert second is not None
    reads = ["cleaned_records", "filtered_blocks"]
    if spec.has_two_passes:
        reads = ["cleaned_records", "first_pass_pairs", "first_pass_matches"]
    elif spec.embedding:
        reads.append("embedding_blocks")
    if second.embedding:
        reads += ["record_embeddings", TEXT_VECTORS]
    columns = [LEFT_NO, RIGHT_NO, STRATEGY_MASK]
    if spec.encoder:
        columns.append(SIMILARITY)
    similarity = "p.similarity" if spec.encoder else "null::float as similarity"
    without = "match" if spec.has_two_passes else "candidate"
    table = Table(
        "second_pass_pairs",
        "Pairs of a more lenient pass, only for records that the first pass left without a"
        f" {without}.",
        columns,
        pairs_by_id("second_pass_pairs", strategies=spec.proposers, after=[similarity]),
    )
    return Step(
        writes=[table],
        reads=reads,
        settings=[
            [[strategy.name, *strategy.identity] for strategy in spec.second_conjunctions],
            [second.max_size, second.max_pairs],
            search_settings(second.embedding, spec.link_mode) if second.embedding else None,
            spec.proposers,
            spec.link_mode,
            spec.encoder is not None,
            spec.matching.threshold if spec.matching else None,
        ],
        run=partial(build_second_pass_pairs, spec=spec),
        stage="pairs",
        place="cluster",
    )


def build_second_pass_pairs(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Make the pairs of the second pass.

    Reads cleaned_records, filtered_blocks, and with neighbours embedding_blocks,
    record_embeddings and the vectors; where pairs are scored, first_pass_pairs and
    first_pass_matches. Writes second_pass_pairs (left_no, right_no INTEGER,
    strategy_mask BIGINT by `spec.proposers`, with an encoder similarity FLOAT), each pair once.
    Returns the facts kept beside the table, see `SecondPassFacts`.

    Raises BudgetError if its strategies would make more than `second_pass: max_pairs`, counted
    from block sizes before one is made.
    """
    second = spec.second_pass
    assert second is not None
    lake.open(engine, "cleaned_records")
    engine.make_table(
        "lonely",
        "select r.record_no, r.source_no from cleaned_records as r"
        f" anti join ({helped_records(engine, lake, spec)}) as h on h.record_no = r.record_no",
    )
    (n_lonely,) = engine.row("select count(*) from lonely")
    counted = _count_strategies(engine, spec)
    planned = sum(counted.values())
    if planned > second.max_pairs:
        costly = max(counted, key=lambda name: (counted[name], name))
        raise BudgetError(
            f"the second pass would make {planned:,} pairs for {n_lonely:,} records, more than"
            f" {second.max_pairs:,}; the most expensive strategy is {costly} with"
            f" {counted[costly]:,}. Join another key to it, lower second_pass: max_size, or raise"
            " second_pass: max_pairs"
        )
    proposed = [_pairs_sql(name, 1 << spec.proposers.index(name), spec) for name in counted]
    with lake.writing("second_pass_pairs") as draft:
        if second.embedding:
            lake.open(engine, "record_embeddings")
            wanted = "record_no in (select record_no from lonely)"
            vectors = load_vectors(vector_folder(lake))
            search_pairs(
                engine, spec, second.embedding, vectors, draft.folder, "near", SearchStats(), wanted
            )
            bit = 1 << spec.proposers.index(SECOND_EMBEDDING)
            proposed.append(
                f"select left_no, right_no, {bit}::bigint as strategy_mask, similarity from near"
                " where left_no in (select record_no from lonely)"
                " or right_no in (select record_no from lonely)"
            )
        similarity = ", max(p.similarity) as similarity" if spec.encoder else ""
        new = ""
        if spec.has_two_passes:
            new = (
                " anti join first_pass_pairs as f"
                " on f.left_no = p.left_no and f.right_no = p.right_no"
            )
        engine.write(
            "select p.left_no, p.right_no, cast(sum(p.strategy_mask) as bigint) as strategy_mask"
            f"{similarity} from ({' union all '.join(proposed)}) as p{new}"
            " group by p.left_no, p.right_no order by p.left_no, p.right_no",
            draft.file(),
        )
        engine.read_folder(draft.folder, "made_pairs")
        n_pairs, n_helped = engine.row(
            "select (select count(*) from made_pairs), (select count(*) from lonely where record_no"
            " in (select left_no from made_pairs union all select right_no from made_pairs))"
        )
        facts = SecondPassFacts(
            looked_for="a match" if spec.has_two_passes else "a candidate",
            records_without=n_lonely,
            records_given_a_candidate=n_helped,
            records_still_without=n_lonely - n_helped,
            pairs=n_pairs,
            planned_pairs=planned,
        )
        draft.facts.update(facts)
        return dict(draft.facts)


def second_pass_facts(lake: Lake) -> SecondPassFacts:
    """Read what is noted beside second_pass_pairs."""
    return cast(SecondPassFacts, lake.facts("second_pass_pairs"))


def helped_records(engine: Engine, lake: Lake, spec: PipelineSpec) -> str:
    """Write the query of the records, with repeats, that the first pass has helped already.

    Makes readable what it reads: filtered_blocks and embedding_blocks, or, where pairs are scored,
    first_pass_matches and first_pass_pairs.
    """
    if spec.has_two_passes:
        assert spec.matching is not None
        for table in ("first_pass_pairs", "first_pass_matches"):
            lake.open(engine, table)
        helped_by = f"first_pass_matches where match_probability >= {spec.matching.threshold!r}"
        if lake.facts("first_pass_matches").get("unscored"):  # there is no model
            helped_by = "first_pass_pairs"
        sides = [f"select {side}_no as record_no from {helped_by}" for side in ("left", "right")]
        return " union all ".join(sides)
    lake.open(engine, "filtered_blocks")
    query = "select record_no from filtered_blocks"
    if spec.embedding:
        lake.open(engine, "embedding_blocks")
        query += (
            " union all select left_no from embedding_blocks"
            " union all select right_no from embedding_blocks"
        )
    return query


def join_passes(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Put the pairs of both passes together as unified_pairs.

    Reads first_pass_pairs and second_pass_pairs; for weights key_codes and pair_weights. The files
    of the first pass are linked, not copied. Pairs of the second pass are weighed alike, and come
    on top of the budget: `second_pass: max_pairs` is theirs.
    Returns the facts of first_pass_pairs, with the pairs of both, and "second_pass_pairs".
    """
    for table in ("first_pass_pairs", "second_pass_pairs"):
        lake.open(engine, table)
    first = unified_facts(lake, "first_pass_pairs")
    names = list(first["strategy_bits"])
    columns = ["p.left_no", "p.right_no", "p.strategy_mask"]
    joins = ""
    if spec.encoder:
        columns.append("p.similarity")
    if holds_weights(spec):
        lake.open(engine, "key_codes")
        columns.append(f"{_weight_sql(lake, spec)} as weight")
        joins = (
            " join key_codes as l on l.record_no = p.left_no"
            " join key_codes as r on r.record_no = p.right_no"
        )
    with lake.writing("unified_pairs", first) as draft:
        link_files(lake.path("first_pass_pairs"), draft.folder)
        engine.write(
            f"select {', '.join(columns)} from second_pass_pairs as p{joins}",
            draft.file("second_pass"),
            bulk=True,
        )
        engine.read_folder(draft.folder, "written_pairs")
        both = sum_pairs(engine, names)
        draft.facts.update(both)
        draft.facts["second_pass_pairs"] = both["pairs"] - first["pairs"]
        if spec.weights:  # what the budget cut was made by the first pass
            draft.facts["made_pairs"] = {
                name: made + both["proposed_pairs"][name] - first["proposed_pairs"][name]
                for name, made in first["made_pairs"].items()
            }
            alone = both["pairs_of_one_strategy_only"]
            alone_before = first["pairs_of_one_strategy_only"]
            draft.facts["made_pairs_of_one_strategy_only"] = {
                name: made + alone[name] - alone_before[name]
                for name, made in first["made_pairs_of_one_strategy_only"].items()
            }
        return dict(draft.facts)


def _weight_sql(lake: Lake, spec: PipelineSpec) -> str:
    """Write the weight of a pair, p, over the two rows of key_codes, l and r.

    When linking, it is taken for the best of both its records.
    """
    weights = read_weights(lake)
    similarity = "p.similarity" if spec.encoder else None
    own = weight_sql(weights, weights.evidence_sql(), similarity)
    if spec.link_mode != "link":
        return own
    return f"cast({own} * cast({1 - RIVALS_SHARE:g} as float) as float)"


def _count_strategies(engine: Engine, spec: PipelineSpec) -> dict[str, int]:
    """Count each strategy's pairs with a lonely record, exactly, from block sizes."""
    second = spec.second_pass
    assert second is not None
    counted = {}
    for strategy in spec.second_conjunctions:
        name = f"second_{strategy.name}"
        check_memberships(engine, strategy, spec, "second_pass strategy")
        with named_failures(engine, "cleaned_records", [strategy], "second_pass strategy"):
            keyed = strategy.keyed_records(engine, "cleaned_records")
            engine.make_table(
                name,
                "select k.record_no, k.source_no, k.block_key,"
                f" l.record_no is not null as is_lonely from ({keyed}) as k"
                " left join lonely as l on l.record_no = k.record_no",
            )
        check_made_memberships(engine, strategy, spec, name, "second_pass strategy")
        # All pairs of a block but those of two records that have candidates already.
        # Prefixes, of which none begins another, so that no strategy's name makes two tables one.
        others, kept = f"others_{strategy.name}", f"worth_{strategy.name}"
        engine.make_table(others, f"select * from {name} where not is_lonely")
        blocks = Blocks(max_size=second.max_size)
        for members in (name, others):
            size_blocks(engine, members, f"sizes_{members}", spec.link_mode, blocks)
        engine.make_table(
            kept,
            f"""
            select s.block_key, s.pairs - coalesce(o.pairs, 0) as pairs
            from sizes_{name} as s left join sizes_{others} as o on o.block_key = s.block_key
            where s.reason is null and s.pairs > coalesce(o.pairs, 0)
            """,
        )
        (pairs,) = engine.row(f"select coalesce(sum(pairs), 0)::bigint from {kept}")
        counted[strategy.name] = int(pairs)
        logger.info("second pass, %s: %s pairs", strategy.name, f"{pairs:,}")
    return counted


def _pairs_sql(name: str, mask: int, spec: PipelineSpec) -> str:
    across = "and l.source_no < r.source_no" if spec.link_mode == "link" else ""
    return f"""
        select distinct l.record_no as left_no, r.record_no as right_no,
            {mask}::bigint as strategy_mask, null::float as similarity
        from second_{name} as l join second_{name} as r
            on l.block_key = r.block_key and l.record_no < r.record_no {across}
        where (l.is_lonely or r.is_lonely)
            and l.block_key in (select block_key from worth_{name})
    """
