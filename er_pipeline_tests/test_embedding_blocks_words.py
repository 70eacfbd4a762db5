"""Neighbours by the words of the whole record, and lists that follow the budget."""

import tempfile
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from er_pipeline.blocking.neighbours.embedding_blocks import (
    as_searched,
    judge_neighbours,
    neighbour_facts,
)
from er_pipeline.blocking.neighbours.vector_files import load_vectors
from er_pipeline.flow import flow
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.test_embedding_blocks import at, brute_force, by_hand, pairs_of

# The first two are one album; the others have neither its artist nor its title.
ALBUMS: Rows = [
    {"id": "0", "artist": "miles davis", "title": "kind of blue"},
    {"id": "1", "artist": None, "title": "miles davis kind blue"},
    {"id": "2", "artist": "davis trio", "title": "sings"},
    {"id": "3", "artist": "chet baker", "title": "my funny valentine"},
]
SWAPPED: Rows = [
    {"id": "0", "artist": "xanadu", "title": "querulous"},
    {"id": "1", "artist": "querulous", "title": "xanadu"},
    {"id": "2", "artist": "bob", "title": "ann"},
]


@pytest.mark.parametrize("rows", [ALBUMS, SWAPPED], ids=["one field", "swapped fields"])
@pytest.mark.parametrize("whole_record", [True, False])
def test_words_that_stand_in_other_fields_are_found_by_the_whole_record(
    dataset: Callable[..., Dataset], rows: Rows, whole_record: bool
) -> None:
    cuts = {"whole_record": whole_record, "min_similarity": 0.5}
    people = dataset(rows, strategies={}, embedding=cuts)
    facts = people.neighbours()
    assert ((0, 1) in pairs_of(people)) == whole_record
    assert bool(facts["pairs_by_words"]) == whole_record
    assert people.lake.has("whole_vectors") == whole_record
    (step,) = [step for step in flow(people.spec) if step.name == "embedding_blocks"]
    columns = [column.name for column in step.writes[0].columns]
    assert ("word_similarity" in columns) == whole_record


NAMES = ["ann", "anna", "bob", "lee", "leigh", "may", "robert"]


def drawn(n_records: int, seed: int) -> list[dict[str, str | None]]:
    """Records of some words in two fields, no two of one text."""
    draw = Random(seed)
    texts: dict[tuple[str | None, str | None], None] = {}
    while len(texts) < n_records:
        a, b = (" ".join(draw.sample(NAMES, draw.randint(0, 3))) or None for _ in range(2))
        if a or b:
            texts[a, b] = None
    return [{"id": f"{i:02}", "a": a, "b": b} for i, (a, b) in enumerate(texts)]


def products(people: Dataset, folder: str) -> NDArray[np.float64]:
    vectors: Any = load_vectors(people.lake.path(folder.split("/")[0]) / folder.partition("/")[2])
    dense = vectors.toarray().astype(np.float64)
    product: NDArray[np.float64] = np.round(dense @ dense.T, 4)
    np.fill_diagonal(product, 1)
    return product


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    mode=st.sampled_from(["dedupe", "link", "link_and_dedupe"]),
    k=st.integers(1, 4),
    floor=st.sampled_from([0.1, 0.6]),
)
def test_pairs_are_those_of_both_searches_each_with_both_cosines(
    seed: int, mode: str, k: int, floor: float
) -> None:
    rows = drawn(16, seed)
    sources = [rows] if mode == "dedupe" else [rows[:7], rows[7:]]
    source_of = [int(mode != "dedupe" and i >= 7) for i in range(16)]
    by_fields = {"k": k, "min_similarity": floor, "min_share_of_best": 0.4}
    by_words = {"k": k, "min_similarity": 0.1, "min_share_of_best": 0.4}
    with tempfile.TemporaryDirectory() as folder:
        people = Dataset(Path(folder), sources, mode=mode, strategies={}, embedding=by_fields)
        facts = people.neighbours()
        fields = products(people, "text_vectors")
        words = products(people, "whole_vectors/words")
        found = people.rows("embedding_blocks", "left_no, right_no, similarity, word_similarity")
    near = brute_force(fields, source_of, by_fields, mode)
    near_by_words = brute_force(words, source_of, by_words, mode)
    assert {(left, right) for left, right, *_ in found} == near | near_by_words
    assert (facts["pairs"], facts["pairs_by_fields"], facts["pairs_by_words"]) == (
        len(near | near_by_words),
        len(near),
        len(near_by_words),
    )
    for left, right, similarity, word_similarity in found:
        assert similarity == pytest.approx(fields[left, right], abs=1.1e-4)
        assert word_similarity == pytest.approx(words[left, right], abs=1.1e-4)


def test_records_of_one_text_have_both_cosines_of_1(dataset: Callable[..., Dataset]) -> None:
    rows = [{"id": str(i), "name": name} for i, name in enumerate(["--", "--", "ann lee", "bo"])]
    people = dataset(rows, strategies={}, embedding=True, cleaning={"placeholders": []})
    people.neighbours()
    found = people.rows("embedding_blocks", "left_no, right_no, similarity, word_similarity")
    assert all(of == (0, 1, 1, 1) for of in found)


def test_vectors_that_are_brought_have_no_words(dataset: Callable[..., Dataset]) -> None:
    people = dataset(at(0, 10, 50), **by_hand(k=1, whole_record=True))
    people.neighbours()
    assert not people.lake.has("whole_vectors")
    assert len(people.rows("embedding_blocks")[0]) == 4


@pytest.mark.parametrize(
    ("budget", "encoder", "k", "share"),
    [
        (None, {}, 10, 0.6),  # as such vectors have it
        (1, {}, 10, 0.2),
        (8, {}, 20, 0.2),
        (8, {"k": 7}, 7, 0.2),
        (8, {"min_share_of_best": 0.4}, 20, 0.4),
    ],
)
def test_lists_follow_the_budget_where_nothing_is_set(
    dataset: Callable[..., Dataset],
    budget: float | None,
    encoder: dict[str, Any],
    k: int,
    share: float,
) -> None:
    # All are near to all, so that a list is as long as it may be.
    people = dataset(
        at(*(i / 9 for i in range(40))),
        **{**by_hand(), "embedding": {"encoder": "column", "column": "v", **encoder}},
        budget={"pairs_per_record": budget} if budget else None,
    )
    facts = people.neighbours()
    assert (facts["k"], facts["min_share_of_best"]) == (k, share)
    listed = people.rows("embedding_blocks", "max(rank), count(*)")
    assert listed[0][0] == k
    assert 40 * k / 2 <= listed[0][1] <= 40 * k
    assert people.spec.embedding
    searched = as_searched(people.lake, people.spec, people.spec.embedding)
    assert (searched.n_listed, searched.min_share_of_best) == (k, share)


def test_the_words_are_searched_as_far_as_the_budget_goes(dataset: Callable[..., Dataset]) -> None:
    texts = [{"id": f"{i:02}", "name": f"ann lee may {i}{i}{i}"} for i in range(30)]
    settings: dict[str, Any] = {"strategies": {}, "embedding": {"min_similarity": 0.99}}
    few = dataset(texts, **settings).neighbours()
    more = dataset(texts, **settings, budget={"pairs_per_record": 12}).neighbours()
    assert more["k"] == 30
    assert few["pairs_by_fields"] == more["pairs_by_fields"] == 0
    assert few["pairs_by_words"] < more["pairs_by_words"] == len([*combinations(range(30), 2)])


def test_lists_by_words_are_judged_by_what_is_wanted_of_words(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(at(0, 1, 2, 3), **by_hand(k=1))
    people.neighbours()
    facts = neighbour_facts(people.lake)
    assert (facts["recall"], facts["recall_by_words"]) == (1, 1)
    for recall, passed in ((0.7, True), (0.4, False)):
        facts["recall_by_words"] = recall
        (verdict,) = (
            verdict
            for verdict in judge_neighbours(facts, people.spec)
            if verdict.check == "index_recall_is_enough"
        )
        assert verdict.passed == passed
        assert f"{recall:.2%}" in verdict.text
