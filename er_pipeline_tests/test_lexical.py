from typing import Any

import numpy as np
import pytest

from er_pipeline.blocking.encoders.lexical import Lexical, field_weight
from er_pipeline_tests.encoder_texts import cosines, texts_of

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
