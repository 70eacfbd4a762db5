import csv
import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.records.generated_people import write_people
from er_pipeline.blocking.spec.pipeline import Budget
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BudgetError, SpecError
from er_pipeline.blocking.weights.pair_evidence import ODDS_PER_NAT, RIVALS_SHARE
from er_pipeline.blocking.weights.pair_weights import read_weights
from er_pipeline.orchestration.charts import INLINE_LIMIT
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline.orchestration.steps import dataset_steps
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.test_unified_pairs import joins_of

Pair = tuple[int, int]
MORE_THAN_ALL = 10**6
# Cuts nothing, but takes the way that a budget takes.
ROOMY: dict[str, Any] = {"max_pairs": MORE_THAN_ALL}


def weigh(people: Dataset, mode: str | None = None, **budget: Any) -> dict[Pair, float]:
    """Make unified_pairs anew with another budget, or mode; give the weight of every pair kept."""
    changed: dict[str, Any] = {"budget": Budget(**budget) if budget else None}
    spec = people.spec.model_copy(update=changed | ({"mode": mode} if mode else {}))
    with DuckDBEngine(threads=people.threads) as engine:
        unify_pairs(engine, people.lake, spec)
    rows = people.rows("unified_pairs", "left_no, right_no, weight")
    return {(left, right): weight for left, right, weight in rows}


def facts_of(people: Dataset) -> dict[str, Any]:
    facts: dict[str, Any] = people.lake.facts("unified_pairs")
    return facts


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


VALUES: dict[str, list[str | None]] = {
    "first": ["ann", "anna", "bob", "robert", None],
    "last": ["lee", "leigh", "may", None],
    "email": ["ann.lee@x.com", "alee@x.com", "bob@web.de", None],
    "company": ["x tools", "x", "web shop", None],
}
KINDS = {"first": "person_name", "last": "person_name", "email": "email", "company": "company"}
# Single keys and many-valued ones: pairs come both ways.
LOOSE = {"last": "left(last, 1)", "first": "first", "word": "tokens(company)"}


def drawn(n: int, draw: Random) -> list[dict[str, str | None]]:
    return [
        {"id": f"{i:03}", **{field: draw.choice(values) for field, values in VALUES.items()}}
        for i in range(n)
    ]


def random_people(folder: str, n: int, draw: Random, mode: str = "dedupe", **more: Any) -> Dataset:
    """Draw a small table, cut in two where sources are linked, and pair it without a budget."""
    rows = drawn(n, draw)
    sources = [rows] if mode == "dedupe" else [rows[: n // 2], rows[n // 2 :]]
    people = Dataset(Path(folder), sources, mode=mode, fields=KINDS, strategies=LOOSE, **more)
    people.pair()
    return people


def kept_by_brute_force(
    weights: Mapping[Pair, float], own: Mapping[Pair, float], budget: int, floor: int
) -> set[Pair]:
    """Sort everything and cut; own: weights without rivals, by which the floor chooses."""
    best: dict[Pair, int] = defaultdict(int)
    for record in {record for pair in own for record in pair}:
        of_record = [pair for pair in own if record in pair]
        for pair in sorted(of_record, key=lambda pair: (-own[pair], pair))[:floor]:
            best[pair] += 1
    if len(best) >= budget:
        return set(sorted(best, key=lambda pair: (-best[pair], -weights[pair], pair))[:budget])
    rest = sorted(set(weights) - set(best), key=lambda pair: (-weights[pair], pair))
    return set(best) | set(rest[: budget - len(best)])


modes = st.sampled_from(["dedupe", "link", "link_and_dedupe"])
draws = st.randoms(use_true_random=False)


@settings(max_examples=10, deadline=None)
@given(n=st.integers(2, 16), draw=draws, mode=modes, lexical=st.booleans(), data=st.data())
def test_what_a_budget_keeps_is_what_sorting_would(
    n: int, draw: Random, mode: str, lexical: bool, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        people = random_people(folder, n, draw, mode, embedding=lexical)
        every = weigh(people, **ROOMY)
        own = every
        if mode == "link":  # deduplicating too, there are no rivals
            within_too = weigh(people, "link_and_dedupe", **ROOMY)
            own = {pair: within_too[pair] for pair in every}
        for _ in range(2):
            budget = data.draw(st.integers(1, len(every) + 2))
            floor = data.draw(st.sampled_from([None, 0, 1, 2]))
            kept = weigh(people, max_pairs=budget, floor_per_record=floor)
            assert len(kept) == min(budget, len(every))
            assert all(every[pair] == weight for pair, weight in kept.items())
            used = int(mode == "link") if floor is None else floor
            assert set(kept) == kept_by_brute_force(every, own, budget, used)
            if not used and len(kept) < len(every):
                assert min(kept.values()) >= max(w for p, w in every.items() if p not in kept)


@settings(max_examples=5, deadline=None)
@given(n=st.integers(2, 16), draw=draws, mode=modes)
def test_with_a_floor_of_one_nobody_is_left_alone(n: int, draw: Random, mode: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        people = random_people(folder, n, draw, mode)
        every = weigh(people, **ROOMY)
        with_candidate = {record for pair in every for record in pair}
        # One pair for each is always enough; the floor alone may come out below it.
        kept = weigh(people, max_pairs=max(1, len(with_candidate)), floor_per_record=1)
        assert {record for pair in kept for record in pair} == with_candidate


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
        above = sum(round(w, 4) >= rank["weight"] for w in every.values())
        assert rank["pairs_per_record"] == pytest.approx(above / n, abs=1e-4)
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


def test_the_run_fails_over_budget_if_told_to_and_keeps_the_last_good_table(
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


@pytest.mark.parametrize(
    ("budget", "n_records", "pairs"),
    [
        ({"max_pairs": 7}, 100, 7),
        ({"pairs_per_record": 2}, 100, 200),
        ({"pairs_per_record": 0.29}, 100, 29),  # in binary 28.999999999999996
        ({"pairs_per_record": 2, "max_pairs": 7}, 100, 7),
        ({"pairs_per_record": 2, "max_pairs": 700}, 100, 200),
        ({"pairs_per_record": 0.1}, 5, 0),
    ],
)
def test_the_smaller_limit_holds(budget: dict[str, Any], n_records: int, pairs: int) -> None:
    assert Budget(**budget).pairs(n_records) == pairs


@pytest.mark.parametrize("floor", [0, 1])
def test_a_budget_below_one_pair_keeps_none(dataset: Callable[..., Dataset], floor: int) -> None:
    people = dataset(FIVE, **BY_BOTH)
    people.pair()
    assert weigh(people, pairs_per_record=0.1, floor_per_record=floor) == {}
    assert (facts_of(people)["pairs_cut"], facts_of(people)["budget_pairs"]) == (4, 0)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("budget: {max_pairs: 5}\n  weights: false", "weights: a budget keeps the pairs of most"),
        ("budget: {}", "a budget needs pairs_per_record or max_pairs"),
        ("budget: {floor_per_record: 1}", "a budget needs pairs_per_record or max_pairs"),
        ("budget: {max_pairs: 0}", "budget.max_pairs: Input should be greater than or equal to 1"),
        ("budget: {max_pair: 9}", "did you mean 'max_pairs'?"),
    ],
)
def test_a_budget_that_says_nothing_is_an_error(tmp_path: Path, settings: str, told: str) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(
        "type: er_pipeline.BlockingPipeline\nattributes:\n  dataset: people\n"
        "  sources: [{path: people.csv}]\n  fields: {first_name: person_name, email: email}\n"
        f"  {settings}\n"
    )
    with pytest.raises(SpecError) as caught:
        read_spec(file)
    assert told in str(caught.value)


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


@settings(max_examples=5, deadline=None)
@given(n=st.integers(2, 16), draw=draws, budget=st.integers(1, 20), lexical=st.booleans())
def test_deduplicating_is_link_and_dedupe_of_the_table_cut_in_two(
    n: int, draw: Random, budget: int, lexical: bool
) -> None:
    kept = []
    seed = draw.random()
    for mode in ("dedupe", "link_and_dedupe"):
        with tempfile.TemporaryDirectory() as folder:
            more = {"embedding": lexical, "budget": {"max_pairs": budget}}
            people = random_people(folder, n, Random(seed), mode, **more)
            kept.append(people.rows("unified_pairs"))
    assert kept[0] == kept[1]


def made_up_people(folder: Path, n_records: int) -> list[dict[str, str]]:
    write_people(folder / "made_up.csv", n_records=n_records, seed=3)
    with (folder / "made_up.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


MADE_UP: dict[str, Any] = {
    "fields": {"first_name": "person_name", "last_name": "person_name", "email": "email"},
    "strategies": {"soundex": "soundex(last_name)", "mail": "qgrams(email, 5)"},
    "training_rules": {"rule": "email"},
    "embedding": {"k": 5},
    "budget": {"pairs_per_record": 2},
}


def only_fields(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: row[name] for name in ("id", *MADE_UP["fields"])} for row in rows]


@pytest.mark.parametrize("link", [False, True])
def test_threads_do_not_change_what_is_kept(tmp_path: Path, link: bool) -> None:
    rows = only_fields(made_up_people(tmp_path, 500))
    sources = [rows[:250], rows[250:]] if link else [rows]
    found = []
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        folder.mkdir()
        people = Dataset(folder, sources, **MADE_UP, threads=threads)
        people.pair()
        facts = facts_of(people)
        assert facts["pairs_cut"] > 500
        assert facts["pairs"] == 1000
        found.append((people.rows("unified_pairs"), facts))
    assert found[0] == found[1]


def test_the_order_of_the_rows_in_the_file_does_not_matter(tmp_path: Path) -> None:
    rows = only_fields(made_up_people(tmp_path, 300))
    found = []
    for shuffle in (0, 1, 2):
        folder = tmp_path / str(shuffle)
        folder.mkdir()
        people = Dataset(folder, [Random(shuffle).sample(rows, len(rows))], **MADE_UP)
        people.pair()
        found.append(people.rows("unified_pairs"))
    assert len(found[0]) == 600
    assert found[0] == found[1] == found[2]


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
        engine.read(people.lake, "unified_pairs")
        columns = [name for name, *_ in engine.rows("describe unified_pairs")]
    assert columns == ["left_no", "right_no", "strategy_mask"]
    assert "pairs_made" not in facts
    for weights in (False, True):
        spec = people.spec.model_copy(update={"weights": weights})
        definitions = BlockingPipeline(spec, people.folder).definitions(people.lake.root)
        keys = definitions.resolve_asset_graph().materializable_asset_keys
        assert ({"key_codes", "pair_weights"} <= {key.path[-1] for key in keys}) == weights


def test_the_asset_shows_weights_and_ranks_as_pictures(dataset: Callable[..., Dataset]) -> None:
    people = dataset(FIVE, **BY_BOTH, budget={"max_pairs": 2})
    facts = people.pair()
    (step,) = [s for s in dataset_steps(people.spec, people.folder) if "unified_pairs" in s.tables]
    shown = step.show(facts)
    for name in ("weights", "ranked"):
        assert "data:image/svg+xml" in shown[name]
        assert len(shown[name]) < INLINE_LIMIT
    assert (shown["pairs"], shown["pairs_cut"], shown["budget_pairs"]) == (2, 2, 2)


class PlannedEngine(DuckDBEngine):
    """Notes the joins of every query that makes something."""

    joins: set[str]

    def look(self, sql: str) -> None:
        ((_, plan),) = self.rows(f"explain (format json) {sql}")
        self.joins |= {name.strip() for name in joins_of(json.loads(plan))}

    def make_table(self, name: str, sql: str) -> None:
        self.look(sql)
        super().make_table(name, sql)

    def write(self, sql: str, path: Path, *, bulk: bool = False) -> None:
        self.look(sql)
        super().write(sql, path, bulk=bulk)


@pytest.mark.parametrize("mode", ["dedupe", "link"])
@pytest.mark.parametrize("floor", [0, 1])
def test_ranking_joins_by_hash_only(tmp_path: Path, mode: str, floor: int) -> None:
    people = random_people(str(tmp_path), 200, Random(1), mode, embedding=True)
    budget = Budget(max_pairs=500, floor_per_record=floor)
    with PlannedEngine(threads=2) as engine:
        engine.joins = set()
        unify_pairs(engine, people.lake, people.spec.model_copy(update={"budget": budget}))
        assert engine.joins == {"HASH_JOIN"}
