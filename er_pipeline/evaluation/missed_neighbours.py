"""Missed pairs as neighbours see them: their cosine, and which cut left them out."""

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.encoders import Dense
from er_pipeline.blocking.encoders.encoder import Encoder
from er_pipeline.blocking.neighbours.cosines import PAIRS_PER_BATCH, cosines
from er_pipeline.blocking.neighbours.embedding_blocks import as_searched
from er_pipeline.blocking.neighbours.nearest import DECIMALS
from er_pipeline.blocking.neighbours.vector_files import load_vectors, vector_folder
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, arrow_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

logger = logging.getLogger(__name__)

# Texts whose rank in each other's lists is counted: each costs a product with all texts.
RANKED_TEXTS, TEXTS_PER_PRODUCT = 2_000, 50
# Above so many texts no rank is counted: the product of one text alone takes a tenth of a second.
MOST_TEXTS_TO_RANK = 300_000

SIMILARITY = Column("similarity", "FLOAT", "Cosine of the two texts")
LEFT_TEXT = Column("left_text", "INTEGER", "Number of the left record's text")
RIGHT_TEXT = Column("right_text", "INTEGER", "Number of the right record's text")
RANK = Column("rank", "INTEGER", "Place in the better of their two lists")
COSINES = (LEFT_NO, RIGHT_NO, LEFT_TEXT, RIGHT_TEXT, SIMILARITY)
RANKS = (
    LEFT_TEXT,
    RIGHT_TEXT,
    RANK,
    Column("left_best", "FLOAT", "Cosine of the left text and its nearest one"),
    Column("right_best", "FLOAT", "That of the right one"),
)
EXPLAINED = (
    LEFT_NO,
    RIGHT_NO,
    SIMILARITY,
    RANK,
    Column("k", "INTEGER", "Length of lists that would hold the pair"),
    Column("share", "DOUBLE", "Share of the best that would keep it"),
    Column("floor", "DOUBLE", "Least similarity that would keep it"),
    Column("is_near", "BOOLEAN", "Whether neighbours had a chance of it"),
    Column("detail", "VARCHAR", "What left it out"),
)


def explain_neighbours(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    pairs: str,
    dropped: str,
    explained: str,
    *,
    has_keys: bool,
) -> None:
    """Make the engine table `explained`: the pairs that share no key, as neighbours see them.

    pairs: engine table (left_no, right_no, is_lonely). dropped: of those that do share a key.
    Reads the engine's record_embeddings and the tables of ready-made pairs.
    Columns left_no, right_no, similarity, rank (NULL where not counted), k, share, floor (what
    would list the pair), is_near and detail. A pair is near where its cosine reaches the floor, or
    where there are no keys at all. Empty without neighbours; only pairs of two vectors stand here.
    """
    second = spec.second_pass.embedding if spec.second_pass else None
    engine.put(explained, arrow_of(EXPLAINED))
    for encoder, looked_at in (
        (spec.embedding, "not p.is_lonely" if second else "true"),
        (second, "p.is_lonely"),
    ):
        if encoder is None:
            continue
        engine.make_table(
            "unlisted",
            f"select p.left_no, p.right_no from {pairs} as p anti join {dropped} as d"
            f" on d.left_no = p.left_no and d.right_no = p.right_no where {looked_at}"
            " order by p.left_no, p.right_no",
        )
        (n_unlisted,) = engine.row("select count(*) from unlisted")
        if n_unlisted:
            multiply_vectors(engine, lake, "unlisted", "unlisted_cosines")
            listed = "embedding_blocks" if encoder is spec.embedding else "second_pass_pairs"
            _find_cuts(engine, lake, spec, encoder, listed, explained, has_keys)


def multiply_vectors(engine: Engine, lake: Lake, pairs: str, table: str) -> None:
    """Make the engine table `table` (left_no, right_no, left_text, right_text, similarity).

    pairs: engine table (left_no, right_no) of distinct pairs. Reads the engine's record_embeddings.
    Pairs of which a record has no vector, or one of zeros, are left out.
    """
    vectors = load_vectors(vector_folder(lake))
    engine.make_table(
        "numbered_pairs",
        f"""
        select row_number() over (order by p.left_no, p.right_no) - 1 as n, p.left_no, p.right_no,
            l.text_no as left_text, r.text_no as right_text
        from {pairs} as p join record_embeddings as l on l.record_no = p.left_no
        join record_embeddings as r on r.record_no = p.right_no
        """,
    )
    engine.put(table, arrow_of(COSINES))
    (n_pairs,) = engine.row("select count(*) from numbered_pairs")
    for start in range(0, n_pairs, PAIRS_PER_BATCH):
        batch = engine.columns(
            "select left_no, right_no, left_text, right_text from numbered_pairs"
            f" where n >= {start} and n < {start + PAIRS_PER_BATCH} order by n"
        )
        left, right = np.asarray(batch["left_text"]), np.asarray(batch["right_text"])
        similarity = cosines(vectors, left, right)
        present = _has_direction(vectors, left) & _has_direction(vectors, right)
        columns = {name: np.asarray(values)[present] for name, values in batch.items()}
        engine.put("multiplied", {**columns, "similarity": similarity[present]})
        engine.append(table, "select * from multiplied")


def _has_direction(vectors: "Dense | csr_matrix", rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the vectors that are not all zeros."""
    if isinstance(vectors, np.ndarray):
        filled: NDArray[np.bool_] = np.any(vectors[rows], axis=1)
        return filled
    sizes: NDArray[np.bool_] = np.diff(vectors.indptr)[rows] > 0
    return sizes


def _find_cuts(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    encoder: Encoder,
    listed: str,
    explained: str,
    has_keys: bool,
) -> None:
    """Add the pairs of unlisted_cosines to `explained`, with the cuts that left them out."""
    _count_ranks(engine, lake, spec, encoder)
    encoder = as_searched(lake, spec, encoder)
    k = encoder.n_listed
    # The best of a record stands in its list, so the lists that were kept show it, but for one
    # below the floor: it counts once the floor is lowered.
    engine.make_table(
        "best_similarity",
        "select record_no, max(similarity) as best from ("
        f"select left_no as record_no, similarity from {listed}"
        f" union all select right_no, similarity from {listed}) group by record_no",
    )
    near = f"similarity >= {encoder.min_similarity}" if has_keys else "true"
    engine.append(
        explained,
        f"""
        with cut as (
            select c.*, k.rank, least(greatest(coalesce(l.best, 0), coalesce(k.left_best, 0)),
                greatest(coalesce(r.best, 0), coalesce(k.right_best, 0))) as best
            from unlisted_cosines as c
            left join best_similarity as l on l.record_no = c.left_no
            left join best_similarity as r on r.record_no = c.right_no
            left join text_ranks as k on k.left_text = c.left_text and k.right_text = c.right_text
        ),
        judged as (
            select *, similarity < {encoder.min_similarity} as below_floor,
                similarity < {encoder.min_share_of_best} * best as below_share,
                rank > {k} as beyond_k
            from cut
        )
        select left_no, right_no, similarity, rank,
            case when beyond_k then rank else {k} end as k,
            case when below_share then similarity / best
                else {encoder.min_share_of_best} end as share,
            case when below_floor then similarity else {encoder.min_similarity} end as floor,
            {near} as is_near,
            'cosine ' || printf('%.4f', similarity)
            || case when below_floor then ' is below min_similarity {encoder.min_similarity:g}'
                else '' end
            || case when below_share then ', below {encoder.min_share_of_best:g} of the best of'
                || ' either record (' || printf('%.4f', best) || ')' else '' end
            || case when rank is null then ', rank not counted'
                else ', rank ' || rank || ' of lists of {k}' end
            || case when not below_floor and not below_share and rank <= {k}
                then ', overlooked by a search that is not exact, or by that many equal texts'
                else '' end as detail
        from judged
        """,
    )


def _count_ranks(engine: Engine, lake: Lake, spec: PipelineSpec, encoder: Encoder) -> None:
    """Make text_ranks: the better rank of two texts in their lists, and the best of either.

    As in the search, equal similarities go to the lower number. When linking, a list holds texts of
    the other record's source only. Counted for the first `RANKED_TEXTS` pairs of texts.
    """
    engine.put("text_ranks", arrow_of(RANKS))
    vectors = load_vectors(vector_folder(lake))
    n_texts = vectors.shape[0]
    if n_texts > MOST_TEXTS_TO_RANK:
        logger.info("no rank is counted among %s texts", f"{n_texts:,}")
        return
    found = engine.columns(
        f"""
        select c.left_text, c.right_text, any_value(c.similarity) as similarity,
            min(l.source_no) as left_source, min(r.source_no) as right_source
        from unlisted_cosines as c join record_embeddings as l on l.record_no = c.left_no
        join record_embeddings as r on r.record_no = c.right_no
        where c.left_text <> c.right_text
        group by c.left_text, c.right_text
        order by md5(concat(c.left_text, ' ', c.right_text)) limit {RANKED_TEXTS}
        """
    )
    left, right = np.asarray(found["left_text"]), np.asarray(found["right_text"])
    if not len(left):
        return
    link = spec.link_mode == "link"
    numbers = [*np.asarray(found["left_source"]), *np.asarray(found["right_source"])]
    sources = {no: _texts_of_source(engine, no, n_texts) for no in set(numbers) if link}
    targets = vectors.T if isinstance(vectors, np.ndarray) else vectors.T.tocsr()
    rank = np.full(len(left), n_texts, np.int64)
    best = {side: np.zeros(len(left), np.float32) for side in ("left", "right")}
    ways = ((left, right, "left", "right"), (right, left, "right", "left"))
    for query, neighbour, own, side in ways:
        for start in range(0, len(query), TEXTS_PER_PRODUCT):
            rows = slice(start, start + TEXTS_PER_PRODUCT)
            products = vectors[query[rows]] @ targets
            if not isinstance(products, np.ndarray):
                products = products.toarray()
            products = np.round(products, DECIMALS)
            for i in range(products.shape[0]):
                at = start + i
                similarity = products[i, neighbour[at]]
                others = np.arange(n_texts) != query[at]
                if link:
                    others &= sources[found[f"{side}_source"][at]]
                best[own][at] = products[i].max(initial=0.0, where=others)
                ahead = products[i] > similarity
                ahead[: neighbour[at]] |= products[i, : neighbour[at]] == similarity
                rank[at] = min(rank[at], int((ahead & others).sum()) + 1)
    engine.put(
        "text_ranks",
        {
            "left_text": left,
            "right_text": right,
            "rank": rank.astype(np.int32),
            "left_best": best["left"],
            "right_best": best["right"],
        },
    )


def _texts_of_source(engine: Engine, source_no: int, n_texts: int) -> NDArray[np.bool_]:
    found = engine.columns(
        f"select distinct text_no from record_embeddings where source_no = {source_no}"
    )
    present = np.zeros(n_texts, bool)
    present[np.asarray(found["text_no"])] = True
    return present
