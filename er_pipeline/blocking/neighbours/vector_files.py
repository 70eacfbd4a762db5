"""Vector files: the vectors of texts as numpy files in the folder of a table."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.encoders import Dense
from er_pipeline.blocking.encoders.lexical import used_columns
from er_pipeline.blocking.encoders.whole_record import TRIGRAMS, WORDS
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.files import replace, write_whole
from er_pipeline.blocking.tables.lake import FACTS, Lake

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TEXT_VECTORS = "text_vectors"
# The whole record as one text: folders of its table.
WHOLE_VECTORS = "whole_vectors"


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


def save_terms(vectors: "csr_matrix", learned: NDArray[np.int64], folder: Path) -> None:
    """Keep vectors of hashed terms: only the columns in use, beside what they stand for.

    vectors: (n_texts, n_columns). learned: (n_columns,) texts that held each when it was learned.
    """
    numbered, columns = used_columns(vectors)
    save_vectors(numbered, folder)
    np.save(folder / "columns.npy", columns)
    np.save(folder / "learned_texts.npy", learned[columns] if len(columns) else learned[:0])


def load_terms(folder: Path) -> "csr_matrix":
    """Read the vectors of `save_terms` with the columns that they had before they were numbered."""
    from scipy.sparse import csr_matrix

    vectors = load_vectors(folder)
    assert not isinstance(vectors, np.ndarray)
    columns = np.load(folder / "columns.npy")
    width = int(columns[-1]) + 1 if len(columns) else 1
    indices = columns[vectors.indices].astype(np.int32)
    return csr_matrix((vectors.data, indices, vectors.indptr), shape=(vectors.shape[0], width))


def rows_of_both(known: "csr_matrix", new: "csr_matrix", place: NDArray[np.int64]) -> "csr_matrix":
    """Put rows together: place says which row of the known ones, -1 the next of the new ones."""
    import scipy.sparse as sp

    width = max(known.shape[1], new.shape[1])
    for part in (known, new):
        part.resize((part.shape[0], width))
    both = sp.vstack([known, new], format="csr")
    is_new = place < 0
    rows = np.where(is_new, known.shape[0] + np.cumsum(is_new) - 1, place)
    return both[rows]


def load_learned_texts(folder: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read of each column in use which one it was when it was learned, and how many texts held it.

    folder: of `save_terms`.
    """
    return np.load(folder / "columns.npy"), np.load(folder / "learned_texts.npy")


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


def texts_of_records(engine: Engine, embeddings: Path, records: Sequence[int]) -> list[int]:
    """Give the texts that no record has but some.

    embeddings: folder of a version of record_embeddings. records: their numbers.
    """
    engine.read_folder(embeddings, "texts_of_all")
    listed = ", ".join(map(str, records)) or "null"
    found = engine.rows(
        "select text_no from texts_of_all group by text_no"
        f" having bool_and(coalesce(record_no in ({listed}), false)) order by text_no"
    )
    return [text_no for (text_no,) in found]


def blank_vectors(engine: Engine, folder: Path, text_nos: Sequence[int]) -> None:
    """Empty the vectors of some texts, and the hashes they are found by; doing so twice is no harm.

    folder: of a version of text_vectors, with dense vectors. Files are written anew and renamed, so
    that links of other versions are left alone. A cache whose digest does not fit, after a kill, is
    not used.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent, suffix=".tmp") as made:
        draft = Path(made)
        vectors = np.array(load_vectors(folder))
        vectors[list(text_nos)] = 0
        save_vectors(vectors, draft)
        listed = ", ".join(map(str, text_nos)) or "null"
        for file in sorted(folder.glob("*.parquet")):
            engine.read_file(file, "texts_to_blank")
            engine.write(
                f"select text_no, case when text_no in ({listed}) then '' else text_hash end"
                " as text_hash from texts_to_blank",
                draft / file.name,
            )
        for file in sorted(draft.iterdir()):
            replace(file, folder / file.name)
    facts = json.loads((folder / FACTS).read_text("utf-8"))
    write_whole(folder / FACTS, json.dumps({**facts, "digest": digest_of(folder)}, indent=1))
