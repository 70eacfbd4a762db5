"""Neighbour pairs: the lists of texts -> pairs of records, as far as they reach floor and share."""

from pathlib import Path
from typing import TYPE_CHECKING

from er_pipeline.blocking.encoders import Dense, Encoder
from er_pipeline.blocking.neighbours.nearest import SearchStats
from er_pipeline.blocking.neighbours.neighbour_lists import Learned, write_lists
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def search_pairs(
    engine: Engine,
    spec: PipelineSpec,
    encoder: Encoder,
    vectors: "Dense | csr_matrix",
    scratch: Path,
    pairs: str,
    search: SearchStats,
    queries: str = "true",
    learned: Learned | None = None,
) -> int:
    """Search, and make the engine table `pairs`; return how many texts were searched for.

    Reads the engine's record_embeddings. vectors: row by text. encoder: its k and cuts.
    scratch: an existing folder for the lists on their way. queries: see `write_lists`.
    pairs: (left_no, right_no, similarity, rank); see `make_pairs`.
    """
    lists = scratch / "lists.tmp"
    n_lists = write_lists(engine, spec, encoder, vectors, lists, search, queries, learned)
    lists.unlink()  # the engine holds them by now
    make_pairs(engine, encoder, spec.link_mode, "record_embeddings", pairs)
    return n_lists


def make_pairs(engine: Engine, encoder: Encoder, mode: str, embeddings: str, pairs: str) -> None:
    """Turn the engine's lists of texts into pairs of records: the table `pairs`.

    Leaves kept_lists behind: the entries that reach the floor and the share of the best.
    """
    across, near = "", f"r.nth <= l.nth + {encoder.n_listed}"
    if mode == "link":  # everyone lists the first k of each other source
        across = "and l.source_no <> r.source_no"
        near = f"(l.nth <= {encoder.n_listed} or r.nth <= {encoder.n_listed})"
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
                and r.nth <= {encoder.n_listed}
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
