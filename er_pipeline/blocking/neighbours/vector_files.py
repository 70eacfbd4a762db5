"""Vector files: the vectors of texts as numpy files in the folder of a table."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from er_pipeline.blocking.encoders import Dense
from er_pipeline.blocking.tables.lake import Lake

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TEXT_VECTORS = "text_vectors"
# The whole record as one text: folders of its table.
WHOLE_VECTORS, WORDS, TRIGRAMS = "whole_vectors", "words", "trigrams"


def save_vectors(vectors: "Dense | csr_matrix", folder: Path) -> None:
    """Keep vectors as numpy files, so that they can be read without being loaded.

    folder: made if it is not there.
    """
    folder.mkdir(exist_ok=True)
    if isinstance(vectors, np.ndarray):
        np.save(folder / "dense.npy", vectors)
        return
    np.save(folder / "shape.npy", np.array(vectors.shape))
    for part in ("data", "indices", "indptr"):
        np.save(folder / f"{part}.npy", getattr(vectors, part))


def load_vectors(folder: Path) -> "Dense | csr_matrix":
    """Read the vectors of `save_vectors`; dense ones stay on disk until they are used."""
    if (folder / "dense.npy").exists():
        dense: Dense = np.load(folder / "dense.npy", mmap_mode="r")
        return dense
    from scipy.sparse import csr_matrix

    parts = [np.load(folder / f"{part}.npy") for part in ("data", "indices", "indptr")]
    return csr_matrix(tuple(parts), shape=tuple(np.load(folder / "shape.npy")))


def vector_folder(lake: Lake) -> Path:
    """Return the folder of the vectors, which belong to record_embeddings.

    Raises LakeError if they are missing or stale.
    """
    lake.check(TEXT_VECTORS)
    return lake.path(TEXT_VECTORS)


def load_whole_vectors(lake: Lake) -> "dict[str, csr_matrix]":
    """Read the vectors of whole records: of words, and of 3-grams where there are any.

    Raises LakeError if they are missing or stale.
    """
    lake.check(WHOLE_VECTORS)
    folder = lake.path(WHOLE_VECTORS)
    found = {}
    for name in (WORDS, TRIGRAMS):
        if (folder / name).is_dir():
            vectors = load_vectors(folder / name)
            assert not isinstance(vectors, np.ndarray)
            found[name] = vectors
    return found


def digest_of(folder: Path) -> str:
    """Give the fingerprint of the files of a table and its vectors."""
    seen = hashlib.blake2b(digest_size=16)
    for file in sorted([*folder.glob("*.npy"), *folder.glob("*.parquet")]):
        seen.update(file.name.encode())
        with file.open("rb") as content:
            while chunk := content.read(1 << 22):
                seen.update(chunk)
    return seen.hexdigest()
