import math
import tempfile
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.pairs import ranked_facts
from er_pipeline.blocking.weights.pair_evidence import ODDS_PER_NAT
from er_pipeline.blocking.weights.pair_weights import read_weights
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.test_ranked_pairs import BY_BOTH, FIVE, ROOMY, facts_of, weigh
from er_pipeline_tests.test_ranked_pairs_properties import draws, modes, random_people


@settings(max_examples=6, deadline=None)
@given(n=st.integers(2, 16), draw=draws, mode=modes, lexical=st.booleans(), data=st.data())
def test_the_ledger_of_kept_and_cut_adds_up(
    n: int, draw: Random, mode: str, lexical: bool, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        people = random_people(folder, n, draw, mode, embedding=lexical)
        every = weigh(people, **ROOMY)
        kept = weigh(people, max_pairs=data.draw(st.integers(1, len(every) + 1)))
        facts, weights = facts_of(people), read_weights(people.lake)
    classes = facts["weight_classes"]
    assert facts["pairs"] == len(kept) == facts["pairs_made"] - facts["pairs_cut"]
    assert facts["pairs_made"] == len(every) == sum(row["pairs"] for row in classes)
    assert facts["pairs"] == sum(row["kept"] for row in classes)
    for row in classes:
        within = [pair for pair, w in every.items() if math.floor(w * 2) / 2 == row["weight"]]
        assert row["pairs"] == len(within) >= row["kept"]
        assert row["kept"] == sum(pair in kept for pair in within)
        assert 0 <= row["expected_matches_kept"] <= row["expected_matches"] <= row["pairs"]
    lows = [row["weight"] for row in classes]
    assert lows == sorted(lows, reverse=True)
    assert 0 <= facts["expected_matches_cut"] <= facts["expected_matches"]
    ranks = facts["ranks"]
    for rank in ranks:
        # Weights that views hand out may differ by less than those that are noted.
        above, from_here = (
            sum(w > rank["weight"] + gap for w in every.values()) for gap in (1e-4, -1e-4)
        )
        assert above - 1e-3 <= rank["pairs_per_record"] * n <= from_here + 1e-3
        assert 0 <= rank["expected_completeness"] <= 1
    for one, next_one in pairwise(ranks):
        assert one["expected_completeness"] <= next_one["expected_completeness"]
        assert one["weight"] >= next_one["weight"]
    if mode == "dedupe" and not lexical:  # there, weight is evidence and nothing else
        chance = {
            pair: 1 / (1 + math.exp(min(30, ODDS_PER_NAT * (weights.prior - w * weights.unit))))
            for pair, w in every.items()
        }
        assert facts["expected_matches"] == pytest.approx(sum(chance.values()), abs=0.06)
        cut = [chance[pair] for pair in every if pair not in kept]
        # Fewer than a million were cut, so they are all that more pairs would buy.
        assert facts["matches_per_million_more_pairs"] == pytest.approx(sum(cut), abs=0.06)


def test_pairs_that_are_certainly_no_matches_are_ranked_too(
    dataset: Callable[..., Dataset],
) -> None:
    fields = [f"field_{i}" for i in range(40)]
    rows: Rows = [
        {"id": f"{i}", "city": "york", **{name: f"{name} of {i}" for name in fields}}
        for i in range(3)
    ]
    kinds = dict.fromkeys(["city", *fields], "text")
    people = dataset(rows, fields=kinds, strategies={"city": "city"}, budget={"max_pairs": 2})
    people.pair()
    facts = facts_of(people)
    assert (facts["pairs"], facts["expected_matches"]) == (2, 0.0)
    assert {rank["expected_completeness"] for rank in facts["ranks"]} == {0.0}


def test_a_million_more_pairs_are_the_best_of_those_that_were_cut(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = dataset(FIVE, **BY_BOTH)
    people.pair()
    weigh(people, max_pairs=1)
    facts = facts_of(people)
    assert facts["matches_per_million_more_pairs"] == facts["expected_matches_cut"]
    bought = []
    for bought_pairs in (0, 1, 2, 3):
        monkeypatch.setattr(ranked_facts, "A_MILLION", bought_pairs)
        weigh(people, max_pairs=1)
        bought.append(facts_of(people)["matches_per_million_more_pairs"])
    assert bought[0] == 0
    assert bought == sorted(bought)
    assert bought[3] == facts["expected_matches_cut"]


def test_without_a_budget_nothing_is_said_of_more_pairs(dataset: Callable[..., Dataset]) -> None:
    people = dataset(FIVE, **BY_BOTH)
    facts = people.pair()
    assert not {"budget_pairs", "matches_per_million_more_pairs", "views"} & set(facts)
    assert facts["pairs_cut"] == facts["expected_matches_cut"] == 0
