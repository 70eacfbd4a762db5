"""Vectors -> near neighbours -> pairs with a similarity.

The lists are of texts, so records with identical texts neither crowd others out nor are searched
twice; the pairs are of records. A pair is kept when either side lists the other, its similarity
reaches the floor, and it reaches the given share of the best similarity of one of its two sides:
that cut needs no scale, where a fixed cosine would keep 2 to 67% of the true pairs of n-grams.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypedDict, cast

from er_pipeline.blocking.encoders import Encoder
from er_pipeline.blocking.neighbours.nearest import SearchStats
from er_pipeline.blocking.neighbours.neighbour_lists import search_settings, write_lists
from er_pipeline.blocking.neighbours.record_embeddings import (
    TEXT_VECTORS,
    load_vectors,
    vector_folder,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Shown, Similarities, numbers
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Check, Column, Facts, Table
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.tables.views import pairs_by_id

SIMILARITY_CLASSES = 10
# Share of lists that are full above which k is too small to be the end of them.
MAX_FULL_LISTS = 0.05

CHECKS = (
    Check(
        "embedding_pairs_within_budget",
        "Every pair costs money.",
        limits=("embedding.max_pairs_per_record",),
    ),
    Check(
        "lists_are_not_full",
        "A full list may have been cut short: k is too small.",
        stops=False,
    ),
    Check(
        "index_recall_is_enough",
        "What an approximate index misses is lost for good.",
        limits=("embedding.min_recall",),
    ),
)


class NeighbourFacts(TypedDict):
    """What is noted beside embedding_blocks; similarities: range such as 0.3-0.4 -> pairs."""

    pairs: int
    pairs_per_record: float
    full_lists_share: float
    index: str
    recall: float
    search_width: int
    common_ngrams_left_out: int
    similarities: dict[str, int]


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that pairs every record with its neighbours, where they are asked for."""
    if spec.embedding is None:
        return []
    table = Table(
        "embedding_blocks",
        f"The {spec.embedding.k} nearest neighbours of every record, as pairs with their"
        " similarity.",
        [
            LEFT_NO,
            RIGHT_NO,
            Column("similarity", "FLOAT", "Cosine similarity of the two texts", minimum=-1),
            Column("rank", "SMALLINT", "Place in the better of their two lists", minimum=1),
        ],
        pairs_by_id("embedding_blocks", after=["p.similarity", "p.rank"]),
    )
    return [
        Step(
            writes=[table],
            reads=["cleaned_records", "record_embeddings", TEXT_VECTORS],
            settings=[search_settings(spec.embedding, spec.link_mode), spec.link_mode],
            run=partial(find_neighbours, spec=spec),
            stage="blocks",
            checks=CHECKS,
            judge=partial(_judge, spec=spec),
            show=_show,
        )
    ]


def find_neighbours(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Find the neighbours of every record; write them as pairs.

    Reads record_embeddings and the vectors of its texts. Writes embedding_blocks (left_no,
    right_no INTEGER, similarity FLOAT from -1 to 1, rank SMALLINT from 1, the better one of the
    two lists), each pair once, left_no < right_no; when linking only between sources.
    A text of several records stands for at most k of them in another's list.
    Returns the facts kept beside the table, see `NeighbourFacts`.
    """
    encoder = spec.embedding
    assert encoder is not None
    for table in ("cleaned_records", "record_embeddings"):
        lake.open(engine, table)
    search = SearchStats()
    with lake.writing("embedding_blocks") as draft:
        n_lists = search_pairs(engine, lake, spec, encoder, draft.folder, "neighbour_pairs", search)
        engine.write(
            "select left_no, right_no, similarity, rank from neighbour_pairs"
            " order by left_no, right_no",
            draft.file(),
        )
        (n_full,) = engine.row(f"select count(*) from kept_lists where rank = {encoder.k}")
        (n_pairs, n_records) = engine.row(
            "select (select count(*) from neighbour_pairs), (select count(*) from cleaned_records)"
        )
        facts = NeighbourFacts(
            pairs=n_pairs,
            pairs_per_record=n_pairs / n_records,
            full_lists_share=n_full / n_lists if n_lists else 0.0,
            index=search.index,
            recall=search.recall,
            search_width=search.search_width,
            common_ngrams_left_out=search.left_out,
            similarities=_histogram(engine),
        )
        draft.facts.update(facts)
        return dict(draft.facts)


def neighbour_facts(lake: Lake) -> NeighbourFacts:
    """Read what is noted beside embedding_blocks."""
    return cast(NeighbourFacts, lake.facts("embedding_blocks"))


def search_pairs(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    encoder: Encoder,
    scratch: Path,
    pairs: str,
    search: SearchStats,
    queries: str = "true",
) -> int:
    """Search, and make the engine table `pairs`; return how many texts were searched for.

    Reads the engine's record_embeddings and the vectors that belong to it. encoder: its k and cuts.
    scratch: an existing folder for the lists on their way. queries: see `write_lists`.
    pairs: (left_no, right_no, similarity, rank); see `make_pairs`.
    """
    lists = scratch / "lists.tmp"
    vectors = load_vectors(vector_folder(lake))
    n_lists = write_lists(engine, spec, encoder, vectors, lists, search, queries)
    lists.unlink()  # the engine holds them by now
    make_pairs(engine, encoder, spec.link_mode, "record_embeddings", pairs)
    return n_lists


def make_pairs(engine: Engine, encoder: Encoder, mode: str, embeddings: str, pairs: str) -> None:
    """Turn the engine's lists of texts into pairs of records: the table `pairs`.

    Leaves kept_lists behind: the entries that reach the floor and the share of the best.
    """
    across, near = "", f"r.nth <= l.nth + {encoder.k}"
    if mode == "link":  # everyone lists the first k of each other source
        across = "and l.source_no <> r.source_no"
        near = f"(l.nth <= {encoder.k} or r.nth <= {encoder.k})"
    engine.make_table(
        "members",
        "select record_no, source_no, text_no, row_number() over (partition by text_no,"
        f" {'source_no' if mode == 'link' else 'true'} order by record_no) as nth"
        f" from {embeddings}",
    )
    # A text that several comparable records share has a best similarity of 1: each other.
    several = "count(distinct source_no) > 1" if mode == "link" else "count(*) > 1"
    engine.make_table(
        "best",
        f"""
        select text_no, max(similarity) as similarity from (
            select query_no as text_no, similarity from lists
            union all select neighbour_no, similarity from lists
            union all select text_no, 1.0 from members group by text_no having {several}
        ) group by text_no
        """,
    )
    engine.make_table(
        "kept_lists",
        f"""
        select l.* from lists as l
        join best as q on q.text_no = l.query_no join best as n on n.text_no = l.neighbour_no
        where l.similarity >= {encoder.min_similarity}
            and l.similarity >= {encoder.min_share_of_best} * least(q.similarity, n.similarity)
        """,
    )
    engine.make_table(
        pairs,
        f"""
        with listed as (
            select least(l.record_no, r.record_no) as left_no,
                greatest(l.record_no, r.record_no) as right_no, k.similarity, k.rank
            from kept_lists as k
            join members as l on l.text_no = k.query_no
                and (k.query_source = -1 or k.query_source = l.source_no)
            join members as r on r.text_no = k.neighbour_no
                and (k.neighbour_source = -1 or k.neighbour_source = r.source_no)
                and r.nth <= {encoder.k}
            where l.record_no <> r.record_no {across}
            union all
            select l.record_no, r.record_no, 1.0, 1
            from members as l join members as r on l.text_no = r.text_no
                and l.record_no < r.record_no {across}
                and {near}
        )
        select left_no, right_no, cast(max(similarity) as float) as similarity,
            cast(min(rank) as smallint) as rank
        from listed group by left_no, right_no
        """,
    )


def judge_neighbours(facts: NeighbourFacts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge what the search found, from the facts of `find_neighbours`."""
    encoder = spec.embedding
    assert encoder is not None
    within = facts["pairs_per_record"] <= encoder.max_pairs_per_record
    yield Verdict(
        "embedding_pairs_within_budget",
        within,
        "error",
        f"{facts['pairs']:,} pairs, {facts['pairs_per_record']:.2f} per record (at most"
        f" {encoder.max_pairs_per_record:g} wanted)."
        + ("" if within else " Lower embedding: k, or raise min_similarity or min_share_of_best."),
        {"pairs": facts["pairs"], "pairs_per_record": facts["pairs_per_record"]},
    )
    full = facts["full_lists_share"]
    yield Verdict(
        "lists_are_not_full",
        full <= MAX_FULL_LISTS,
        "warn",
        f"{full:.1%} of the lists are full: their last neighbour is still above the cut"
        f" (a warning above {MAX_FULL_LISTS:.0%})."
        + ("" if full <= MAX_FULL_LISTS else " Raise embedding: k, at the price of more pairs."),
        {"full_lists_share": full},
    )
    yield Verdict(
        "index_recall_is_enough",
        facts["recall"] >= encoder.min_recall,
        "error",
        f"The {facts['index']} index finds {facts['recall']:.2%} of the exact lists"
        f" (at least {encoder.min_recall:.0%} wanted).",
        {"recall": facts["recall"], "min_recall": encoder.min_recall},
    )


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    return judge_neighbours(neighbour_facts(lake), spec)


def _show(facts: Facts) -> Mapping[str, Shown]:
    return {
        **numbers(facts),
        "index": facts["index"],
        "similarity": Similarities(facts["similarities"]),
    }


def _histogram(engine: Engine) -> dict[str, int]:
    """Count pairs by tenth of similarity."""
    counted = dict(
        engine.rows(
            f"select least(cast(floor(similarity * {SIMILARITY_CLASSES}) as integer),"
            f" {SIMILARITY_CLASSES - 1}), count(*) from neighbour_pairs group by 1"
        )
    )
    return {
        f"{i / SIMILARITY_CLASSES:.1f}-{(i + 1) / SIMILARITY_CLASSES:.1f}": counted.get(i, 0)
        for i in range(SIMILARITY_CLASSES)
    }
