from itertools import pairwise, product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.neighbours import cosines
from er_pipeline.blocking.pairs import pair_views
from er_pipeline.blocking.pairs.pair_views import (
    LEAST_AGREEMENT,
    LEAST_GAP,
    placed,
    shared_out,
)
from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.conftest import Dataset, Rows, made_up_people
from er_pipeline_tests.test_ranked_pairs import Pair, as_it_comes

# Scores and the values that they are given, some of them equal.
few = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-3, 12), min_size=n, max_size=n),
        st.lists(st.integers(-400, 400).map(lambda i: i / 4), min_size=n, max_size=n),
    )
)


@settings(max_examples=200, deadline=None)
@given(few)
def test_weights_stand_in_the_order_of_the_scores(drawn: tuple[list[int], list[float]]) -> None:
    score, values = (np.array(of, np.float64) for of in drawn)
    given_out = placed(score, values)
    by_score = [given_out[score == of] for of in sorted(set(drawn[0]), reverse=True)]
    for of_one in by_score:
        assert len(set(of_one)) == 1
    for better, worse in pairwise(by_score):
        assert better[0] > worse[0]


@settings(max_examples=200, deadline=None)
@given(few)
def test_weights_stay_within_those_there_were(drawn: tuple[list[int], list[float]]) -> None:
    score, values = (np.array(of, np.float64) for of in drawn)
    distinct = np.unique(values)
    gap = np.diff(distinct).max() / 2 if len(distinct) > 1 else LEAST_GAP
    given_out = placed(score, values)
    assert given_out.min() >= values.min() - gap
    assert given_out.max() <= values.max() + gap


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=30, unique=True), st.randoms())
def test_different_weights_are_handed_to_different_scores_one_by_one(
    values: list[int], draw: Random
) -> None:
    score = draw.sample(range(100), len(values))
    given_out = placed(np.array(score, np.float64), np.array(values))
    order = sorted(range(len(values)), key=lambda i: -score[i])
    assert given_out[order] == pytest.approx(sorted(values, reverse=True))


@settings(max_examples=100, deadline=None)
@given(few)
def test_probabilities_are_shared_out_whole(drawn: tuple[list[int], list[float]]) -> None:
    score, values = (np.array(of, np.float64) for of in drawn)
    given_out = shared_out(score, values)
    assert given_out.sum() == pytest.approx(values.sum())
    assert values.min() - 1e-9 <= given_out.min()
    assert given_out.max() <= values.max() + 1e-9
    order = np.lexsort((-given_out, -score))
    assert (np.diff(given_out[order]) <= 1e-9).all()


PARTS = ("ka", "lo", "mi", "ru"), "bdfgkst", ("an", "or", "ix")
WORDS = ["".join(parts) for parts in product(*PARTS)]


def albums(n_entities: int, seed: int = 1) -> list[dict[str, str | None]]:
    """Albums of two shops, of which the second writes the artist behind the title.

    The shelf says the same of albums that stand beside each other, and nothing of what they are.
    """
    draw = Random(seed)
    rows: list[dict[str, str | None]] = []
    for entity in range(n_entities):
        artist, title = (" ".join(draw.sample(WORDS, 3)) for _ in range(2))
        for fields in ((artist, title), (f"{title} {artist}", None)):
            shelf = f"shelf {draw.randrange(n_entities // 2)}"
            names = ("artist", "title", "shelf", "person_id")
            rows.append(dict(zip(names, (*fields, shelf, str(entity)), strict=True)))
    draw.shuffle(rows)
    return [{"id": f"{i:04}", **row} for i, row in enumerate(rows)]


def paired(folder: Path, rows: Rows, kinds: dict[str, str], **more: Any) -> Dataset:
    """Pair rows, as they are when ranked by views."""
    kept = [{name: row[name] for name in ("id", "person_id", *kinds)} for row in rows]
    rule = {"rule": next(iter(kinds))}
    people = Dataset(folder, [kept], fields=kinds, training_rules=rule, **more)
    people.pair()
    return people


def ranked(people: Dataset, **encoder: Any) -> tuple[list[Pair], dict[str, Any]]:
    """Rank the same pairs again, by another encoder; give them best first, and the facts."""
    assert people.spec.embedding
    embedding = people.spec.embedding.model_copy(update=encoder)
    spec = people.spec.model_copy(update={"embedding": embedding})
    lake = as_it_comes(people)
    with DuckDBEngine(threads=2) as engine:
        facts = unify_pairs(engine, lake, spec)
    with DuckDBEngine(threads=2) as engine:
        lake.open(engine, "unified_pairs")
        found = engine.rows(
            "select left_no, right_no from unified_pairs order by weight desc, left_no, right_no"
        )
    return found, facts


def share_of_matches(rows: Rows, pairs: list[Pair]) -> float:
    entity = [row["person_id"] for row in rows]
    return sum(entity[left] == entity[right] for left, right in pairs) / len(pairs)


N_ALBUMS = 120
MISLED = albums(N_ALBUMS)


@pytest.fixture(scope="module")
def misled(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Albums, whose evidence knows little but the shelf."""
    kinds = {"artist": "text", "title": "text", "shelf": "text"}
    folder = tmp_path_factory.mktemp("albums")
    return paired(folder, MISLED, kinds, strategies={"shelf": "shelf"}, embedding={"k": 5})


def test_views_that_agree_overrule_evidence_that_misleads(misled: Dataset) -> None:
    by_views, facts = ranked(misled)
    assert facts["views"]["ranked_by"] == "views"
    names = [view["name"] for view in facts["views"]["views"]]
    assert names[:4] == ["evidence", "fields", "words", "trigrams"]
    assert names[4:] == [f"{name}, neighbourhoods" for name in names[:4]]
    by_evidence, alone = ranked(misled, whole_record=False)
    assert "views" not in alone
    assert sorted(by_views) == sorted(by_evidence)
    assert share_of_matches(MISLED, by_views[:N_ALBUMS]) > 0.95
    assert share_of_matches(MISLED, by_evidence[:N_ALBUMS]) < 0.3


def test_the_matches_that_weights_let_expect_are_as_many_in_any_order(misled: Dataset) -> None:
    _, by_views = ranked(misled)
    _, by_evidence = ranked(misled, whole_record=False)
    assert by_views["expected_matches"] == by_evidence["expected_matches"] > 1
    assert by_views["pairs"] == by_evidence["pairs"] == by_views["pairs_made"]
    assert by_views["expected_matches_cut"] == 0


def test_the_field_that_misleads_is_named(misled: Dataset) -> None:
    views = ranked(misled)[1]["views"]
    assert views["agreement"] < LEAST_AGREEMENT
    name, nats = views["disputed_fields"][0]
    assert name == "shelf"
    assert nats > 0


def test_too_many_pairs_to_be_looked_at_are_ranked_by_evidence(
    misled: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_evidence, _ = ranked(misled, whole_record=False)
    monkeypatch.setattr(pair_views, "MOST_PAIRS", len(by_evidence) - 1)
    found, facts = ranked(misled)
    assert found == by_evidence
    assert (facts["views"]["ranked_by"], facts["views"]["views"]) == ("evidence", [])


def test_batches_of_pairs_change_nothing(misled: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ranked(misled)
    monkeypatch.setattr(pair_views, "BATCH", 50)
    monkeypatch.setattr(cosines, "PAIRS_PER_BATCH", 50)
    assert ranked(misled) == found


def test_where_evidence_is_far_ahead_it_decides_alone(tmp_path: Path) -> None:
    kinds = {
        "first_name": "person_name",
        "last_name": "person_name",
        "email": "email",
        "phone": "phone",
        "birth_date": "date",
        "city": "text",
    }
    people = paired(
        tmp_path,
        made_up_people(tmp_path, 400),
        kinds,
        strategies={"sound": "soundex(last_name)", "mail": "email", "city": "city"},
        embedding={"k": 5},
    )
    found, facts = ranked(people)
    assert facts["views"]["ranked_by"] == "evidence"
    assert (facts["views"]["agreement"], facts["views"]["disputed_fields"]) == (1, [])
    assert found == ranked(people, whole_record=False)[0]


@pytest.mark.parametrize("name", ["ann", None])
def test_records_that_are_all_alike_and_those_without_any_pair_are_ranked(
    tmp_path: Path, name: str | None
) -> None:
    rows: Rows = [{"id": f"{i}", "person_id": "1", "name": name, "x": "y"} for i in range(4)]
    strategies = {"name": "name"}
    people = paired(
        tmp_path,
        rows,
        {"name": "text", "x": "text"},
        strategies=strategies,
        embedding={"fields": ["name"]},
    )
    found, facts = ranked(people)
    assert len(found) == (6 if name else 0)
    assert 0 <= facts["views"]["agreement"] <= 1
