from collections.abc import Mapping
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching.odd_levels import (
    OddLevel,
    find_odd_levels,
    judge_odd_levels,
    odd_matches,
)
from er_pipeline_tests.test_entities import spec_with

LEVELS = ["equal", "near", "other"]
MODEL: Mapping[str, Any] = {
    "comparisons": [
        {
            "output_column_name": name,
            "comparison_levels": [
                {"is_null_level": True},
                *({"label_for_charts": label} for label in LEVELS),
            ],
        }
        for name in ("email", "name")
    ]
}


def odd_levels(
    counts: Mapping[tuple[int, int], int],
    probability: float = 0.99,
    spec: PipelineSpec | None = None,
) -> list[OddLevel]:
    """counts: matches by the levels of email and name; 2 is equal, 1 near, 0 other."""
    with DuckDBEngine(threads=2) as engine:
        engine.execute(
            "create table m (left_no integer, right_no integer, match_probability double,"
            " gamma_email tinyint, gamma_name tinyint)"
        )
        for (email, name), n in counts.items():
            engine.execute(
                "insert into m select range, range + 1, ?, ?, ? from range(?)",
                [probability, email, name, n],
            )
        engine.make_table(
            "cleaned_records",
            "select range::integer as record_no, 'r' || range as record_id from range(1000)",
        )
        return find_odd_levels(engine, spec or spec_with(), MODEL, "m", 0.9)


STRANGERS = {(2, 2): 300, (2, 0): 10, (1, 0): 40, (1, 2): 20}


def test_near_values_beside_other_values_are_odd() -> None:
    (odd,) = odd_levels(STRANGERS)
    assert (odd["near"], odd["label"], odd["field"]) == ("email", "near", "name")
    assert (odd["known"], odd["differ"], odd["example"]) == (60, 40, ["r0", "r1"])
    assert odd_matches([odd]) == 40 - odd["of_equal"] * 60
    assert odd["of_equal"] == round(10 / 310, 6)


def test_values_that_differ_as_often_whatever_another_field_is_like_are_not_odd() -> None:
    assert odd_levels({(2, 2): 150, (2, 0): 150, (1, 0): 40, (1, 2): 20}) == []


def test_damage_of_both_is_not_odd_if_most_agree() -> None:
    assert odd_levels({(2, 2): 300, (2, 0): 10, (1, 0): 20, (1, 2): 60}) == []


def test_two_fields_that_change_places_are_not_odd() -> None:
    assert odd_levels({(2, 2): 300, (0, 0): 40}) == []


def test_few_matches_say_nothing() -> None:
    assert odd_levels({(2, 2): 300, (1, 0): 9}) == []


def test_missing_values_and_pairs_below_the_threshold_do_not_count() -> None:
    assert odd_levels({(2, 2): 300, (1, -1): 40}) == []
    assert odd_levels(STRANGERS, probability=0.89) == []


def test_the_warning_names_both_fields_and_what_to_do() -> None:
    found = odd_levels(STRANGERS)
    spec = spec_with(fields={"name": "text", "email": "email"})
    lax = spec_with(checks={"max_doubtful_matches": 0.2})
    assert judge_odd_levels(found, 370, lax).passed
    assert judge_odd_levels([], 370, spec).passed
    verdict = judge_odd_levels(found, 370, spec)
    assert (verdict.passed, verdict.severity) == (False, "warn")
    assert "40 of 60 matches with email only near (near) differ altogether in name" in verdict.text
    assert "such as r0 and r1" in verdict.text
    assert "(comparisons: {name: true, email: exact})" in verdict.text


def test_two_parts_of_one_address_are_not_held_against_each_other() -> None:
    spec = spec_with(fields={"name": "address", "email": "address"})
    assert odd_levels(STRANGERS, spec=spec) == []


def test_levels_of_several_fields_are_not_summed() -> None:
    odd = odd_levels(STRANGERS)[0]
    other: OddLevel = {**odd, "field": "phone", "differ": 30}
    assert odd_matches([odd, other]) == odd_matches([odd])
