"""The second pass: more lenient blocking, only for records that need it.

Those are the records without a candidate; where pairs are scored, those without a match. Every pair
of this pass has at least one such record, so its cost is bounded by their number, and no pair of
the first pass comes again.

Without scores the pairs of both passes are put together by `unify_pairs`. With them the first pass
ends in first_pass_pairs and first_pass_matches, and `join_passes` puts both passes together.
"""

import logging
from typing import Any, cast

from er_pipeline.blocking.blocks.blocks import size_blocks
from er_pipeline.blocking.neighbours.embedding_blocks import search_pairs
from er_pipeline.blocking.neighbours.nearest import Search
from er_pipeline.blocking.pairs.ranked_pairs import weight_sql
from er_pipeline.blocking.pairs.unified_pairs import UnifiedFacts, sum_pairs
from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.pipeline import SECOND_EMBEDDING, Blocks, PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BudgetError
from er_pipeline.blocking.tables.lake import Lake, link_files
from er_pipeline.blocking.weights.pair_evidence import RIVALS_SHARE
from er_pipeline.blocking.weights.pair_weights import read_weights

logger = logging.getLogger(__name__)


def pair_the_lonely(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> dict[str, Any]:
    """Make the pairs of the second pass.

    Reads cleaned_records, filtered_blocks, and with neighbours embedding_blocks,
    record_embeddings and the vectors; where pairs are scored, first_pass_pairs and
    first_pass_matches. Writes second_pass_pairs (left_no, right_no INTEGER,
    strategy_mask BIGINT by `spec.proposers`, with an encoder similarity FLOAT), each pair once.
    Returns the facts kept beside the table: the pass's yield.

    Raises BudgetError if its strategies would make more than `second_pass: max_pairs`, counted
    from block sizes before one is made; LakeError if a table was made from other records.
    """
    second = spec.second_pass
    assert second is not None
    fingerprint = read_records(engine, lake)
    engine.make_table(
        "lonely",
        "select record_no, source_no from cleaned_records"
        f" where record_no not in ({helped_records(engine, lake, spec, fingerprint)})",
    )
    (n_lonely,) = engine.row("select count(*) from lonely")
    counted = _count_strategies(engine, spec)
    planned = sum(counted.values())
    if planned > second.max_pairs:
        dearest = max(counted, key=lambda name: (counted[name], name))
        raise BudgetError(
            f"the second pass would make {planned:,} pairs for {n_lonely:,} records, more than"
            f" {second.max_pairs:,}; the dearest strategy is {dearest} with {counted[dearest]:,}."
            " Join another key to it, lower second_pass: max_size, or raise second_pass: max_pairs"
        )
    proposed = [_pairs_sql(name, 1 << spec.proposers.index(name), spec) for name in counted]
    with lake.writing("second_pass_pairs", {"fingerprint": fingerprint}) as draft:
        if second.embedding:
            read_numbered(engine, lake, "record_embeddings", fingerprint)
            wanted = "record_no in (select record_no from lonely)"
            search_pairs(
                engine, lake, spec, second.embedding, draft.folder, "near", Search(), wanted
            )
            bit = 1 << spec.proposers.index(SECOND_EMBEDDING)
            proposed.append(
                f"select left_no, right_no, {bit}::bigint as strategy_mask, similarity from near"
                " where left_no in (select record_no from lonely)"
                " or right_no in (select record_no from lonely)"
            )
        similarity = ", max(similarity) as similarity" if spec.encoder else ""
        engine.write(
            "select left_no, right_no, cast(sum(strategy_mask) as bigint) as strategy_mask"
            f"{similarity} from ({' union all '.join(proposed)}) as p"
            + " anti join first_pass_pairs as f using (left_no, right_no)" * spec.has_two_passes
            + " group by left_no, right_no order by left_no, right_no",
            draft.file(),
        )
        engine.read_folder(draft.folder, "made_pairs")
        n_pairs, n_helped = engine.row(
            "select (select count(*) from made_pairs), (select count(*) from lonely where record_no"
            " in (select left_no from made_pairs union all select right_no from made_pairs))"
        )
        draft.facts.update(
            looked_for="a match" if spec.has_two_passes else "a candidate",
            records_without=n_lonely,
            records_given_a_candidate=n_helped,
            records_still_without=n_lonely - n_helped,
            pairs=n_pairs,
            planned_pairs=planned,
        )
        return dict(draft.facts)


def helped_records(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, fingerprint: str) -> str:
    """Write the query of the records, with repeats, that the first pass has helped already.

    Makes readable what it reads. Raises LakeError if a table was made from other records.
    """
    if spec.has_two_passes:
        assert spec.matching is not None
        for table in ("first_pass_pairs", "first_pass_matches"):
            read_numbered(engine, lake, table, fingerprint)
        likely = f"where match_probability >= {spec.matching.threshold!r}"
        sides = [
            f"select {side}_no as record_no from first_pass_matches {likely}"
            for side in ("left", "right")
        ]
        return " union all ".join(sides)
    read_numbered(engine, lake, "filtered_blocks", fingerprint)
    query = "select record_no from filtered_blocks"
    if spec.embedding:
        read_numbered(engine, lake, "embedding_blocks", fingerprint)
        query += (
            " union all select left_no from embedding_blocks"
            " union all select right_no from embedding_blocks"
        )
    return query


def join_passes(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> UnifiedFacts:
    """Put the pairs of both passes together as unified_pairs.

    Reads cleaned_records, first_pass_pairs and second_pass_pairs; for weights key_codes. The files
    of the first pass are linked, not copied. Pairs of the second pass are weighed alike, and come
    on top of the budget: `second_pass: max_pairs` is theirs. When linking, each is taken for the
    best of its records.
    Returns the facts of first_pass_pairs, with the pairs of both, and "second_pass_pairs".
    """
    fingerprint = read_records(engine, lake)
    for table in ("first_pass_pairs", "second_pass_pairs"):
        read_numbered(engine, lake, table, fingerprint)
    first: dict[str, Any] = lake.facts("first_pass_pairs")
    names = list(first["strategy_bits"])
    similarity = "p.similarity" if spec.encoder else None
    weight, joins = "", ""
    if spec.weights:
        read_numbered(engine, lake, "key_codes", fingerprint)
        lake.check_declared("pair_weights")
        weights = read_weights(lake)
        weight = f", {weight_sql(weights, weights.evidence_sql(), similarity)} as weight"
        if spec.link_mode == "link":
            weight = weight.replace(" as weight", f" * {1 - RIVALS_SHARE:g} as weight")
        joins = (
            " join key_codes as l on l.record_no = p.left_no"
            " join key_codes as r on r.record_no = p.right_no"
        )
    with lake.writing("unified_pairs", first) as draft:
        link_files(lake.path("first_pass_pairs"), draft.folder)
        engine.write(
            "select p.left_no, p.right_no, p.strategy_mask"
            f"{', p.similarity' if spec.encoder else ''}{weight}"
            f" from second_pass_pairs as p{joins}",
            draft.file("second_pass"),
            bulk=True,
        )
        engine.read_folder(draft.folder, "written_pairs")
        draft.facts.update(sum_pairs(engine, names))
        draft.facts["second_pass_pairs"] = draft.facts["pairs"] - first["pairs"]
        for made, kept in (
            ("made_pairs", "proposed_pairs"),
            ("made_pairs_of_one_strategy_only", "pairs_of_one_strategy_only"),
        ):
            if made in first:
                of_both = {n: first[made][n] + draft.facts[kept][n] - first[kept][n] for n in names}
                draft.facts[made] = of_both
        return cast(UnifiedFacts, dict(draft.facts))


def _count_strategies(engine: DuckDBEngine, spec: PipelineSpec) -> dict[str, int]:
    """Count each strategy's pairs with a lonely record, exactly, from block sizes."""
    second = spec.second_pass
    assert second is not None
    counted = {}
    for strategy in spec.second_conjunctions:
        name = f"second_{strategy.name}"
        engine.make_table(
            name,
            "select k.record_no, k.source_no, k.block_key, l.record_no is not null as is_lonely"
            f" from ({strategy.keyed_records(engine, 'cleaned_records')}) as k"
            " left join lonely as l on l.record_no = k.record_no",
        )
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
