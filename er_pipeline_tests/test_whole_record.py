import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from er_pipeline.blocking.encoders import whole_record
from er_pipeline.blocking.encoders.encoder import FieldValues, Texts
from er_pipeline.blocking.encoders.whole_record import whole_record_vectors
from er_pipeline_tests.encoder_texts import texts_of

Row = Sequence[str | None]
KINDS = {"first": "text", "second": "text"}
# Letters, what parts words (in ASCII and beyond), and what does not though it looks like it.
ALPHABET = "abcäß7李́ªµ" + " .-_'\u00a0\u2013\u2019\u3000·"
PARTED = re.compile(r"[ .\-_'\u00a0\u2013\u2019\u3000·]+")

values = st.none() | st.text(alphabet=ALPHABET, max_size=12)
rows = st.lists(st.tuples(values, values), min_size=1, max_size=8)


def near(vectors: Any) -> NDArray[np.float64]:
    dense: NDArray[np.float64] = vectors.toarray().astype(np.float64)
    return dense @ dense.T


def words_of(row: Row) -> list[str]:
    return [word for value in row if value for word in PARTED.split(value) if word]


def trigrams_of(row: Row) -> list[str]:
    padded = [f" {word} " for word in words_of(row)]
    return [word[i : i + 3] for word in padded for i in range(len(word) - 2)]


def by_brute_force(bags: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """The cosines of TF-IDF vectors of sets of terms, records weighing alike."""
    frequency = Counter(term for bag in bags for term in set(bag))
    idf = {term: math.log((1 + len(bags)) / (1 + n)) + 1 for term, n in frequency.items()}
    length = [math.sqrt(sum(idf[term] ** 2 for term in set(bag))) or 1.0 for bag in bags]
    return np.array(
        [
            [
                sum(idf[term] ** 2 for term in set(one) & set(other)) / length[i] / length[j]
                for j, other in enumerate(bags)
            ]
            for i, one in enumerate(bags)
        ]
    )


@settings(max_examples=60, deadline=None)
@given(rows=rows)
def test_the_vectors_are_those_of_tf_idf_by_brute_force(rows: list[Row]) -> None:
    words, trigrams = whole_record_vectors(texts_of(KINDS, *rows))
    assert np.allclose(near(words), by_brute_force([*map(words_of, rows)]), atol=1e-4)
    assert np.allclose(near(trigrams), by_brute_force([*map(trigrams_of, rows)]), atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(rows=rows, turned=st.lists(st.booleans(), min_size=8, max_size=8))
def test_it_is_all_one_in_which_field_a_word_stands(rows: list[Row], turned: list[bool]) -> None:
    swapped = [row[::-1] if turn else row for row, turn in zip(rows, turned, strict=False)]
    for one, other in zip(
        whole_record_vectors(texts_of(KINDS, *rows)),
        whole_record_vectors(texts_of(KINDS, *swapped)),
        strict=True,
    ):
        assert one is not None
        assert other is not None
        assert np.array_equal(one.toarray(), other.toarray())


@settings(max_examples=30, deadline=None)
@given(rows=rows)
def test_rows_are_of_length_1_and_those_without_a_word_of_zeros(rows: list[Row]) -> None:
    for vectors in whole_record_vectors(texts_of(KINDS, *rows)):
        assert vectors is not None
        assert vectors.dtype == np.float32
        assert vectors.shape[0] == len(rows)
        lengths = np.sqrt(np.diag(near(vectors)))
        assert lengths == pytest.approx([float(bool(words_of(row))) for row in rows], abs=1e-5)


def test_a_fact_in_another_field_is_found_and_punctuation_is_no_part_of_it() -> None:
    texts = texts_of(
        KINDS,
        ("miles davis", "kind of blue (live)"),
        ("kind-of-blue", "miles\u00a0davis\u2019live"),
        ("chet baker", None),
        ("chet bakers", None),
    )
    words, trigrams = whole_record_vectors(texts)
    assert near(words)[0, 1] == pytest.approx(1, abs=1e-5)
    assert near(words)[0, 2] == 0
    # A word with another ending is another word, but has nearly the same 3-grams.
    assert near(trigrams)[2, 3] > 0.7
    assert near(words)[2, 3] < 0.5


@pytest.mark.parametrize(
    "rows", [[(None, None)], [("", None), (None, "-- ...")]], ids=["no values", "no words"]
)
def test_texts_without_any_word_have_vectors_of_nothing(rows: list[Row]) -> None:
    for vectors in whole_record_vectors(texts_of(KINDS, *rows)):
        assert vectors is not None
        assert (vectors.shape[0], vectors.nnz) == (len(rows), 0)


def test_a_text_of_many_records_counts_for_all_of_them() -> None:
    def fields() -> Any:
        codes = np.array([0, 1, 2], np.int32)
        yield FieldValues("name", "text", ["ann lee", "ann may", "bo may"], codes, counts)

    counts = np.array([8, 1, 1])
    nothing = np.zeros((0, 1), np.float32)
    words, _ = whole_record_vectors(Texts(3, fields, lambda: iter(()), lambda: nothing))
    assert near(words)[1, 2] > near(words)[0, 1]  # may is of two records, ann of nine
    apart = by_brute_force([*[["ann", "lee"]] * 8, ["ann", "may"], ["bo", "may"]])
    assert near(words)[0, 1] == pytest.approx(apart[0, 8], abs=1e-4)


@pytest.mark.parametrize(("n_texts", "has_trigrams"), [(3, True), (4, False)])
def test_trigrams_are_made_up_to_a_number_of_texts(
    monkeypatch: pytest.MonkeyPatch, n_texts: int, has_trigrams: bool
) -> None:
    monkeypatch.setattr(whole_record, "TRIGRAMS_LIMIT", 3)
    words, trigrams = whole_record_vectors(texts_of(KINDS, *[("ann", "lee")] * n_texts))
    assert words.shape[0] == n_texts
    assert (trigrams is not None) == has_trigrams


def test_batches_of_values_do_not_change_the_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = texts_of(KINDS, ("ann lee", "x"), ("bo", None), ("", "ann"), ("zoe may", "lee y"))
    whole = whole_record_vectors(texts)
    monkeypatch.setattr(whole_record, "VALUES_PER_BATCH", 2)
    for one, other in zip(whole, whole_record_vectors(texts), strict=True):
        assert one is not None
        assert other is not None
        assert np.array_equal(one.toarray(), other.toarray())
