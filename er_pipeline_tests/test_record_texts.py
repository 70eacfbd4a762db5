from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation import record_texts
from er_pipeline.evaluation.record_texts import Likeness, RecordTexts

ROWS = [
    ("ann marie lee", "bath"),
    ("ann marie lee", "bath spa"),
    ("anne marie leigh", "york"),
    ("bob stone", None),
    (None, None),
]


def texts_of(
    engine: DuckDBEngine, rows: Sequence[tuple[str | None, ...]], sources: Sequence[int] = ()
) -> RecordTexts:
    engine.execute(
        "create or replace table cleaned_records"
        " (record_no integer, source_no smallint, name varchar, town varchar)"
    )
    for no, row in enumerate(rows):
        source = sources[no] if sources else 0
        engine.execute("insert into cleaned_records values (?, ?, ?, ?)", [no, source, *row])
    engine.make_table("drawn", "select record_no from cleaned_records")
    return RecordTexts(engine, ["name", "town"], "drawn")


def everyone(texts: RecordTexts) -> Any:
    return np.arange(len(texts.numbers))


def test_the_most_alike_record_comes_first_and_none_is_its_own(engine: DuckDBEngine) -> None:
    texts = texts_of(engine, ROWS)
    alike = texts.nearest(everyone(texts), across=False)
    assert not (alike.query == alike.other).any()
    of_first = alike.query == 0
    assert alike.other[of_first].tolist() == [1, 2]
    assert alike.rank[of_first].tolist() == [0, 1]
    assert 4 not in alike.query
    assert 4 not in alike.other
    # Similarity is symmetric, whichever of the two is asked.
    seen = {(q, o): s for q, o, s in zip(alike.query, alike.other, alike.similarity, strict=True)}
    assert all(seen[o, q] == s for (q, o), s in seen.items())


def test_similarity_is_the_mean_of_both_cosines(engine: DuckDBEngine) -> None:
    texts = texts_of(engine, [("ab", None), ("ab", None), ("cd", None)])
    alike = texts.nearest(np.array([0]), across=False)
    assert (alike.other.tolist(), alike.similarity.tolist()) == ([1], [pytest.approx(1.0)])
    # Of the words of 0 one is shared, of the n-grams one in five; all others are as rare.
    texts = texts_of(engine, [("abc abd", None), ("abc", None), ("xyz", None)])
    words, grams = (target.toarray() for target in texts.targets)
    expected = (words[0] @ words[1] + grams[0] @ grams[1]) / 2
    (found,) = texts.nearest(np.array([0]), across=False).similarity
    assert 0.1 < found < 1
    assert found == pytest.approx(expected, abs=1e-4)


def test_links_are_searched_in_other_sources(engine: DuckDBEngine) -> None:
    texts = texts_of(engine, ROWS, sources=[0, 0, 1, 1, 1])
    alike = texts.nearest(everyone(texts), across=True)
    assert sorted(zip(alike.query.tolist(), alike.other.tolist(), strict=True)) == [
        (0, 2),
        (1, 2),
        (2, 0),
        (2, 1),
    ]


def test_strangers_have_real_fields_and_are_nobody(engine: DuckDBEngine) -> None:
    # A hundred people, each twice: name and town together single each out.
    rows = [(f"{chr(97 + i // 10) * 3}", f"{chr(107 + i % 10) * 3}") for i in range(100)] * 2
    texts = texts_of(engine, rows)
    queries = everyone(texts)
    matches = texts.nearest(queries, across=False)
    assert (matches.similarity >= 0.999).sum() == 200
    strangers = texts.of_strangers(queries, seed=1)
    # Names and towns of a stranger are real, so it is someone by chance, as often as a hundredth.
    assert (strangers.similarity[strangers.rank == 0] > 0.3).all()
    again, other = texts.of_strangers(queries, seed=1), texts.of_strangers(queries, seed=2)
    assert strangers.other.tolist() == again.other.tolist()
    assert strangers.other.tolist() != other.other.tolist()


def test_a_stranger_has_the_fields_of_its_record(engine: DuckDBEngine) -> None:
    texts = texts_of(engine, [*ROWS, ("cat stone", "york")])
    strangers = texts.of_strangers(np.array([4]), seed=1)
    assert len(strangers.query) == 0
    drawn = [texts.of_strangers(np.array([3]), seed=seed) for seed in range(20)]
    # Without a town of its own it meets nobody by a town.
    assert all(2 not in d.other or d.similarity.max() > 0.5 for d in drawn)


def test_batches_and_long_lists_change_nothing(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    rows = [(" ".join(rng.choice(list("abcdefgh"), 3)), None) for _ in range(60)]
    texts = texts_of(engine, rows)
    whole = texts.nearest(everyone(texts), across=False)
    monkeypatch.setattr(record_texts, "QUERIES_PER_PRODUCT", 7)
    parts = texts.nearest(everyone(texts), across=False)
    assert whole.other.tolist() == parts.other.tolist()
    monkeypatch.setattr(record_texts, "MOST_LISTED", 2)
    short = texts.nearest(everyone(texts), across=False)
    assert short.other.tolist() == whole.other[whole.rank < 2].tolist()


def test_fields_that_differ_are_counted(engine: DuckDBEngine) -> None:
    texts = texts_of(engine, ROWS)
    left, right = np.array([0, 0, 0]), np.array([1, 2, 3])
    assert texts.differing_fields(left, right) == {"name": 1, "town": 1}


def test_without_any_word_nothing_is_alike(engine: DuckDBEngine) -> None:
    texts = texts_of(engine, [(None, None), (None, None)])
    assert texts.fields == []
    assert len(texts.nearest(everyone(texts), across=False).query) == 0


@pytest.mark.parametrize("across", [False, True])
def test_lists_are_the_best_of_all_products_and_ties_go_to_the_lower_number(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch, across: bool
) -> None:
    for name, value in (("MOST_LISTED", 2), ("SPARE", 1), ("QUERIES_PER_PRODUCT", 3)):
        monkeypatch.setattr(record_texts, name, value)
    names, towns = ["ann lee", "bob lee", "eve lee"], ["york", "bath", None, "york"]
    rows = [(names[i % 3], towns[i % 4]) for i in range(14)]
    texts = texts_of(engine, rows, sources=[i // 5 for i in range(14)])
    words, grams = (target.toarray().astype(np.float64) for target in texts.targets)
    cosines = np.round((words @ words.T + grams @ grams.T) / 2, record_texts.DECIMALS)
    alike = texts.nearest(np.array([13, 0, 1, 2, 7, 5]), across=across)
    for query in (13, 0, 1, 2, 7, 5):
        others = [
            other
            for other in range(14)
            if other != query and not (across and texts.sources[other] == texts.sources[query])
        ]
        best = sorted(others, key=lambda other: (-cosines[query, other], other))[:2]
        listed = alike.query == query
        assert alike.other[listed].tolist() == best
        assert alike.rank[listed].tolist() == [0, 1]
        assert alike.similarity[listed] == pytest.approx(cosines[query, best], abs=1e-4)
    assert list(dict.fromkeys(alike.query.tolist())) == [13, 0, 1, 2, 7, 5]


def test_a_place_is_among_those_of_one_source() -> None:
    # 0 asks the records of two sources, 1 one of them.
    alike = Likeness(
        query=np.array([0, 0, 0, 0, 1]),
        other=np.array([2, 3, 4, 5, 3]),
        similarity=np.array([0.9, 0.8, 0.7, 0.6, 0.5]),
        rank=np.array([0, 1, 2, 3, 0]),
    )
    sources = np.array([0, 0, 1, 2, 2, 1])
    assert alike.places_in(sources).tolist() == [0, 0, 1, 1, 0]
    lists = alike.lists_in(sources)
    assert [lists.tolist().index(n) for n in lists] == [0, 1, 1, 0, 4]
