import csv
import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.records.generated_people import write_people
from er_pipeline.blocking.spec.blocking_section import Budget
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.test_pair_queries import joins_of
from er_pipeline_tests.test_ranked_pairs import ROOMY, Pair, as_it_comes, facts_of, weigh

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
        encoder = {"whole_record": False} if lexical else None
        people = random_people(folder, n, draw, mode, embedding=encoder)
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


@settings(max_examples=8, deadline=None)
@given(n=st.integers(4, 16), draw=draws, mode=modes, data=st.data())
def test_what_a_budget_keeps_is_what_sorting_would_where_views_decide(
    n: int, draw: Random, mode: str, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        people = random_people(folder, n, draw, mode, embedding=True)
        every = weigh(people, **ROOMY)
        if not every or facts_of(people)["views"]["ranked_by"] != "views":
            return  # the property above is that of evidence
        for _ in range(2):
            budget = data.draw(st.integers(1, len(every) + 2))
            floor = data.draw(st.sampled_from([None, 0, 1, 2]))
            kept = weigh(people, max_pairs=budget, floor_per_record=floor)
            assert all(every[pair] == weight for pair, weight in kept.items())
            used = int(mode == "link") if floor is None else floor
            # The weights that were handed out count for the floor, too: rivals are seen by views.
            assert set(kept) == kept_by_brute_force(every, every, budget, used)


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
        spec = people.spec.model_copy(update={"budget": budget})
        unify_pairs(engine, as_it_comes(people), spec)
        assert engine.joins == {"HASH_JOIN"}
