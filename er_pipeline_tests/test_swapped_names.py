import math
import random
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.pair_score import score_pair
from er_pipeline.matching.comparisons import comparison_text, splink_comparison
from er_pipeline.matching.splink_linker import read_model
from er_pipeline.matching.swapped_names import (
    is_swapped,
    says_nothing,
    share_of_swapped,
    without_swapped,
)
from er_pipeline.matching.term_frequencies import read_frequencies
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.small_spec import small_spec

NAMES = {"first": "person_name", "last": "person_name", "town": "text"}


def spec_with(**settings: Any) -> Any:
    return small_spec(fields=NAMES, strategies={"town": "town"}, **settings)


@pytest.mark.parametrize(
    ("left", "right", "labels"),
    [
        (("ann", "lee"), ("lee", "ann"), ("swapped with last", "swapped with first")),
        (("ann", "ann"), ("ann", "ann"), ("Exact match on first", "Exact match on last")),
        (("ann", "lee"), ("ann", "lee"), ("Exact match on first", "Exact match on last")),
        (("ann", "lee"), ("lee", "bob"), ("All other comparisons", "All other comparisons")),
        (("ann", "lee"), ("lee", None), ("All other comparisons", "last is NULL")),
        (("ann", None), (None, "ann"), ("first is NULL", "last is NULL")),
    ],
)
def test_both_names_stand_on_the_level_or_neither_does(
    engine: Engine,
    left: tuple[str | None, ...],
    right: tuple[str | None, ...],
    labels: tuple[str, ...],
) -> None:
    spec = spec_with(matching={"swapped_names": True})
    for field, label in zip(("first", "last"), labels, strict=True):
        levels = splink_comparison(spec, field)["comparison_levels"]
        cases = "".join(
            f" when {level['sql_condition']} then {i}" for i, level in enumerate(levels[:-1])
        )
        values = [*left, *right]
        ((found,),) = engine.rows(
            f"select case{cases} else {len(levels) - 1} end from (select $1::varchar as first_l,"
            " $2::varchar as last_l, $3::varchar as first_r, $4::varchar as last_r)",
            values,
        )
        assert levels[found]["label_for_charts"] == label


def test_only_the_first_name_says_it_and_only_where_it_is_asked_for() -> None:
    spec = spec_with(matching={"swapped_names": True})
    said = [
        [
            level
            for level in splink_comparison(spec, field)["comparison_levels"]
            if is_swapped(level)
        ]
        for field in NAMES
    ]
    assert [[says_nothing(level) for level in levels] for levels in said] == [[False], [True], []]
    assert "swapped names" in comparison_text(spec, "first")
    plain = splink_comparison(spec_with(matching=True), "first")["comparison_levels"]
    assert not any(map(is_swapped, plain))


@pytest.mark.parametrize(
    "settings", [{"fields": {"first": "person_name"}}, {"comparisons": {"first": True}}]
)
def test_without_two_compared_names_it_is_refused(settings: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match="no two compared fields of the kind person_name"):
        small_spec(
            **{
                "fields": NAMES,
                "strategies": {"first": "first"},
                "matching": {"swapped_names": True},
                **settings,
            }
        )


@pytest.mark.parametrize("mode", ["dedupe", "link"])
def test_the_share_of_chance_is_that_of_all_pairs(engine: Engine, mode: str) -> None:
    draw = random.Random(3)
    rows = [
        (draw.randrange(2) if mode == "link" else 0, *draw.choices(["ann", "lee", "bob"], k=2))
        for _ in range(60)
    ]
    values = ", ".join(f"({no}, '{one}', '{other}')" for no, one, other in rows)
    engine.make_table("named", f'select * from (values {values}) as t(source_no, "first", "last")')
    sources = [{"path": "a.csv"}, {"path": "b.csv"}][: 1 + (mode == "link")]
    spec = spec_with(matching={"swapped_names": True}, sources=sources, mode=mode)
    pairs = [p for p in combinations(rows, 2) if mode == "dedupe" or p[0][0] != p[1][0]]
    swapped = [(a, b) for a, b in pairs if a[1:] == b[:0:-1] and a[1] != a[2]]
    found = share_of_swapped(engine, spec, "named", ("first", "last"), len(pairs))
    assert found == pytest.approx(len(swapped) / len(pairs))


def test_a_rule_on_one_of_the_names_says_nothing_of_their_order() -> None:
    spec = spec_with(matching={"swapped_names": True})
    levels = splink_comparison(spec, "first")["comparison_levels"][1:]
    shares = [0.9] + [0.02] * (len(levels) - 1)
    assert without_swapped(shares, levels, ["town"]) == tuple(shares)
    kept = without_swapped(shares, levels, ["last"])
    assert [i for i, share in enumerate(kept) if share is None] == [1]


def people_some_swapped(share: float) -> Rows:
    """Make 600 people, each twice, some with their names swapped."""
    draw = random.Random(7)
    firsts, lasts = ([f"{letter}{i:03}" for i in range(60)] for letter in ("f", "l"))
    rows: list[dict[str, str | None]] = []
    for i in range(600):
        first, last = draw.choice(firsts), draw.choice(lasts)
        born = f"{draw.randrange(1940, 2000)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 28):02}"
        for again in (False, True):
            names = (last, first) if again and i < share * 600 else (first, last)
            town = draw.choice(["york", "bath", "ely"]) if draw.random() < 0.1 else f"t{i % 40}"
            date = f"1900-01-{i % 28 + 1:02}" if draw.random() < 0.05 else born
            rows.append(
                {
                    "id": f"{i}{'b' if again else 'a'}",
                    "first": names[0],
                    "last": names[1],
                    "born": date,
                    "town": town,
                }
            )
    return rows


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    people = Dataset(
        tmp_path_factory.mktemp("swapped"),
        [people_some_swapped(0.1)],
        fields={**NAMES, "born": "date"},
        strategies={"born": "born"},
        training_rules={"born": "born", "names": ["first", "last"]},
        matching={"swapped_names": True, "max_u_pairs": 100_000},
    )
    people.clean()
    people.train()
    return people


def test_a_swapped_pair_is_weighed_once_by_what_its_share_says(swapped: Dataset) -> None:
    model = read_model(swapped.lake)
    with DuckDBEngine(threads=1) as engine:
        swapped.lake.open(engine, "cleaned_records")
        ends = [
            no
            for (no,) in engine.rows(
                "select record_no from cleaned_records where record_id in ('0a', '0b') order by 1"
            )
        ]
        frequencies = read_frequencies(engine, swapped.lake)
        score = score_pair(engine, model, frequencies, (ends[0], ends[1]))
        (n,) = engine.row("select count(*) from cleaned_records")
    terms = {term.comparison: term for term in score.terms}
    assert terms["first"].level == "swapped with last"
    assert terms["last"].level == "swapped with first"
    assert terms["last"].weight == pytest.approx(0, abs=1e-9)
    # A tenth of the matches are swapped; by chance names of the one list never stand in the other.
    by_share = math.log2(0.1 / (0.5 / (n * (n - 1) / 2)))
    assert terms["first"].weight > 4
    assert terms["first"].weight < by_share + 1


def test_the_share_of_swapped_matches_is_found(swapped: Dataset) -> None:
    model = read_model(swapped.lake)
    m = {
        comparison["output_column_name"]: {
            level["label_for_charts"]: level.get("m_probability")
            for level in comparison["comparison_levels"]
        }
        for comparison in model["comparisons"]
    }
    assert m["first"]["swapped with last"] == pytest.approx(0.1, abs=0.03)


def test_names_that_nobody_swaps_say_nothing_where_they_are(tmp_path: Path) -> None:
    people = Dataset(
        tmp_path,
        [people_some_swapped(0)[:600]],
        fields={**NAMES, "born": "date"},
        strategies={"born": "born"},
        training_rules={"born": "born", "names": ["first", "last"]},
        matching={"swapped_names": True, "max_u_pairs": 50_000},
    )
    people.clean()
    facts = people.train()
    assert facts["levels"]["first"][1]["match_weight"] == pytest.approx(0, abs=1e-5)
    assert not any("swapped" in text for text in facts["untrained"])
