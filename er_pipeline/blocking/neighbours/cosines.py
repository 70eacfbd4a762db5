"""Cosines of pairs of records, whatever proposed them, filled into the files of the pairs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from er_pipeline.blocking.encoders import Dense
from er_pipeline.blocking.neighbours.nearest import DECIMALS
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Pairs whose vectors are multiplied at once: about 200 MB of sparse rows.
PAIRS_PER_BATCH = 100_000


def texts_of_records(engine: Engine, lake: Lake, n_records: int) -> NDArray[np.int64]:
    """Give the text of every record, -1 for none; reads record_embeddings."""
    lake.open(engine, "record_embeddings")
    found = engine.columns("select record_no, text_no from record_embeddings")
    text = np.full(n_records, -1, np.int64)
    text[np.asarray(found["record_no"])] = np.asarray(found["text_no"])
    return text


def fill_cosines(
    folder: Path,
    vectors: "Mapping[str, Dense | csr_matrix]",
    text: NDArray[np.int64],
    *,
    missing_only: bool = False,
) -> None:
    """Write the cosines of all pairs of a folder of parquet files, which are replaced one by one.

    vectors: column -> the vectors whose cosine it holds, row by text. text: (n_records,) of
    `texts_of_records`; where a record has none the cosine is NULL. missing_only: a cosine that
    stands there already is kept.
    """
    for file in sorted(folder.glob("*.parquet")):
        scratch = file.with_suffix(".tmp")
        with pq.ParquetFile(file) as source:
            if not source.metadata.num_rows:  # pyarrow before 20 cannot read on from nothing
                continue
            schema = source.schema_arrow
            with pq.ParquetWriter(scratch, schema, compression="snappy") as target:
                for batch in source.iter_batches(PAIRS_PER_BATCH):
                    left = text[batch.column("left_no").to_numpy()]
                    right = text[batch.column("right_no").to_numpy()]
                    columns = list(batch.columns)
                    for name, of in vectors.items():
                        place = schema.get_field_index(name)
                        known = columns[place] if missing_only else None
                        columns[place] = _filled(of, left, right, known)
                    target.write_batch(pa.record_batch(columns, schema=schema))
        scratch.replace(file)


def _filled(
    vectors: "Dense | csr_matrix",
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    known: pa.Array | None,
) -> pa.Array:
    both = (left >= 0) & (right >= 0)
    wanted = both
    cosine = np.zeros(len(left), np.float32)
    if known is not None:
        is_known = ~np.asarray(known.is_null())
        cosine[is_known] = known.drop_null().to_numpy()
        wanted = both & ~is_known
    cosine[wanted] = cosines(vectors, left[wanted], right[wanted])
    return pa.array(cosine, pa.float32(), mask=~both)


def cosines_of_all(
    vectors: "Dense | csr_matrix", left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Give the cosine of each two texts, in batches; 0 where either is none, which is -1."""
    found = np.zeros(len(left))
    for start in range(0, len(left), PAIRS_PER_BATCH):
        batch = slice(start, start + PAIRS_PER_BATCH)
        both = (left[batch] >= 0) & (right[batch] >= 0)
        found[batch][both] = cosines(vectors, left[batch][both], right[batch][both])
    return found


def cosines(
    vectors: "Dense | csr_matrix", left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Multiply rows of unit length with each other: one cosine, rounded, for each two texts."""
    if isinstance(vectors, np.ndarray):
        products = np.einsum("ij,ij->i", vectors[left], vectors[right])
    else:
        products = np.asarray(vectors[left].multiply(vectors[right]).sum(axis=1)).ravel()
    # One text is like itself, also where it is all that there is and so says nothing.
    products = np.where(left == right, 1.0, products)
    rounded: NDArray[np.float32] = np.round(products, DECIMALS).astype(np.float32)
    return rounded
