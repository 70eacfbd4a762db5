import numpy as np
import pytest

from er_pipeline.blocking.encoders.lexical import Lexical, texts_of_columns, used_columns
from er_pipeline.blocking.encoders.term_counts import TermCounts, smooth_idf
from er_pipeline.blocking.encoders.whole_record import encode_whole_records, learn_whole_records
from er_pipeline_tests.encoder_texts import texts_of

KINDS = {"first": "person_name", "last": "person_name", "town": "text"}
LEARNED = [("ann", "lee", "york"), ("bob", "lee", "bath"), ("cid", None, "york")]


def test_terms_weigh_by_their_rarity_and_those_nobody_had_most() -> None:
    counts = TermCounts.of(3, np.array([0, 3.0, 0, 1]), np.array([0, 2, 0, 1]))
    assert counts.cells.tolist() == [1, 3]
    assert counts.idf(2) == pytest.approx([np.log(4) + 1, 1, np.log(4) + 1, np.log(2) + 1])
    assert counts.texts_of_cells(2).tolist() == [0, 2, 0, 1]


def test_idf_is_that_of_scikit_learn() -> None:
    assert smooth_idf(9, np.array([9, 0, 4])) == pytest.approx([1, np.log(10) + 1, np.log(2) + 1])


def test_a_vector_follows_from_its_text_whatever_other_texts_there_are() -> None:
    encoder = Lexical.model_validate({"ngrams": "2-4"})
    statistics = encoder.learn(texts_of(KINDS, *LEARNED))
    words = learn_whole_records(texts_of(KINDS, *LEARNED))
    alone = texts_of(KINDS, ("ann", "lea", "york"))
    among = texts_of(KINDS, ("zoe", "new", "rome"), ("ann", "lea", "york"), ("ann", "lee", None))
    one, others = encoder.encode_with(alone, statistics), encoder.encode_with(among, statistics)
    assert (one[0] != others[1]).nnz == 0
    bag, bags = encode_whole_records(alone, words), encode_whole_records(among, words)
    for name in bag:
        assert bag[name].nnz > 0
        assert (bag[name][0] != bags[name][1]).nnz == 0


def test_a_field_of_which_nothing_was_learned_says_nothing() -> None:
    encoder = Lexical.model_validate({"ngrams": "2-4"})
    statistics = encoder.learn(texts_of(KINDS, ("ann", "lee", None), ("bob", "ray", None)))
    encoded = encoder.encode_with(texts_of(KINDS, (None, None, "york")), statistics)
    assert encoded.nnz == 0


def test_columns_know_how_many_texts_held_them() -> None:
    encoder = Lexical.model_validate({"ngrams": "4"})
    texts = texts_of(KINDS, *LEARNED)
    statistics = encoder.learn(texts)
    vectors, columns = used_columns(encoder.encode_with(texts, statistics))
    held = np.bincount(vectors.indices, minlength=len(columns))
    assert texts_of_columns(KINDS, statistics)[columns].tolist() == held.tolist()
