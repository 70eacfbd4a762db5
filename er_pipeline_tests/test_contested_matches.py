from collections.abc import Sequence

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching.contested_matches import (
    Contested,
    contested_share,
    find_contested,
    judge_contested,
)
from er_pipeline_tests.test_entities import spec_with

# left_no, right_no, weight, level of name. Records 0 to 9 are of crm, 10 to 19 of shop.
Match = tuple[int, int, float, int]
SOURCES = [{"path": "crm.csv"}, {"path": "shop.csv"}]


def contested(matches: Sequence[Match], mode: str = "link") -> Contested | None:
    with DuckDBEngine(threads=2) as engine:
        engine.execute(
            "create table m (left_no integer, right_no integer, match_weight float,"
            " gamma_name tinyint, match_probability double)"
        )
        for match in matches:
            engine.execute("insert into m values (?, ?, ?, ?, 0.99)", match)
        engine.execute("insert into m values (8, 19, 1, 1, 0.89), (9, 19, 1, 1, 0.89)")
        engine.make_table(
            "cleaned_records",
            "select range::integer as record_no, 'r' || range as record_id,"
            " if(range < 10, 'crm', 'shop') as source, (range // 10)::smallint as source_no"
            " from range(20)",
        )
        return find_contested(engine, spec_with(sources=SOURCES, mode=mode), "m", 0.9)


def found(*matches: Match) -> Contested:
    counted = contested(matches)
    assert counted
    return counted


def test_one_partner_each_is_not_contested() -> None:
    counted = found((0, 10, 9, 2), (1, 11, 9, 2))
    assert (counted["matches"], counted["contested"], counted["guessed"]) == (2, 0, 0)
    assert counted["example"] == []


def test_a_second_partner_is_contested_on_either_side() -> None:
    two_of_shop = found((0, 10, 9, 2), (0, 11, 5, 1))
    assert (two_of_shop["contested"], two_of_shop["differ"]) == (1, ["name"])
    assert two_of_shop["example"] == ["crm-r0", "shop-r10", "shop-r11"]
    two_of_crm = found((0, 10, 9, 2), (1, 10, 5, 1))
    assert two_of_crm["contested"] == 1
    assert two_of_crm["example"] == ["shop-r10", "crm-r0", "crm-r1"]


def test_no_more_are_right_than_one_per_record_of_the_smaller_side() -> None:
    # Three of crm with each of two of shop: two can be right.
    matches = [(left, right, 9.0, 2) for left in range(3) for right in (10, 11)]
    counted = found(*matches)
    assert (counted["matches"], counted["contested"], counted["linked"]) == (6, 4, 2)
    assert contested_share(counted, one_to_one=False) == pytest.approx(4 / 6)
    # Of three that are equal, one in three is right.
    assert counted["guessed"] == pytest.approx(2 * 2 / 3, abs=0.05)
    assert counted["differ"] == []


def test_a_partner_that_scores_far_less_is_no_guess_where_the_best_is_taken() -> None:
    counted = found((0, 10, 9, 2), (0, 11, 7.9, 1))
    assert contested_share(counted, one_to_one=True) == 0
    assert contested_share(counted, one_to_one=False) == 0.5
    assert found((0, 10, 9, 2), (0, 11, 8.1, 1))["guessed"] == 0.5


def test_where_a_source_may_hold_somebody_twice_nothing_is_contested() -> None:
    assert contested([(0, 10, 9, 2), (0, 11, 5, 1)], "link_and_dedupe") is None


def test_the_warning_names_the_records_the_field_and_what_to_do() -> None:
    many = found(*[(i, 10 + i, 9.0, 2) for i in range(9)], (0, 18, 5.0, 1))
    passed = judge_contested(many, 0.1, one_to_one=False)
    assert (passed.passed, passed.severity) == (True, "warn")
    failed = judge_contested(many, 0.05, one_to_one=False)
    assert not failed.passed
    assert "At least 1 of 10 matches (10.0%; at most 5.0% wanted)" in failed.text
    assert "crm-r8 and crm-r0 of shop-r18" in failed.text
    assert "differs mostly in name" in failed.text
    assert "one_to_one: true" in failed.text
    assert "link_and_dedupe" in failed.text
    assert judge_contested(many, 0.05, one_to_one=True).passed


def test_equal_partners_are_a_guess_that_no_field_parts() -> None:
    equal = found((0, 10, 9, 2), (0, 11, 9, 2))
    verdict = judge_contested(equal, 0.05, one_to_one=True)
    assert not verdict.passed
    assert "No field that is compared parts such partners" in verdict.text
