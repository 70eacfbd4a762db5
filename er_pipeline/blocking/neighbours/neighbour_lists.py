"""Neighbour lists: for every text its k most similar others, from the search of its vector.

When linking, every text is searched for in each other source, so that a list is of one source.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from er_pipeline.blocking.encoders import Dense, Encoder, Lexical
from er_pipeline.blocking.neighbours.carried_lists import CarriedLists, plain_lists
from er_pipeline.blocking.neighbours.common_terms import (
    CommonTerms,
    TermSearch,
    learn_common_terms,
    sampled,
)
from er_pipeline.blocking.neighbours.encoder_statistics import EncoderStatistics
from er_pipeline.blocking.neighbours.nearest import (
    Lists,
    SearchStats,
    nearest_dense,
    ranks,
)
from er_pipeline.blocking.neighbours.sparse_search import (
    SPARE_FOR_COMMON,
    SPARE_FOR_PAIRS,
    SparseSearch,
    common_columns,
    measure_recall,
    most_texts,
    work_of,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

logger = logging.getLogger(__name__)

# What the n-grams in force may cost of the most that a search may, before they are counted anew.
MOST_WORK = 2
# Of what a search may cost, where pairs of common terms find, too: what the rare columns may, each
# for itself. All of it at first, since it finds most, and less among more texts, down to a third.
ALL_WORK_UP_TO, LEAST_OF_WORK = 100_000, 1 / 3
# Of the texts that a column may be in and find alone: those that may hold both terms of a pair.
TEXTS_OF_PAIR = 0.5
SEED = 20  # of the sample that an approximate index is measured on


def search_settings(encoder: Encoder, mode: str) -> dict[str, Any]:
    """Return the settings of an encoder that shape what is found, given the vectors."""
    names = {"k", "min_similarity", "min_share_of_best"}
    if mode == "link":
        names.add("direction")
    if isinstance(encoder, Lexical):
        names.add("max_work_per_record")
    else:
        names |= {"flat_limit", "min_recall"}
    return encoder.model_dump(mode="json", include=names)


def write_lists(
    engine: Engine,
    spec: PipelineSpec,
    encoder: Encoder,
    vectors: "Dense | csr_matrix",
    file: Path,
    search: SearchStats,
    queries: str = "true",
    learned: "Learned | None" = None,
) -> int:
    """Search, and make the engine table `lists`; return how many texts were searched for.

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
        for direction in _directions(engine, spec.link_mode, encoder):
            query_source, neighbour_source = direction
            wanted = _texts_of(engine, query_source, queries, present)
            targets = _texts_of(engine, neighbour_source, "true", present)
            n_lists += len(wanted)
            if not len(wanted) or not len(targets):
                continue
            found = SearchStats()
            for part in _search(spec, encoder, vectors, wanted, targets, direction, found, learned):
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
    engine.read_file(file, "written_lists")
    engine.make_table("lists", "select * from written_lists")
    return n_lists


def _directions(engine: Engine, mode: str, encoder: Encoder) -> list[tuple[int, int]]:
    """Say which source is searched for in which: (-1, -1) is everything in everything."""
    if mode != "link":
        return [(-1, -1)]
    sizes = dict(
        engine.rows("select source_no, count(*) from record_embeddings group by 1 order by 1")
    )
    return _directions_of(sizes, encoder)


def _directions_of(sizes: Mapping[int, int], encoder: Encoder) -> list[tuple[int, int]]:
    return [
        (a, b)
        for a in sizes
        for b in sizes
        if a != b and (encoder.direction == "both" or (sizes[a], a) < (sizes[b], b))
    ]


def _texts_of(
    engine: Engine, source: int, condition: str, present: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    of_source = "true" if source == -1 else f"source_no = {source}"
    found = engine.columns(
        f"select distinct text_no from record_embeddings where {of_source} and ({condition})"
        " order by text_no"
    )
    texts: np.ndarray[Any, Any] = np.asarray(found["text_no"], np.int64)
    with_vector: np.ndarray[Any, Any] = texts[present[texts]]
    return with_vector


def _texts_with_vector(vectors: "Dense | csr_matrix") -> np.ndarray[Any, Any]:
    """Mark the texts that have a vector other than zeros; the others have no neighbours."""
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


@dataclass(frozen=True)
class Learned:
    """What was learned of a view's terms, and what of the last run's lists can be taken over.

    columns: of the vectors, as they were learned. texts: of each, how many texts held it. most: in
    how many texts a column may be and still find alone; None where every column may be searched by.
    terms: what is known of the common ones. carried: the lists of the last run, under `view`.
    """

    view: str
    columns: NDArray[np.int64]
    texts: NDArray[np.int64]
    most: int | None
    terms: CommonTerms
    carried: CarriedLists


def most_texts_of(
    texts: NDArray[np.int64],
    statistics: EncoderStatistics,
    encoder: Lexical,
    mode: str,
    terms: CommonTerms,
) -> int | None:
    """Return in how many texts a column may be and still find alone; None for any number.

    texts: of every column that was learned. It follows from what was learned, not from tonight's
    texts, so that the lists of two nights are of the same search.
    """
    sizes = dict(enumerate(statistics.texts_of_sources))
    share, n_queries = 1.0, statistics.n_texts
    if mode == "link":
        directions = _directions_of(sizes, encoder)
        n_pairs = float(sum(sizes[a] * sizes[b] for a, b in directions))
        share = n_pairs / max(sum(sizes.values()), 1) ** 2
        n_queries = sum(sizes[a] for a, _ in directions)
    work = float(encoder.max_work_per_record * max(n_queries, 1))
    most = most_texts(texts, share, work)
    if not (texts > most).any():
        return None
    if terms.is_empty:
        return most
    return most_texts(texts, share, work * _share_of_rare(statistics.n_texts))


def _share_of_rare(n_texts: int) -> float:
    return float(np.clip((ALL_WORK_UP_TO / max(n_texts, 1)) ** 0.5, LEAST_OF_WORK, 1.0))


def _search(
    spec: PipelineSpec,
    encoder: Encoder,
    vectors: "Dense | csr_matrix",
    wanted: NDArray[np.int64],
    targets: NDArray[np.int64],
    direction: tuple[int, int],
    search: SearchStats,
    learned: Learned | None,
) -> Iterator[Lists]:
    """Search and give lists of text numbers instead of row numbers.

    The rows of a search are texts of one side; when everything is searched in everything, a text
    meets itself, which its number shows, also when only some are searched for.
    """
    threads = spec.threads or os.cpu_count() or 1
    same = direction[0] == -1 and len(wanted) == len(targets)
    everything = len(targets) == vectors.shape[0]
    right = vectors if everything else vectors[targets]
    left = right if same else vectors[wanted]
    if not isinstance(encoder, Lexical):
        yield from _search_dense(spec, encoder, left, right, wanted, targets, same, search)
        return
    k, floor = encoder.n_listed, encoder.min_similarity
    most = float(encoder.max_work_per_record * max(left.shape[0], 1))
    by, can_carry = FoundBy(), learned is not None
    if learned is not None:
        by = _as_learned(left, right, learned)
        if work_of(*(by.sides or (left, right))) > MOST_WORK * most:
            logger.warning(
                "the n-grams in force are too common by now: they are counted anew, and every list"
                " is searched for; learn others (er-pipeline learn)"
            )
            can_carry = False
    if not can_carry:
        by = as_counted(left, right, most)

    def among(some: NDArray[np.bool_]) -> SparseSearch:
        rows = slice(None) if some.all() else np.flatnonzero(some)
        return SparseSearch(
            left,
            right[rows],
            wanted,
            targets[some],
            found_by=by.sides and (by.sides[0], by.sides[1][rows]),
            spare=by.spare,
            k=k,
            floor=floor,
            threads=threads,
        )

    searched = among(np.ones(len(targets), bool))
    search.left_out = by.left_out
    search.index = "exact over the rarer n-grams" if by.sides else "exact"
    search.recall = measure_recall(
        searched, left, right, wanted, targets, k=k, floor=floor, threads=threads, seed=SEED
    )
    if learned is not None and can_carry:
        name = f"{learned.view}_{direction[0]}_{direction[1]}"
        found = learned.carried.find(name, searched, among, wanted, targets)
    else:
        found = plain_lists(searched, wanted)
    for texts, candidates in found:
        yield searched.ranked(candidates, texts, floor)


@dataclass(frozen=True)
class FoundBy:
    """What both sides are searched by where not by all columns, and how many find nobody alone.

    spare: how many more than are listed are ranked by all columns.
    """

    sides: "tuple[csr_matrix, csr_matrix] | None" = None
    left_out: int = 0
    spare: int = 0


def _as_learned(left: "csr_matrix", right: "csr_matrix", learned: Learned) -> FoundBy:
    if learned.most is None:
        return FoundBy()
    common, are_common = learned.texts > learned.most, learned.terms.texts > learned.most
    terms = (learned.terms, learned.columns, common, are_common)
    return _found_by(left, right, *terms, learned.most)


def as_counted(left: "csr_matrix", right: "csr_matrix", most: float) -> FoundBy:
    """Learn what is common from tonight's texts alone, where anything is too common."""
    common = common_columns(left, right, most)
    if not common.any():
        return FoundBy()
    texts = np.bincount(right.indices, minlength=right.shape[1])
    terms = learn_common_terms(right[sampled(right.shape[0])], texts, right.shape[0])
    if not terms.is_empty:
        common = common_columns(left, right, most * _share_of_rare(right.shape[0]))
    most_of_rare = int(texts[~common].max(initial=0))
    columns = np.arange(right.shape[1])
    return _found_by(left, right, terms, columns, common, common[terms.columns], most_of_rare)


def _found_by(
    left: "csr_matrix",
    right: "csr_matrix",
    terms: CommonTerms,
    columns: NDArray[np.int64],
    common: NDArray[np.bool_],
    are_common: NDArray[np.bool_],
    most: int,
) -> FoundBy:
    search = TermSearch(terms, columns, common, are_common, int(most * TEXTS_OF_PAIR))
    spare = SPARE_FOR_COMMON if terms.is_empty else SPARE_FOR_PAIRS
    same = left is right
    one, other = search.vectors(left) * 2 if same else search.vectors(left, right)
    return FoundBy((one, other), int(common.sum()), spare)


def _search_dense(
    spec: PipelineSpec,
    encoder: Encoder,
    left: Dense,
    right: Dense,
    wanted: NDArray[np.int64],
    targets: NDArray[np.int64],
    same: bool,
    search: SearchStats,
) -> Iterator[Lists]:
    """Search dense vectors, always in full: the last bits of a product follow from its batch."""
    # Where only some texts of one side are searched for, each finds itself once more.
    itself = not same and bool(np.isin(wanted, targets).any())
    found = nearest_dense(
        np.asarray(left),
        np.asarray(right),
        same=same,
        k=encoder.n_listed + itself,
        floor=encoder.min_similarity,
        flat_limit=encoder.flat_limit,
        min_recall=encoder.min_recall,
        threads=spec.threads or os.cpu_count() or 1,
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
        listed = rank <= encoder.n_listed
        other, rank = other[listed], rank[listed]
        yield Lists(query[other], neighbour[other], part.similarity[other], rank.astype(np.int16))
