"""Step 2, beside the keys, continued: vectors -> near neighbours -> pairs with a similarity.

The lists are of texts, so records with identical texts neither crowd others out nor are searched
twice; the pairs are of records. A pair is kept when either side lists the other, its similarity
reaches the floor, and it reaches the given share of the best similarity of one of its two sides:
that cut needs no scale, where a fixed cosine would keep 2 to 67% of the true pairs of n-grams.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from er_pipeline.blocking.encoders import Dense, Encoder, Lexical
from er_pipeline.blocking.neighbours.nearest import (
    Lists,
    SearchStats,
    nearest_dense,
    nearest_sparse,
    ranks,
)
from er_pipeline.blocking.neighbours.record_embeddings import load_vectors, vector_folder
from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, parquet_file
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SEED = 20  # of the sample that an approximate index is measured on
SIMILARITY_CLASSES = 10
# Share of lists that are full above which k is too small to be the end of them.
MAX_FULL_LISTS = 0.05


def find_neighbours(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> dict[str, Any]:
    """Find the neighbours of every record; write them as pairs.

    Reads record_embeddings and the vectors of its texts. Writes embedding_blocks (left_no,
    right_no INTEGER, similarity FLOAT from -1 to 1, rank SMALLINT from 1, the better one of the
    two lists), each pair once, left_no < right_no; when linking only between sources.
    A text of several records stands for at most k of them in another's list.
    Returns the facts kept beside the table: pairs, histogram, full lists, index and recall.

    Raises LakeError if a table was made from other records.
    """
    encoder = spec.embedding
    assert encoder is not None
    fingerprint = read_records(engine, lake)
    read_numbered(engine, lake, "record_embeddings", fingerprint)
    search = SearchStats()
    with lake.writing("embedding_blocks", {"fingerprint": fingerprint}) as draft:
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
        draft.facts.update(
            pairs=n_pairs,
            pairs_per_record=n_pairs / n_records,
            full_lists_share=n_full / n_lists if n_lists else 0.0,
            index=search.index,
            recall=search.recall,
            search_width=search.search_width,
            common_ngrams_left_out=search.left_out,
            similarities=_histogram(engine),
        )
        return dict(draft.facts)


def search_pairs(
    engine: DuckDBEngine,
    lake: Lake,
    spec: PipelineSpec,
    encoder: Encoder,
    scratch: Path,
    pairs: str,
    search: SearchStats,
    queries: str = "true",
) -> int:
    """Search, and make the engine table `pairs`; give how many texts were searched for.

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


def write_lists(
    engine: DuckDBEngine,
    spec: PipelineSpec,
    encoder: Encoder,
    vectors: "Dense | csr_matrix",
    file: Path,
    search: SearchStats,
    queries: str = "true",
) -> int:
    """Search, and make the engine table `lists`; give how many texts were searched for.

    Reads the engine's record_embeddings. queries: SQL condition on its rows whose texts are
    searched for. lists: (query_no, neighbour_no, query_source, neighbour_source, similarity,
    rank); the sources are -1 where everything is compared with everything.
    """
    schema = pa.schema(
        [
            ("query_no", pa.int32()),
            ("neighbour_no", pa.int32()),
            ("query_source", pa.int16()),
            ("neighbour_source", pa.int16()),
            ("similarity", pa.float32()),
            ("rank", pa.int16()),
        ]
    )
    n_lists = 0
    present = _texts_with_vector(vectors)
    with pq.ParquetWriter(file, schema) as writer:
        for query_source, neighbour_source in _directions(engine, spec.link_mode, encoder):
            wanted = _texts_of(engine, query_source, queries, present)
            targets = _texts_of(engine, neighbour_source, "true", present)
            n_lists += len(wanted)
            if not len(wanted) or not len(targets):
                continue
            found = SearchStats()
            for part in _search(spec, encoder, vectors, wanted, targets, query_source, found):
                sources = {
                    "query_source": np.full(len(part.query), query_source, np.int16),
                    "neighbour_source": np.full(len(part.query), neighbour_source, np.int16),
                }
                columns = {
                    "query_no": part.query,
                    "neighbour_no": part.neighbour,
                    **sources,
                    "similarity": part.similarity,
                    "rank": part.rank,
                }
                writer.write_table(pa.table(columns, schema=schema))
            search.join(found)
    engine.make_table("lists", f"select * from {parquet_file(file)}")
    return n_lists


def make_pairs(
    engine: DuckDBEngine, encoder: Encoder, mode: str, embeddings: str, pairs: str
) -> None:
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


def _directions(engine: DuckDBEngine, mode: str, encoder: Encoder) -> list[tuple[int, int]]:
    """Say which source is searched for in which: (-1, -1) is everything in everything."""
    if mode != "link":
        return [(-1, -1)]
    sizes = dict(
        engine.rows("select source_no, count(*) from record_embeddings group by 1 order by 1")
    )
    return [
        (a, b)
        for a in sizes
        for b in sizes
        if a != b and (encoder.direction == "both" or (sizes[a], a) < (sizes[b], b))
    ]


def _texts_of(
    engine: DuckDBEngine, source: int, condition: str, present: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    of_source = "true" if source == -1 else f"source_no = {source}"
    (values,) = (
        engine.con.execute(
            f"select distinct text_no from record_embeddings where {of_source} and ({condition})"
            " order by text_no"
        )
        .fetchnumpy()
        .values()
    )
    texts: np.ndarray[Any, Any] = np.asarray(values, np.int64)
    with_vector: np.ndarray[Any, Any] = texts[present[texts]]
    return with_vector


def _texts_with_vector(vectors: "Dense | csr_matrix") -> np.ndarray[Any, Any]:
    """Tell the texts that have a vector other than zeros; the others have no neighbours."""
    if isinstance(vectors, np.ndarray):
        found: np.ndarray[Any, Any] = np.concatenate(
            [
                np.any(vectors[start : start + 65_536], axis=1)
                for start in range(0, len(vectors), 65_536)
            ]
            or [np.zeros(0, bool)]
        )
        return found
    filled: np.ndarray[Any, Any] = np.diff(vectors.indptr) > 0
    return filled


def _search(
    spec: PipelineSpec,
    encoder: Encoder,
    vectors: "Dense | csr_matrix",
    wanted: np.ndarray[Any, Any],
    targets: np.ndarray[Any, Any],
    query_source: int,
    search: SearchStats,
) -> Iterator[Lists]:
    """Search and give lists of text numbers instead of row numbers.

    The rows of a search are texts of one side; when everything is searched in everything, a text
    meets itself, which is told by its number, also when only some are searched for.
    """
    threads = spec.threads or os.cpu_count() or 1
    same = query_source == -1 and len(wanted) == len(targets)
    everything = len(targets) == vectors.shape[0]
    right = vectors if everything else vectors[targets]
    left = right if same else vectors[wanted]
    # Where only some texts of one side are searched for, each finds itself once more.
    itself = query_source == -1 and not same
    k = encoder.k + itself
    if isinstance(encoder, Lexical):
        found = nearest_sparse(
            left,
            right,
            same=same,
            k=k,
            floor=encoder.min_similarity,
            max_work_per_record=encoder.max_work_per_record,
            threads=threads,
            seed=SEED,
            search=search,
        )
    else:
        found = nearest_dense(
            np.asarray(left),
            np.asarray(right),
            same=same,
            k=k,
            floor=encoder.min_similarity,
            flat_limit=encoder.flat_limit,
            min_recall=encoder.min_recall,
            threads=threads,
            seed=SEED,
            search=search,
        )
    for part in found:
        query = wanted[part.query].astype(np.int32)
        neighbour = targets[part.neighbour].astype(np.int32)
        if not itself:
            yield Lists(query, neighbour, part.similarity, part.rank)
            continue
        other = np.flatnonzero(query != neighbour)
        rank = ranks(query[other])
        other, rank = other[rank <= encoder.k], rank[rank <= encoder.k]
        yield Lists(query[other], neighbour[other], part.similarity[other], rank.astype(np.int16))


def _histogram(engine: DuckDBEngine) -> dict[str, int]:
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


def judge_lists(facts: dict[str, Any], spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge what the search would cost, from the facts of `embed_records`, before it begins."""
    assert spec.encoder is not None
    budget, n_records = spec.encoder.max_pairs_per_record, facts["records_with_text"]
    second = spec.second_pass.embedding if spec.second_pass else None
    passes = [encoder for encoder in (spec.embedding, second) if encoder]
    per_record = float(max(encoder.k for encoder in passes))
    yield Verdict(
        "neighbours_within_budget",
        per_record <= budget,
        "error",
        f"{n_records:,} records list {per_record:g} neighbours each, {n_records * per_record:,.0f}"
        f" entries (at most {budget:g} per record wanted)."
        + ("" if per_record <= budget else " Lower embedding: k, or raise max_pairs_per_record."),
        {"entries": n_records * per_record, "entries_per_record": per_record, "budget": budget},
    )


def judge_neighbours(facts: dict[str, Any], spec: PipelineSpec) -> Iterator[Verdict]:
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
