"""A few texts as encoders see them, and the cosines of what an encoder makes of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.encoders import Dense, Encoder, FieldValues, Texts


def texts_of(kinds: dict[str, str], *rows: Sequence[str | None]) -> Texts:
    """Give rows of field values to an encoder, one record per row."""

    def fields() -> Iterator[FieldValues]:
        for i, (name, kind) in enumerate(kinds.items()):
            column = [row[i] for row in rows]
            values = sorted({value for value in column if value is not None})
            codes = [values.index(value) if value is not None else -1 for value in column]
            counts = np.ones(len(rows), np.int64)
            yield FieldValues(name, kind, values, np.array(codes, np.int32), counts)

    def lines() -> Iterator[list[str]]:
        yield [", ".join(value for value in row if value is not None) for row in rows]

    def none() -> Dense:
        raise AssertionError("only `column` reads the user's vectors")

    return Texts(len(rows), fields, lines, none)


def cosines(encoder: Encoder, texts: Texts) -> NDArray[np.float64]:
    vectors: Any = encoder.encode(texts)
    dense = vectors if isinstance(vectors, np.ndarray) else vectors.toarray()
    dense = dense.astype(np.float64)
    lengths = np.linalg.norm(dense, axis=1)
    assert np.allclose(lengths[lengths > 0], 1, atol=1e-5)
    product: NDArray[np.float64] = dense @ dense.T
    return product
