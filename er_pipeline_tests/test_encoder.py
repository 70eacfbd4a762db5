import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import er_pipeline
from er_pipeline.blocking.encoders import (
    Encoder,
    EncoderError,
    Lexical,
    SentenceTransformer,
    Static,
)
from er_pipeline.blocking.encoders.encoder import (
    MOST_LISTED,
    Dense,
    folder_of,
    need,
    unit_rows,
)
from er_pipeline_tests.encoder_texts import texts_of


def transformer(model: str, batch_size: int = 64) -> SentenceTransformer:
    return SentenceTransformer.model_validate(
        {"encoder": "sentence_transformer", "model": model, "batch_size": batch_size}
    )


def test_the_identity_changes_with_what_a_vector_depends_on_and_nothing_else() -> None:
    identity = Lexical().identity
    assert Lexical().identity == identity
    assert Lexical.model_validate({"k": 3, "min_similarity": 0.7}).identity == identity
    assert Lexical.model_validate({"max_work_per_record": 1000}).identity == identity
    assert Lexical.model_validate({"ngrams": "5"}).identity != identity
    assert Lexical.model_validate({"fields": ["a"]}).identity != identity


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
    monkeypatch.setattr(f"{Encoder.__module__}.version_of", _not_installed)
    with pytest.raises(EncoderError, match=words):
        _ = encoder.identity


def _not_installed(name: str) -> str:
    raise PackageNotFoundError(name)


def test_a_missing_extra_names_the_library_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(EncoderError, match="wordllama is not installed") as caught:
        need("wordllama", "static")
    assert isinstance(caught.value.__cause__, ImportError)
    assert "torch" not in str(caught.value)
    assert need("json", "static").loads("[1]") == [1]


def test_a_setting_of_vectors_is_part_of_the_identity_unless_it_is_of_the_search() -> None:
    searched = {"k": 3, "min_recall": 0.4, "flat_limit": 5, "direction": "small_to_large"}
    for name, value in searched.items():
        changed = Static.model_validate({"encoder": "static", name: value})
        assert changed.vectors_of() == Static.model_validate({"encoder": "static"}).vectors_of()
    assert transformer("any", batch_size=1).vectors_of() == transformer("any").vectors_of()
    assert transformer("any").vectors_of() != transformer("another").vectors_of()


@pytest.mark.parametrize(
    ("pairs_per_record", "k"),
    [(None, 10), (0.5, 10), (4, 10), (4.1, 11), (10, 25), (100, 250), (399.9, 1_000), (500, 1_000)],
)
def test_lists_are_as_long_as_the_budget_needs(pairs_per_record: float | None, k: int) -> None:
    for encoder in (Lexical(), Lexical(k=None), Lexical(min_share_of_best=0.7)):
        assert encoder.within(pairs_per_record).n_listed == k


@given(
    set_by_user=st.fixed_dictionaries(
        {},
        optional={
            "k": st.integers(1, MOST_LISTED),
            "min_share_of_best": st.floats(0, 1),
            "max_pairs_per_record": st.floats(1, 100),
        },
    ),
    pairs_per_record=st.floats(0.001, 1_000),
)
def test_what_the_user_set_stays_within_any_budget(
    set_by_user: dict[str, float], pairs_per_record: float
) -> None:
    encoder = Lexical.model_validate(set_by_user)
    within = encoder.within(pairs_per_record)
    for name, value in set_by_user.items():
        assert getattr(within, name) == value
    assert within.n_listed >= set_by_user.get("k", 10)
    assert within.min_share_of_best == set_by_user.get("min_share_of_best", 0.2)
    assert within.vectors_of() == encoder.vectors_of()
    assert encoder.within(None) == encoder


def test_a_budget_never_cuts_more_by_a_share_than_the_encoder_does() -> None:
    for encoder, share in (
        (transformer("any"), 0),
        (Static(encoder="static"), 0.2),
        (Lexical(), 0.2),
    ):
        assert encoder.within(5).min_share_of_best == share


def test_the_most_pairs_per_record_grow_with_the_lists_unless_they_are_set() -> None:
    assert Lexical().most_pairs_per_record == 50
    assert Lexical(k=12).most_pairs_per_record == 50
    assert Lexical(k=200).most_pairs_per_record == 800
    assert Lexical(k=200, max_pairs_per_record=60).most_pairs_per_record == 60
    # The lists alone are within it, whatever the budget.
    for per_record in (1, 20, 300, 1_000):
        within = Lexical().within(per_record)
        assert 2 * within.n_listed <= within.most_pairs_per_record


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 4)),
        elements=st.integers(-1_000, 1_000).map(float),
    )
)
def test_rows_are_scaled_to_length_1_in_their_direction_and_rows_of_zeros_stay(
    vectors: Dense,
) -> None:
    scaled = unit_rows(vectors)
    is_zero = ~vectors.any(axis=1)
    assert scaled.dtype == np.float32
    assert scaled.flags.c_contiguous
    assert np.allclose(np.linalg.norm(scaled, axis=1), np.where(is_zero, 0, 1), atol=1e-5)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.allclose(scaled * lengths, vectors, rtol=1e-4)


def test_the_folder_of_a_package_is_the_one_it_is_imported_from() -> None:
    assert folder_of("er_pipeline") == Path(er_pipeline.__file__).parent


def test_a_sample_of_texts_holds_their_values_only() -> None:
    texts = texts_of({"name": "text"}, ["ann"], ["bob"], [None], ["ann"], ["eve"])
    (field,) = texts.sample(np.array([1, 2, 4])).fields()
    assert list(field.values) == ["bob", "eve"]
    assert field.codes.tolist() == [0, -1, 1]
    assert len(field.counts) == 3
