from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_matrix

from er_pipeline.blocking.neighbours import cosines
from er_pipeline.blocking.neighbours.cosines import fill_cosines, texts_of_records
from er_pipeline.blocking.neighbours.vector_files import load_vectors, save_vectors, vector_folder
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake


def lake_of(engine: Engine, folder: Path, vectors: Any, text_of: Sequence[int | None]) -> Lake:
    """Write the vectors of texts, and which text each record has."""
    lake = Lake(folder / "lake", "people")
    with lake.writing("text_vectors") as draft:
        engine.write(f"select range::int as text_no from range({vectors.shape[0]})", draft.file())
        save_vectors(vectors, draft.folder)
    texts = ", ".join(f"({i}, {t})" for i, t in enumerate(text_of) if t is not None)
    with lake.writing("record_embeddings") as draft:
        engine.write(f"from (values {texts}) as t(record_no, text_no)", draft.file())
    return lake


def made_pairs(engine: Engine, folder: Path, pairs: Sequence[tuple[int, int]]) -> Path:
    """Write pairs without their similarity, in two files."""
    made = folder / "made"
    made.mkdir()
    for i in (0, 1):
        values = ", ".join(map(str, pairs[i::2]))
        engine.write(
            "select l::int as left_no, r::int as right_no, null::float as similarity, 7 as mask"
            f" from (values {values}) as t(l, r)",
            made / f"part-{i}.parquet",
        )
    return made


def fill(engine: Engine, lake: Lake, n_records: int, made: Path) -> None:
    """Fill the similarities of all pairs."""
    vectors = {"similarity": load_vectors(vector_folder(lake))}
    fill_cosines(made, vectors, texts_of_records(engine, lake, n_records))


@pytest.mark.parametrize("is_dense", [True, False])
@pytest.mark.parametrize("batch", [3, 100_000])
def test_every_pair_of_two_texts_has_their_cosine(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_dense: bool, batch: int
) -> None:
    monkeypatch.setattr(cosines, "PAIRS_PER_BATCH", batch)
    draw = np.random.default_rng(4)
    dense = draw.normal(size=(5, 3)).astype(np.float32)
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    text_of = [0, 1, None, 2, 1, 3, None, 4]
    lake = lake_of(engine, tmp_path, dense if is_dense else csr_matrix(dense), text_of)
    pairs = list(combinations(range(len(text_of)), 2))
    made = made_pairs(engine, tmp_path, pairs)
    fill(engine, lake, len(text_of), made)
    assert sorted(file.name for file in made.iterdir()) == ["part-0.parquet", "part-1.parquet"]
    found = pq.read_table(made).to_pylist()
    assert sorted((row["left_no"], row["right_no"]) for row in found) == pairs
    assert {row["mask"] for row in found} == {7}
    for row in found:
        one, other = text_of[row["left_no"]], text_of[row["right_no"]]
        if one is None or other is None:
            assert row["similarity"] is None
        else:
            assert row["similarity"] == pytest.approx(float(dense[one] @ dense[other]), abs=1e-4)


def test_one_text_is_like_itself_even_if_its_vector_says_nothing(
    engine: Engine, tmp_path: Path
) -> None:
    lake = lake_of(engine, tmp_path, csr_matrix((2, 4), dtype=np.float32), [0, 0, 1])
    made = made_pairs(engine, tmp_path, [(0, 1), (0, 2)])
    fill(engine, lake, 3, made)
    assert pq.read_table(made)["similarity"].to_pylist() == [1, 0]
