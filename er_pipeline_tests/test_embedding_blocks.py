import tempfile
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.neighbours.embedding_blocks import (
    find_neighbours,
    judge_neighbours,
    neighbour_facts,
)
from er_pipeline.blocking.neighbours.vector_files import load_vectors
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline_tests.conftest import Dataset, Rows

ALONE: dict[str, Any] = {"strategies": {}, "embedding": True}
# Vectors brought by hand: similarities are what the test says, not what an encoder makes of them.
BY_HAND: dict[str, Any] = {"encoder": "column", "column": "v"}


def at(*degrees: float | None) -> Rows:
    """Records whose vectors point in these directions; their cosine is that of the angle."""
    vectors = [
        None if d is None else str([float(np.cos(np.radians(d))), float(np.sin(np.radians(d)))])
        for d in degrees
    ]
    return [{"id": f"{i:03}", "name": "x", "v": vector} for i, vector in enumerate(vectors)]


def by_hand(**encoder: Any) -> dict[str, Any]:
    return {
        "fields": {"name": "text"},
        "strategies": {},
        "embedding": {**BY_HAND, "min_similarity": -1, "min_share_of_best": 0, **encoder},
    }


def pairs_of(people: Dataset) -> set[tuple[int, int]]:
    found = people.rows("embedding_blocks", "left_no, right_no")
    assert len(set(found)) == len(found)
    assert all(left < right for left, right in found)
    return set(found)


def test_neighbours_are_pairs_with_similarity_and_rank(dataset: Callable[..., Dataset]) -> None:
    people = dataset(at(0, 10, 50), **by_hand(k=1))
    facts = people.neighbours()
    found = people.rows("embedding_blocks")
    # 50 lists 10, which does not list it back: either side is enough.
    assert [(left, right, rank) for left, right, _, rank in found] == [(0, 1, 1), (1, 2, 1)]
    assert [s for _, _, s, _ in found] == pytest.approx([0.9848, 0.7660])
    assert facts["pairs"] == 2
    assert facts["similarities"]["0.7-0.8"] == facts["similarities"]["0.9-1.0"] == 1
    assert facts["pairs_per_record"] == pytest.approx(2 / 3)


def test_the_rank_is_the_better_one_of_two_lists(dataset: Callable[..., Dataset]) -> None:
    people = dataset(at(0, 10, 15, 17), **by_hand(k=3))
    people.neighbours()
    ranks = {(left, right): rank for left, right, _, rank in people.rows("embedding_blocks")}
    assert ranks == {(0, 1): 1, (0, 2): 2, (0, 3): 3, (1, 2): 1, (1, 3): 2, (2, 3): 1}


@pytest.mark.parametrize("k", [1, 2, 4])
def test_k_neighbours_are_k_others(dataset: Callable[..., Dataset], k: int) -> None:
    people = dataset(at(*(3.0**i / 4 for i in range(6))), **by_hand(k=k))
    people.neighbours()
    # Distances grow threefold, so everyone is nearest to those before it.
    nearest = {
        i: sorted(set(range(6)) - {i}, key=lambda j: (abs(3**i - 3**j), j)) for i in range(6)
    }
    assert pairs_of(people) == {
        (min(i, j), max(i, j)) for i, others in nearest.items() for j in others[:k]
    }


def test_identical_texts_do_not_crowd_others_out(dataset: Callable[..., Dataset]) -> None:
    names = [*["barbara jones"] * 50, "barbara jonas", "peter müller"]
    rows = [{"id": f"{i:02}", "name": name} for i, name in enumerate(names)]
    people = dataset(rows, **{**ALONE, "embedding": {"k": 10, "min_similarity": 0.2}})
    facts = people.neighbours()
    found = people.rows("embedding_blocks", "left_no, right_no, similarity, rank")
    assert people.lake.facts("record_embeddings")["texts"] == 3
    # Everybody of the fifty meets the one beside them, and at least ten of their own.
    assert {left for left, right, *_ in found if right == 50} == set(range(50))
    for i in range(50):
        assert sum(i in pair[:2] for pair in found) >= 11
    assert facts["pairs"] <= 50 * 11
    assert {s for left, right, s, _ in found if right < 50} == {1.0}
    assert not any(51 in pair[:2] for pair in found)


def test_a_text_stands_for_at_most_k_records_in_anothers_list(
    dataset: Callable[..., Dataset],
) -> None:
    sources = [at(*[0.0] * 20), at(5)]
    people = dataset(*sources, **by_hand(k=3))
    people.neighbours()
    # The one lists three of the twenty; the twenty list the one.
    assert pairs_of(people) == {(i, 20) for i in range(20)}


def test_identical_texts_of_two_sources_meet_whatever_their_number(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(at(*[0.0] * 20), at(0, 0), **by_hand(k=3))
    people.neighbours()
    assert pairs_of(people) == {(i, j) for i in range(20) for j in (20, 21)}


def test_records_without_text_have_no_neighbours(dataset: Callable[..., Dataset]) -> None:
    names = ["ann lee", "ann lea", None, None, "bob"]
    people = dataset([{"id": str(i), "name": name} for i, name in enumerate(names)], **ALONE)
    people.neighbours()
    assert pairs_of(people) == {(0, 1)}
    assert people.rows("record_embeddings", "record_no, text_no") == [(0, 0), (1, 1), (4, 2)]
    assert people.lake.facts("record_embeddings")["records_without_text"] == 2


def test_a_dataset_without_any_text_has_no_pairs(dataset: Callable[..., Dataset]) -> None:
    people = dataset([{"id": str(i), "name": None} for i in range(3)], **ALONE)
    assert people.neighbours()["pairs"] == 0
    assert people.pair()["pairs"] == 0


def brute_force(
    similarity: np.ndarray[Any, Any], sources: list[int], encoder: dict[str, Any], mode: str
) -> set[tuple[int, int]]:
    """List, cut and join the lists of records whose texts all differ."""
    n = len(sources)
    lists: dict[int, list[int]] = {}
    for i in range(n):
        others = [
            j
            for j in range(n)
            if j != i
            and similarity[i, j] >= encoder["min_similarity"]
            and (mode != "link" or sources[i] != sources[j])
        ]
        lists[i] = []
        for source in set(sources) if mode == "link" else {None}:
            of_source = [j for j in others if source is None or sources[j] == source]
            lists[i] += sorted(of_source, key=lambda j: (-similarity[i, j], j))[: encoder["k"]]
    listed = {(i, j) for i in range(n) for j in lists[i]}
    best = {i: max([similarity[p] for p in listed if i in p], default=0) for i in range(n)}
    share = encoder["min_share_of_best"]
    return {
        (min(i, j), max(i, j))
        for i, j in listed
        if similarity[i, j] >= share * best[i] or similarity[i, j] >= share * best[j]
    }


@pytest.mark.parametrize("mode", ["dedupe", "link", "link_and_dedupe"])
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    k=st.integers(1, 5),
    floor=st.sampled_from([0.0, 0.5, 0.8]),
    share=st.sampled_from([0.0, 0.9, 0.97]),
)
def test_floor_share_and_k_cut_as_brute_force_does(
    mode: str, seed: int, k: int, floor: float, share: float
) -> None:
    rng = np.random.default_rng(seed)
    degrees = rng.choice(np.arange(0, 180, 0.7), 24, replace=False).tolist()
    sources = [0] * 24 if mode == "dedupe" else [0] * 8 + [1] * 10 + [2] * 6
    groups = [
        at(*[d for d, s in zip(degrees, sources, strict=True) if s == source])
        for source in sorted(set(sources))
    ]
    encoder = {"k": k, "min_similarity": floor, "min_share_of_best": share}
    with tempfile.TemporaryDirectory() as folder:
        people = Dataset(Path(folder), groups, mode=mode, **by_hand(**encoder))
        people.neighbours()
        vectors: Any = load_vectors(people.lake.path("text_vectors"))
        product = vectors.astype(np.float64) @ vectors.astype(np.float64).T
        similarity = np.round(product, 4)
        close = np.abs(np.subtract.outer(product.ravel(), [floor])) < 1e-4
        if close.any():
            return
        assert pairs_of(people) == brute_force(similarity, sources, encoder, mode)


NAMES = [
    {"id": "a", "name": "katherine johnson", "town": "leeds"},
    {"id": "b", "name": "catherine johnson", "town": "york"},
    {"id": "c", "name": "margaret hamilton", "town": "leeds"},
    {"id": "d", "name": "margret hamilton", "town": None},
]


def test_pairs_of_neighbours_are_unified_with_those_of_keys(
    dataset: Callable[..., Dataset],
) -> None:
    by_fields = {"min_similarity": 0.3, "whole_record": False}
    people = dataset(NAMES, strategies={"town": "town"}, embedding=by_fields)
    facts = people.pair()
    found = people.rows("unified_pairs", "left_no, right_no, strategy_mask, similarity")
    assert [pair[:3] for pair in found] == [(0, 1, 2), (0, 2, 1), (2, 3, 2)]
    assert found[0][3] > 0.3 > found[1][3] >= 0  # no list proposed the second
    assert facts["proposed_pairs"] == {"town": 1, "embedding": 2}


def test_neighbours_by_the_words_of_the_record_are_pairs_beside_those_by_its_fields(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(NAMES, strategies={"town": "town"}, embedding={"min_similarity": 0.3})
    facts = people.pair()
    found = people.rows("unified_pairs", "left_no, right_no, strategy_mask")
    assert found == [(0, 1, 2), (0, 2, 3), (2, 3, 2)]  # 0 and 2 are both of leeds
    assert facts["proposed_pairs"] == {"town": 1, "embedding": 3}


def test_embedding_alone_runs_the_whole_graph_into_the_catalog(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        NAMES,
        strategies={},
        fields={"name": "person_name", "town": "text"},
        training_rules={"name": "name", "town": "town"},
        embedding={"min_similarity": 0.3},
        expectations={"max_null_rate": {"town": 0.5}},
    )
    definitions = BlockingPipeline(people.spec).definitions(people.lake.root)
    result = definitions.resolve_job_def("people_nightly").execute_in_process(raise_on_error=False)
    assert result.success
    figures = people.lake.facts("blocking_report")
    assert (figures["run"]["pairs"], figures["run"]["pair_coverage"]) == (3, 1)
    assert figures["strategies"]["embedding"]["pairs_of_it_alone"] == 3
    with duckdb.connect(str(people.lake.root / "catalog.duckdb"), read_only=True) as con:
        con.execute("use people")
        blocks = con.execute(
            "select left_id, right_id, similarity > 0.3, word_similarity > 0.1, rank"
            " from embedding_blocks order by all"
        ).fetchall()
        pairs = con.execute(
            "select left_id, right_id, strategies, similarity > 0.3 from unified_pairs order by all"
        ).fetchall()
    # a and c share no more than a word, their town, which only the words of both find.
    assert [row[:4] for row in blocks] == [
        ("a", "b", True, True),
        ("a", "c", False, True),
        ("c", "d", True, True),
    ]
    assert pairs == [(*row[:2], ["embedding"], row[2]) for row in blocks]


def test_neighbours_of_other_records_are_refused(dataset: Callable[..., Dataset]) -> None:
    people = dataset(NAMES, **ALONE)
    people.embed()
    (people.folder / "people.csv").write_text("id,name,town\n1,ann,leeds\n2,bob,york\n")
    people.clean()
    with (
        DuckDBEngine() as engine,
        pytest.raises(LakeError, match="record_embeddings was made from an older cleaned_records"),
    ):
        find_neighbours(engine, people.lake, people.spec)


def test_what_was_found_is_judged(dataset: Callable[..., Dataset]) -> None:
    people = dataset(at(0, 1, 2, 3), **by_hand(k=1))
    people.neighbours()
    facts = neighbour_facts(people.lake)
    good = {verdict.check: verdict for verdict in judge_neighbours(facts, people.spec)}
    assert {name: verdict.passed for name, verdict in good.items()} == {
        "embedding_pairs_within_budget": True,
        "lists_are_not_full": False,  # each of four lists ends with its k-th neighbour
        "index_recall_is_enough": True,
    }
    assert facts["full_lists_share"] == 1
    assert good["lists_are_not_full"].severity == "warn"
    of_budget = dataset(at(0, 1, 2, 3), **by_hand(), budget={"pairs_per_record": 5}).spec
    verdicts = {verdict.check: verdict for verdict in judge_neighbours(facts, of_budget)}
    assert verdicts["lists_are_not_full"].passed
    assert "follows from the budget" in verdicts["lists_are_not_full"].text
    worse = facts.copy()
    worse["pairs_per_record"], worse["recall"], worse["full_lists_share"] = 50.1, 0.97, 0.05
    bad = {verdict.check: verdict for verdict in judge_neighbours(worse, people.spec)}
    assert {name: verdict.passed for name, verdict in bad.items()} == {
        "embedding_pairs_within_budget": False,
        "lists_are_not_full": True,
        "index_recall_is_enough": False,
    }
    assert "raise min_similarity" in bad["embedding_pairs_within_budget"].text
    assert "97.00% of the exact lists" in bad["index_recall_is_enough"].text


WORDS = st.sampled_from(["ann", "anna", "bob", "robert", "li", None])


@settings(max_examples=7, deadline=None)
@given(
    rows=st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=12),
    n_first=st.integers(1, 11),
    mode=st.sampled_from(["dedupe", "link", "link_and_dedupe"]),
    k=st.integers(1, 3),
)
def test_unified_pairs_are_those_of_blocks_and_of_neighbours(
    rows: list[tuple[str | None, str | None]], n_first: int, mode: str, k: int
) -> None:
    records: Rows = [{"id": f"{i:02}", "a": a, "b": b} for i, (a, b) in enumerate(rows)]
    n_first = min(n_first, len(rows) - 1)
    sources = [records] if mode == "dedupe" else [records[:n_first], records[n_first:]]
    source_of = [int(mode != "dedupe" and i >= n_first) for i in range(len(rows))]
    with tempfile.TemporaryDirectory() as folder:
        people = Dataset(
            Path(folder),
            sources,
            mode=mode,
            strategies={"a": "a", "b": "qgrams(b, 2)"},
            embedding={"k": k},
        )
        people.pair()
        columns = "left_no, right_no, similarity"
        near = {(left, right): s for left, right, s in people.rows("embedding_blocks", columns)}
        found = people.rows("unified_pairs", "left_no, right_no, strategy_mask, similarity")
        cosine = cosines(people)
    expected: dict[tuple[int, int], int] = dict.fromkeys(near, 4)
    for i, j in combinations(range(len(rows)), 2):
        if mode == "link" and source_of[i] == source_of[j]:
            assert (i, j) not in near
            continue
        (a, b), (c, d) = rows[i], rows[j]
        grams = [{w[n : n + 2] for n in range(len(w) - 1)} if w else set() for w in (b, d)]
        mask = (a is not None and a == c) + 2 * bool(grams[0] & grams[1])
        if mask:
            expected[i, j] = expected.get((i, j), 0) + mask
    assert {(left, right): mask for left, right, mask, _ in found} == expected
    assert len(found) == len(expected)
    # Also of pairs that no list proposed, but not of records without any text.
    for left, right, _, similarity in found:
        assert similarity == near.get((left, right), similarity)
        known = cosine.get((left, right))
        assert similarity == (None if known is None else pytest.approx(known, abs=1e-4))


def cosines(people: Dataset) -> dict[tuple[int, int], float]:
    """The cosine of every two records that have a text; those of one text are like each other."""
    text = dict(people.rows("record_embeddings", "record_no, text_no"))
    vectors: Any = load_vectors(people.lake.path("text_vectors"))
    product = (vectors @ vectors.T).toarray()
    np.fill_diagonal(product, 1)
    return {(i, j): float(product[text[i], text[j]]) for i, j in combinations(sorted(text), 2)}
