from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching.match_doubts import (
    Doubt,
    doubtful_pairs,
    doubtful_share,
    find_doubts,
    judge_doubts,
)
from er_pipeline_tests.test_entities import spec_with

Record = tuple[str | None, str | None]  # name and birth date


def model(m: float) -> dict[str, Any]:
    """Two comparisons of the levels missing, equal and other."""
    return {
        "comparisons": [
            {
                "output_column_name": name,
                "comparison_levels": [
                    {"is_null_level": True},
                    {"m_probability": m},
                    {"m_probability": 1 - m},
                ],
            }
            for name in ("name", "born")
        ]
    }


def doubts_of(
    entities: Sequence[Sequence[Record]], m: float = 0.9, probability: float = 0.99
) -> dict[str, Doubt]:
    """Match all records of each entity with each other; give the doubts by field."""
    rows, records = [], 0
    for entity in entities:
        for (a, left), (b, right) in combinations(enumerate(entity, records), 2):
            levels = [
                -1 if mine is None or other is None else int(mine == other)
                for mine, other in zip(left, right, strict=True)
            ]
            rows.append([a, b, probability, *levels])
        records += len(entity)
    with DuckDBEngine(threads=2) as engine:
        engine.execute(
            "create table m (left_no integer, right_no integer, match_probability double,"
            " gamma_name tinyint, gamma_born tinyint)"
        )
        for row in rows:
            engine.execute("insert into m values (?, ?, ?, ?, ?)", row)
        engine.make_table(
            "cleaned_records",
            f"select range::integer as record_no, 'r' || range as record_id from range({records})",
        )
        return {d["field"]: d for d in find_doubts(engine, spec_with(), model(m), "m", 0.9)}


FATHER, SON = ("jan roth", "1950"), ("jan roth", "1980")
ONCE = ("ida kern", "1960")


def test_two_values_that_are_both_found_again_are_in_doubt() -> None:
    doubts = doubts_of([[FATHER, FATHER, SON, SON]])
    assert list(doubts) == ["born"]
    born = doubts["born"]
    assert (born["known"], born["checked"], born["conflicts"]) == (6, 4, 4)
    assert (born["example"], born["half_above"]) == (["r0", "r2"], 0.99)


@pytest.mark.parametrize(
    "entity",
    [
        [FATHER, FATHER],
        [FATHER, FATHER, SON],  # damage of one record
        [FATHER, SON],
        [FATHER, FATHER, SON, ("jan roth", "1981")],  # damage of two
        [FATHER, FATHER, ("jan roth", None), ("jan roth", None)],
    ],
)
def test_a_value_that_stands_once_is_damage(entity: list[Record]) -> None:
    assert doubts_of([entity]) == {}


def test_pairs_below_the_threshold_are_no_matches() -> None:
    assert doubts_of([[FATHER, FATHER, SON, SON]], probability=0.89) == {}


def test_entities_of_fathers_and_sons_stand_for_those_that_no_second_record_shows() -> None:
    # 20 families twice each, 20 in which the son stands once, beside 300 pairs that are right.
    entities = [[FATHER, FATHER, SON, SON]] * 20 + [[FATHER, FATHER, SON]] * 20
    entities += [[ONCE, ("ida kerl", "1960")]] * 300
    born = doubts_of(entities, m=0.9)["born"]
    assert (born["checked"], born["conflicts"]) == (80, 80)
    assert 80 < born["doubtful"] == 120 <= born["doubtful_high"]  # 4 of a family, and 2
    verdict = judge_doubts([born], 480, 0.05)
    assert not verdict.passed
    assert verdict.severity == "warn"
    assert "80 of 80 pairs differ in born" in verdict.text
    assert "such as r0 and r2" in verdict.text


def test_copies_of_damaged_records_back_nothing() -> None:
    # Every record stands twice, in two exports of one table; half of the entities have damage.
    sound = [[ONCE, ONCE, ("ida kerl", "1960"), ("ida kerl", "1960")]] * 20
    born = doubts_of([[FATHER, FATHER, SON, SON], *sound], m=0.95)
    assert born["name"]["doubtful"] == born["name"]["conflicts"] == 80  # seen, not multiplied


def test_few_families_are_no_reason_to_multiply() -> None:
    assert doubtful_pairs(4, 4, 3, 7, entities=1, expected=0.3, m=0.7) == (4.0, 4.0)
    seen, high = doubtful_pairs(80, 80, 40, 120, entities=20, expected=0.3, m=0.7)
    assert seen == pytest.approx(120)  # both / (4/5)² is more than the 120 that differ
    assert high == pytest.approx(120)


def test_sides_without_a_second_record_are_estimated_from_those_with_one() -> None:
    # 64 with both sides backed, 32 with one: 4 of 5 sides are backed, so 4 of 100 have none.
    seen, high = doubtful_pairs(64, 64, 32, 1_000, entities=64, expected=0.1, m=0.9)
    assert seen == pytest.approx(100)
    assert seen < high < 200


def test_damage_of_one_of_many_records_is_taken_out() -> None:
    # c is 0.9: of 900 true pairs checked come 200 with one side damaged; so all sides are backed.
    m = 0.81
    seen, _ = doubtful_pairs(1_000, 1_000 * 0.55, 100, 10_000, 900, expected=0.1, m=m)  # type: ignore[arg-type]
    assert seen == pytest.approx(0.5 * 1_000)


def judged(most: float, *doubts: Mapping[str, Any]) -> tuple[bool, str]:
    whole: list[Doubt] = [
        {
            "field": "born",
            "known": 200,
            "checked": 10,
            "conflicts": 8,
            "doubtful": 8.0,
            "doubtful_high": 8.0,
            "example": ["a", "b"],
            "half_above": 0.97,
            **doubt,  # type: ignore[typeddict-item]
        }
        for doubt in doubts
    ]
    verdict = judge_doubts(whole, 400, most)
    return verdict.passed, verdict.text


def test_it_warns_unless_the_interval_lies_below_the_limit() -> None:
    assert judged(0.05) == (True, "About 0.0% of 400 matches are in doubt (at most 5.0% wanted).")
    assert judged(0.05, {})[0]
    assert not judged(0.01, {})[0]
    assert not judged(0.05, {"doubtful_high": 11.0})[0]


def test_it_names_the_field_of_most_doubt_and_what_to_do() -> None:
    _, text = judged(0.05, {}, {"field": "name", "doubtful": 30.0, "doubtful_high": 40.0})
    assert text.startswith("About 15.0% of 400 matches (up to 20.0%; at most 5.0% wanted)")
    assert "8 of 10 pairs differ in name" in text
    assert "raise matching: threshold above" in text
    assert "max_doubtful_matches to 0.21" in text
    _, text = judged(0.01, {"half_above": 0.99995})
    assert text.startswith("At least 2.0% of 400 matches (at most 1.0% wanted)")
    assert "no threshold parts them" in text
    assert "raise matching" not in text


def test_fields_are_not_summed() -> None:
    assert doubtful_share([], 400) == (0.0, 0.0)


@pytest.mark.parametrize(("near", "doubtful"), [(0, 8.0), (4, 8.0), (6, 0.0)])
def test_conflicts_that_are_near_as_often_as_all_that_differ_are_spellings(
    near: int, doubtful: float
) -> None:
    # 8 conflicts of which `near` are near, among matches that differ of which all others are.
    with DuckDBEngine(threads=2) as engine:
        engine.execute(
            "create table m (left_no integer, right_no integer, match_probability double,"
            " gamma_name tinyint)"
        )
        rows: list[tuple[int, int, int]] = []
        for i in range(2):  # a and b, c and d are equal; the pairs between them are conflicts
            a, b, c, d = range(4 * i, 4 * i + 4)
            crossing = [(a, c), (a, d), (b, c), (b, d)]
            rows += [(a, b, 2), (c, d, 2)]
            rows += [(*pair, int(4 * i + j < near)) for j, pair in enumerate(crossing)]
        rows += [(20 + 2 * i, 21 + 2 * i, int(i < 50)) for i in range(50)]
        for left, right, level in rows:
            engine.execute("insert into m values (?, ?, 0.99, ?)", [left, right, level])
        engine.make_table(
            "cleaned_records",
            "select range::integer as record_no, 'r' || range as record_id from range(200)",
        )
        levels = [{"is_null_level": True}, *({"m_probability": m} for m in (0.1, 0.4, 0.5))]
        comparison = {"output_column_name": "name", "comparison_levels": levels}
        (name,) = find_doubts(engine, spec_with(), {"comparisons": [comparison]}, "m", 0.9)
    assert (name["conflicts"], name["doubtful"]) == (8, doubtful)
