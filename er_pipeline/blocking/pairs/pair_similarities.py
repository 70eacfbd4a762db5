"""Similarities: the cosine of every candidate pair, whatever proposed it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from er_pipeline.blocking.neighbours.nearest import DECIMALS
from er_pipeline.blocking.neighbours.record_embeddings import load_vectors, vector_folder
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake

# Pairs whose vectors are multiplied at once: about 200 MB of sparse rows.
PAIRS_PER_BATCH = 100_000


def fill_similarities(engine: Engine, lake: Lake, n_records: int, made: Path) -> None:
    """Give every pair the cosine of its records' vectors, where both have one.

    made: folder of the files, which are replaced one by one.
    """
    vectors = load_vectors(vector_folder(lake))
    lake.open(engine, "record_embeddings")
    found = engine.columns("select record_no, text_no from record_embeddings")
    text = np.full(n_records, -1, np.int64)
    text[np.asarray(found["record_no"])] = np.asarray(found["text_no"])
    for file in sorted(made.glob("*.parquet")):
        scratch = file.with_suffix(".tmp")
        with pq.ParquetFile(file) as source:
            schema = source.schema_arrow
            place = schema.get_field_index("similarity")
            with pq.ParquetWriter(scratch, schema, compression="snappy") as target:
                for batch in source.iter_batches(PAIRS_PER_BATCH):
                    left = text[batch.column("left_no").to_numpy()]
                    right = text[batch.column("right_no").to_numpy()]
                    columns = list(batch.columns)
                    columns[place] = _cosines(vectors, left, right)
                    target.write_batch(pa.record_batch(columns, schema=schema))
        scratch.replace(file)


def _cosines(vectors: Any, left: NDArray[np.int64], right: NDArray[np.int64]) -> pa.Array:
    both = (left >= 0) & (right >= 0)
    one, other = vectors[left[both]], vectors[right[both]]
    if isinstance(vectors, np.ndarray):
        products = np.einsum("ij,ij->i", one, other)
    else:
        products = np.asarray(one.multiply(other).sum(axis=1)).ravel()
    # One text is like itself, also where it is all that there is and so says nothing.
    products = np.where(left[both] == right[both], 1.0, products)
    cosine = np.zeros(len(left), np.float32)
    cosine[both] = np.round(products, DECIMALS)
    return pa.array(cosine, pa.float32(), mask=~both)
