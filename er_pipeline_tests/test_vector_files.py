from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix

from er_pipeline.blocking.encoders.encoder import Dense
from er_pipeline.blocking.encoders.whole_record import TRIGRAMS, WORDS
from er_pipeline.blocking.neighbours.vector_files import (
    TEXT_VECTORS,
    WHOLE_VECTORS,
    blank_vectors,
    digest_of,
    load_vectors,
    load_whole_vectors,
    save_vectors,
    texts_of_records,
    vector_folder,
)
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake

matrices = arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 4)),
    elements=st.sampled_from([0.0, 0.25, -1.0, 3.5]),
)


@settings(max_examples=20, deadline=None)
@given(vectors=matrices)
def test_what_was_saved_is_loaded_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, vectors: Dense
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    save_vectors(vectors, folder / "dense")
    save_vectors(csr_matrix(vectors), folder / "sparse")
    dense, sparse = load_vectors(folder / "dense"), load_vectors(folder / "sparse")
    assert isinstance(dense, np.memmap)
    assert not isinstance(sparse, np.ndarray)
    assert dense.dtype == sparse.dtype == np.float32
    assert sparse.shape == vectors.shape
    assert np.array_equal(dense, vectors)
    assert np.array_equal(sparse.toarray(), vectors)


def test_vectors_without_a_row_or_a_column_are_kept_too(tmp_path: Path) -> None:
    for shape in ((0, 3), (2, 0)):
        save_vectors(csr_matrix(shape, dtype=np.float32), tmp_path / str(shape))
        assert load_vectors(tmp_path / str(shape)).shape == shape


def test_the_digest_is_of_every_file_and_its_name(tmp_path: Path) -> None:
    vectors = csr_matrix(np.eye(3, dtype=np.float32))
    save_vectors(vectors, tmp_path / "one")
    save_vectors(vectors, tmp_path / "other")
    assert digest_of(tmp_path / "one") == digest_of(tmp_path / "other")
    save_vectors(2 * vectors, tmp_path / "other")
    assert digest_of(tmp_path / "one") != digest_of(tmp_path / "other")
    before = digest_of(tmp_path / "one")
    (tmp_path / "one" / "data.npy").rename(tmp_path / "one" / "more.npy")
    assert digest_of(tmp_path / "one") != before
    (tmp_path / "one" / "more.npy").rename(tmp_path / "one" / "data.npy")
    (tmp_path / "one" / "lists.tmp").write_text("what is no part of a table")
    assert digest_of(tmp_path / "one") == before
    (tmp_path / "one" / "part-0.parquet").write_bytes(b"")
    assert digest_of(tmp_path / "one") != before


@pytest.mark.parametrize("names", [(WORDS,), (WORDS, TRIGRAMS)])
def test_bags_of_whole_records_are_loaded_by_their_name_where_they_are(
    engine: Engine, tmp_path: Path, names: tuple[str, ...]
) -> None:
    lake = Lake(tmp_path, "people")
    with lake.writing(WHOLE_VECTORS) as draft:
        engine.write("select 0 as text_no", draft.file())
        for size, name in enumerate(names, 1):
            save_vectors(csr_matrix(np.eye(size, dtype=np.float32)), draft.folder / name)
    found = load_whole_vectors(lake)
    assert {name: of.shape[0] for name, of in found.items()} == {
        name: size for size, name in enumerate(names, 1)
    }


def test_the_folder_is_that_of_the_table(engine: Engine, tmp_path: Path) -> None:
    lake = Lake(tmp_path, "people")
    with lake.writing("text_vectors") as draft:
        engine.write("select 0 as text_no", draft.file())
        save_vectors(np.ones((1, 1), np.float32), draft.folder)
    assert load_vectors(vector_folder(lake)).shape == (1, 1)


def test_texts_of_some_records_alone_lose_vector_and_hash(engine: Engine, tmp_path: Path) -> None:
    lake = Lake(tmp_path, "people")
    with lake.writing("record_embeddings") as draft:
        engine.write(
            "select * from (values (0, 0), (1, 1), (2, 1), (3, 2)) as t(record_no, text_no)",
            draft.file(),
        )
    own = texts_of_records(engine, lake.path("record_embeddings"), [1, 3])
    assert own == [2]
    with lake.writing(TEXT_VECTORS) as draft:
        engine.write(
            "select range as text_no, 'h' || range as text_hash from range(3)", draft.file()
        )
        save_vectors(np.ones((3, 2), np.float32), draft.folder)
    folder = lake.path(TEXT_VECTORS)
    for _ in range(2):
        blank_vectors(engine, folder, own)
        assert load_vectors(folder).tolist() == [[1, 1], [1, 1], [0, 0]]
        engine.read_folder(folder, "blank")
        assert engine.rows("from blank") == [(0, "h0"), (1, "h1"), (2, "")]
        assert lake.facts(TEXT_VECTORS)["digest"] == digest_of(folder)
    assert [path.name for path in folder.parent.iterdir() if path.name.endswith(".tmp")] == []
