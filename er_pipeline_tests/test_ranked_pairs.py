import math
from collections.abc import Callable
from typing import Any

import pytest

from er_pipeline.blocking.pairs.ranked_pairs import judge_ranking
from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.pairs.weighed_when_read import with_weights
from er_pipeline.blocking.spec.blocking_section import Budget
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BudgetError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_evidence import RIVALS_SHARE
from er_pipeline.blocking.weights.pair_weights import read_weights
from er_pipeline.flow import flow
from er_pipeline.orchestration.asset_metadata import metadata_values
from er_pipeline.orchestration.charts import INLINE_LIMIT
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.test_entities import spec_with

Pair = tuple[int, int]


MORE_THAN_ALL = 10**6


# Cuts nothing, but takes the way that a budget takes.
ROOMY: dict[str, Any] = {"max_pairs": MORE_THAN_ALL}


def weigh(people: Dataset, mode: str | None = None, **budget: Any) -> dict[Pair, float]:
    """Make unified_pairs anew with another budget, or mode; give the weight of every pair kept."""
    changed: dict[str, Any] = {"budget": Budget(**budget) if budget else None}
    spec = people.spec.model_copy(update=changed | ({"mode": mode} if mode else {}))
    lake = as_it_comes(people)
    with DuckDBEngine(threads=people.threads) as engine:
        unify_pairs(engine, lake, spec)
    with DuckDBEngine(threads=people.threads) as engine:
        lake.open(engine, "unified_pairs")
        weighed = with_weights(engine, lake, spec, "unified_pairs")
        rows = engine.rows(f"select left_no, right_no, weight from ({weighed}) order by all")
    return {(left, right): weight for left, right, weight in rows}


def as_it_comes(people: Dataset) -> Lake:
    """Open the lake of a dataset without looking which settings its tables were made under."""
    return Lake(people.lake.root, people.lake.dataset)


def facts_of(people: Dataset) -> dict[str, Any]:
    return people.lake.facts("unified_pairs")


FIVE: Rows = [
    {"id": "0", "last": "lee", "city": "york"},
    {"id": "1", "last": "lee", "city": "york"},
    {"id": "2", "last": "lee", "city": "bath"},
    {"id": "3", "last": "may", "city": "bath"},
    {"id": "4", "last": None, "city": None},
]


BY_BOTH: dict[str, Any] = {"strategies": {"last": "last", "city": "city"}}


@pytest.mark.parametrize(
    ("budget", "kept"),
    [
        (1, [(0, 1)]),  # both agree
        (2, [(0, 1), (2, 3)]),  # two of five are of bath, three are called lee
        (3, [(0, 1), (0, 2), (2, 3)]),  # 02 and 12 weigh the same: the lower numbers stay
        (4, [(0, 1), (0, 2), (1, 2), (2, 3)]),
        (5, [(0, 1), (0, 2), (1, 2), (2, 3)]),
    ],
)
def test_a_budget_keeps_the_pairs_that_say_most(
    dataset: Callable[..., Dataset], budget: int, kept: list[Pair]
) -> None:
    people = dataset(FIVE, **BY_BOTH, budget={"max_pairs": budget})
    facts = people.pair()
    assert people.rows("unified_pairs", "left_no, right_no") == kept
    assert (facts["pairs_made"], facts["pairs"]) == (4, len(kept))
    assert facts["pairs_cut"] == 4 - len(kept)
    assert facts["proposed_pairs"]["last"] == sum(pair[1] < 3 for pair in kept)
    assert facts["made_pairs"] == {"last": 3, "city": 2}


NAMESAKES: Rows = [
    {"id": "0", "last": "lee", "city": "york"},
    {"id": "1", "last": "lee", "city": "york"},
    {"id": "2", "last": "lee", "city": "york"},
    {"id": "3", "last": "lee", "city": "bath"},
    {"id": "4", "last": "lee", "city": "hull"},
]


@pytest.mark.parametrize(
    ("budget", "floor", "kept"),
    [
        (3, 0, [(0, 1), (0, 2), (1, 2)]),
        # The best of 0 and 1 is 01, of 2 it is 02; 3 and 4 agree with all in the name alone.
        (4, 1, [(0, 1), (0, 2), (0, 3), (0, 4)]),
        (5, 1, [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2)]),
        # Too few for everyone: first what is the best of both its records, then by weight.
        (3, 1, [(0, 1), (0, 2), (0, 3)]),
        (1, 1, [(0, 1)]),
    ],
)
def test_a_floor_gives_everyone_their_best_pair_first(
    dataset: Callable[..., Dataset], budget: int, floor: int, kept: list[Pair]
) -> None:
    people = dataset(
        NAMESAKES,
        strategies={"last": "last"},
        budget={"max_pairs": budget, "floor_per_record": floor},
    )
    people.pair()
    assert people.rows("unified_pairs", "left_no, right_no") == kept


def test_a_budget_beyond_the_pairs_cuts_nothing(dataset: Callable[..., Dataset]) -> None:
    people = dataset(FIVE, **BY_BOTH)
    people.pair()
    free = weigh(people)
    assert "budget_pairs" not in facts_of(people)
    roomy = weigh(people, max_pairs=5)
    assert roomy == pytest.approx(free, abs=2e-4)
    facts = facts_of(people)
    assert (facts["pairs_cut"], facts["budget_pairs"]) == (0, 5)
    assert facts["matches_per_million_more_pairs"] == facts["expected_matches_cut"] == 0


def test_the_run_fails_over_budget_where_it_should_and_keeps_the_last_good_table(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(NAMESAKES, strategies={"last": "last"})
    people.pair()
    before, facts = people.rows("unified_pairs"), facts_of(people)
    with pytest.raises(BudgetError, match="there are 10 pairs, 7 more than the budget of 3; write"):
        weigh(people, max_pairs=3, on_over_budget="fail")
    assert people.rows("unified_pairs") == before
    assert facts_of(people) == facts
    assert len(weigh(people, max_pairs=10, on_over_budget="fail")) == 10


@pytest.mark.parametrize("floor", [0, 1])
def test_a_budget_below_one_pair_keeps_none(dataset: Callable[..., Dataset], floor: int) -> None:
    people = dataset(FIVE, **BY_BOTH)
    people.pair()
    assert weigh(people, pairs_per_record=0.1, floor_per_record=floor) == {}
    assert (facts_of(people)["pairs_cut"], facts_of(people)["budget_pairs"]) == (4, 0)


# Copies of 0 and 1 are 3 and 4. 2 is a namesake of 0 next door; 4 was copied badly.
FIELDS = ("id", "given", "surname", "street", "born")


ORIGINALS: Rows = [
    dict(zip(FIELDS, row, strict=True))
    for row in [
        ("rec-0-org", "michaela", "neumann", "stanley street", "19151111"),
        ("rec-1-org", "courtney", "painter", "pinkerton circuit", "19161214"),
        ("rec-2-org", "michaela", "neumann", "stanley street", "19480930"),
    ]
]


COPIES: Rows = [
    dict(zip(FIELDS, row, strict=True))
    for row in [
        ("rec-0-dup-0", "michaela", "neumann", "stanley street", "19151111"),
        ("rec-1-dup-0", "courtney", "pinter", None, None),
    ]
]


FEBRL: dict[str, Any] = {
    "fields": dict(given="person_name", surname="person_name", street="address", born="date"),
    "strategies": {"initial": "left(given, 1)", "sound": "soundex(surname)", "street": "street"},
}


def test_rivals_lower_the_weight_of_a_pair(dataset: Callable[..., Dataset]) -> None:
    people = dataset(ORIGINALS, COPIES, **FEBRL)
    people.pair()
    own, weight = weigh(people, "link_and_dedupe", **ROOMY), weigh(people, **ROOMY)
    # By itself the namesake looks more like the copy than the badly copied one like its original.
    assert own[2, 3] > own[1, 4]
    assert weight[2, 3] < weight[1, 4]
    assert weight[0, 3] > weight[2, 3]
    best = {0: own[0, 3], 1: own[1, 4], 2: own[2, 3], 3: own[0, 3], 4: own[1, 4]}
    for (left, right), lowered in weight.items():
        rivals = RIVALS_SHARE * (best[left] + best[right]) / 2
        assert lowered == pytest.approx(own[left, right] - rivals, abs=2e-4)


def test_linking_keeps_the_one_match_of_each_where_the_budget_is_tight(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(ORIGINALS, COPIES, **FEBRL, budget={"max_pairs": 2})
    people.pair()
    assert people.rows("unified_pairs", "left_no, right_no") == [(0, 3), (1, 4)]


def test_of_three_sources_each_has_rivals_of_its_own_and_nobody_a_floor(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(ORIGINALS, COPIES, ORIGINALS[:2], **FEBRL)  # 5 and 6 are 0 and 1 once more
    people.pair()
    own, weight = weigh(people, "link_and_dedupe", **ROOMY), weigh(people, **ROOMY)
    # That 0 has its own like in 5 says nothing against its copy, 3, nor that 1 has 6 against 4.
    for pair, rival in (((0, 3), (0, 3)), ((1, 4), (1, 4)), ((2, 3), (0, 3))):
        mean = (own[pair] + own[rival]) / 2
        assert weight[pair] == pytest.approx(own[pair] - RIVALS_SHARE * mean, abs=2e-4)
    # 2 has no match: with a floor its best pair would take the place of one.
    assert set(weigh(people, max_pairs=5)) == set(sorted(weight, key=lambda p: -weight[p])[:5])
    assert any(2 in pair for pair in weigh(people, max_pairs=5, floor_per_record=1))
    assert not any(2 in pair for pair in weigh(people, max_pairs=5))


def at(*degrees: float | None) -> Rows:
    """Records of one name, whose vectors point in these directions."""
    angles = [None if degree is None else math.radians(degree) for degree in degrees]
    return [
        {"id": str(i), "name": "x", "v": None if a is None else str([math.cos(a), math.sin(a)])}
        for i, a in enumerate(angles)
    ]


BY_DIRECTION: dict[str, Any] = {
    "fields": {"name": "text"},
    "strategies": {"name": "name"},
    "embedding": {"encoder": "column", "column": "v", "k": 1, "min_similarity": 0.8},
}


def test_the_floor_is_each_records_own_best_whoever_else_wants_it(
    dataset: Callable[..., Dataset],
) -> None:
    # 1 is 40 degrees from 3, which 0 is like, and 42 from 4, which has no match as good.
    people = dataset(at(0, 40, 110), at(0, 82), **BY_DIRECTION)
    people.pair()
    weight = weigh(people, **ROOMY)
    assert weight[1, 3] < weight[1, 4]
    assert set(weigh(people, max_pairs=3)) == {(0, 3), (1, 3), (2, 4)}
    assert set(weigh(people, max_pairs=3, floor_per_record=0)) == {(0, 3), (1, 4), (2, 4)}


def test_a_far_larger_source_has_no_floor_unless_it_is_asked_for(
    dataset: Callable[..., Dataset],
) -> None:
    # Of five, two are near either of two; the others are 80 degrees away and more.
    people = dataset(at(1, 9.5, 90, 100, 110), at(0, 10), **BY_DIRECTION)
    people.pair()
    assert set(weigh(people, max_pairs=4)) == {(0, 5), (0, 6), (1, 5), (1, 6)}
    asked = set(weigh(people, max_pairs=5, floor_per_record=1))
    assert asked == {(0, 5), (1, 6), (2, 6), (3, 6), (4, 6)}


def test_similarity_is_the_cosine_of_every_pair_and_adds_to_the_weight(
    dataset: Callable[..., Dataset],
) -> None:
    degrees = [0, 30, 90, None, 200]
    rows = [
        {
            "id": str(i),
            "name": "x",
            "v": None
            if d is None
            else f"[{math.cos(math.radians(d))}, {math.sin(math.radians(d))}]",
        }
        for i, d in enumerate(degrees)
    ]
    people = dataset(
        rows,
        fields={"name": "text"},
        strategies={"name": "name"},
        embedding={"encoder": "column", "column": "v", "k": 1, "min_similarity": 0.8},
    )
    people.pair()
    found = people.rows("unified_pairs", "left_no, right_no, strategy_mask, similarity, weight")
    assert len(found) == 10
    # The names agree in all pairs alike; beyond them only the vectors speak.
    worth = read_weights(people.lake).cosine_weight
    (same,) = {round(weight, 3) for *_, cosine, weight in found if cosine is None}
    for left, right, mask, cosine, weight in found:
        one, other = degrees[left], degrees[right]
        assert mask == (3 if (left, right) == (0, 1) else 1)
        if one is None or other is None:
            assert cosine is None
            continue
        assert cosine == pytest.approx(math.cos(math.radians(one - other)), abs=1e-4)
        assert weight == pytest.approx(same + worth * cosine, abs=2e-3)


def test_records_of_one_text_are_alike_even_where_no_other_text_is(
    dataset: Callable[..., Dataset],
) -> None:
    # A field that is the same everywhere says nothing, so its vectors are of zeros.
    rows = [{"id": str(i), "name": "ann", "city": "x" if i else None} for i in range(3)]
    people = dataset(rows, strategies={"name": "name"}, embedding={"fields": ["name"]})
    people.pair()
    assert people.rows("unified_pairs", "left_no, right_no, similarity") == [
        (0, 1, 1.0),
        (0, 2, 1.0),
        (1, 2, 1.0),
    ]


def test_without_weights_pairs_are_as_they_were(dataset: Callable[..., Dataset]) -> None:
    people = dataset(FIVE, **BY_BOTH, weights=False)
    facts = people.pair()
    with DuckDBEngine() as engine:
        people.lake.open(engine, "unified_pairs")
        columns = [name for name, _ in engine.described("select * from unified_pairs")]
    assert columns == ["left_no", "right_no", "strategy_mask"]
    assert "pairs_made" not in facts
    for weights in (False, True):
        spec = people.spec.model_copy(update={"weights": weights})
        made = {table.name for step in flow(spec) for table in step.writes}
        assert ({"key_codes", "pair_weights"} <= made) == weights


def test_the_asset_shows_weights_and_ranks_as_pictures(dataset: Callable[..., Dataset]) -> None:
    people = dataset(FIVE, **BY_BOTH, budget={"max_pairs": 2})
    facts = people.pair()
    (step,) = [step for step in flow(people.spec) if step.name == "unified_pairs"]
    shown = step.show(facts)
    drawn = metadata_values(shown)
    for name in ("weights", "ranked"):
        assert "data:image/svg+xml" in str(drawn[name].value)
        assert len(str(drawn[name].value)) < INLINE_LIMIT
    assert (shown["pairs"], shown["pairs_cut"], shown["budget_pairs"]) == (2, 2, 2)


@pytest.mark.parametrize(
    ("cut", "truth", "passed", "said"),
    [
        (137_408, False, False, "all 137,408 of them would buy about 60 matches"),
        (2_000_000, False, False, "a million more pairs would buy about 60 matches"),
        (137_408, True, True, "missed_matches counts what the cut lost"),
    ],
)
def test_no_more_is_promised_than_was_cut_and_truth_comes_before_the_estimate(
    cut: int, truth: bool, passed: bool, said: str
) -> None:
    spec = spec_with(
        budget={"max_pairs": 1_000}, **({"truth": {"cluster_column": "person_id"}} if truth else {})
    )
    facts = {
        "pairs": 1_000,
        "pairs_made": 1_000 + cut,
        "pairs_cut": cut,
        "budget_pairs": 1_000,
        "expected_matches": 742.0,
        "expected_matches_cut": 60.0,
        "matches_per_million_more_pairs": 60.0,
    }
    _, verdict = judge_ranking(facts, spec)
    assert (verdict.check, verdict.passed) == ("budget_loses_little", passed)
    assert said in verdict.text
    assert ("would buy" in verdict.text) != truth
