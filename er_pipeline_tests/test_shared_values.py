from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching.shared_values import (
    SharedValues,
    find_shared_values,
    judge_shared_values,
)
from er_pipeline_tests.test_entities import spec_with

KINDS = {"first_name": "person_name", "street": "address", "phone": "phone", "plan": "text"}
Row = tuple[str | None, str | None, str | None, str | None]


def declared(**settings: Any) -> PipelineSpec:
    of_home = {"strategies": {"home": "street"}, "training_rules": {"home": "street"}}
    return spec_with(**{"fields": KINDS, **of_home, **settings})


def model(usual: float = 0.01) -> Mapping[str, Any]:
    """usual: the share of matches that differ in a field."""
    return {
        "comparisons": [
            {
                "output_column_name": name,
                "comparison_levels": [
                    {
                        "is_null_level": True,
                        "sql_condition": f"{name}_l is null or {name}_r is null",
                    },
                    {"sql_condition": f"{name}_l = {name}_r", "m_probability": 1 - usual},
                    {"sql_condition": "ELSE", "m_probability": usual},
                ],
            }
            for name in KINDS
        ]
    }


def shared_values(
    records: Sequence[Row],
    matches: Mapping[tuple[int, int, int, int], int],
    usual: float = 0.01,
    spec: PipelineSpec | None = None,
) -> list[SharedValues]:
    """records: in the order of the kinds. matches: how many by their levels; 1 is equal here."""
    with DuckDBEngine(threads=2) as engine:
        columns = ", ".join(f"{name} varchar" for name in KINDS)
        engine.execute(
            "create table cleaned_records"
            f" (record_no integer, record_id varchar, source varchar, source_no integer, {columns})"
        )
        for i, row in enumerate(records):
            engine.execute(
                "insert into cleaned_records values (?, ?, 'a', ?, ?, ?, ?, ?)",
                [i, f"r{i}", i % 2, *row],
            )
        levels = ", ".join(f"gamma_{name} tinyint" for name in KINDS)
        engine.execute(
            "create table m (left_no integer, right_no integer, match_probability double,"
            f" {levels})"
        )
        for levels_of, n in matches.items():
            engine.execute(
                "insert into m select range, range + 1, 0.99, ?, ?, ?, ? from range(?)",
                [*levels_of, n],
            )
        return find_shared_values(engine, spec or declared(), model(usual), "m", threshold=0.9)


def homes(n: int, people: Sequence[str | None], street: str = "Oak Lane") -> list[Row]:
    return [
        (first, f"{home} {street}", f"{street} {home}", None)
        for home in range(n)
        for first in people
    ]


# Levels of first_name, street, phone, plan: the first name is missing, street and phone are equal.
NAMELESS = (-1, 1, 1, -1)
SURE = {(1, 1, 1, -1): 60}


def test_matches_without_a_name_are_doubted_where_homes_hold_several_people() -> None:
    [found] = shared_values(homes(40, ["Ann", "Bob", None]), {**SURE, NAMELESS: 40})
    assert (found["equal"], found["field"]) == (["street", "phone"], "first_name")
    assert (found["known"], found["differ"], found["matches"]) == (40, 40, 40)
    assert found["doubtful"] == pytest.approx(40)
    assert found["example"] == ["r0", "r1"]


def test_they_are_doubted_as_often_as_the_others_differ() -> None:
    records = homes(30, ["Ann", "Bob"]) + homes(30, ["Eve", "Eve"], "Elm Lane")
    [found] = shared_values(records, {**SURE, NAMELESS: 40})
    assert (found["known"], found["differ"]) == (60, 30)
    assert found["doubtful"] == pytest.approx(40 * (0.5 - 0.01) / 0.99, abs=0.1)


def test_where_matches_themselves_differ_so_often_none_is_doubted() -> None:
    records = homes(30, ["Ann", "Bob"]) + homes(30, ["Eve", "Eve"], "Elm Lane")
    assert shared_values(records, {**SURE, NAMELESS: 40}, usual=0.6) == []


def test_homes_of_one_person_are_proof() -> None:
    assert shared_values(homes(40, ["Ann", "Ann", None]), {**SURE, NAMELESS: 40}) == []


def test_a_few_homes_say_nothing() -> None:
    assert shared_values(homes(9, ["Ann", "Bob", None]), {**SURE, NAMELESS: 9}) == []


def test_who_moves_is_not_doubted() -> None:
    moved = [
        (f"Ann{i}", street, phone, "x")
        for i in range(40)
        for street, phone in ((f"{i} Oak Lane", f"030 {i}"), (f"{i} Elm Lane", f"040 {i}"))
    ]
    assert shared_values(moved, {(1, 0, -1, 1): 40, (1, -1, -1, 1): 40}) == []


@pytest.mark.parametrize(("n_others", "doubted"), [(35, True), (60, False)])
def test_of_other_fields_most_must_differ(n_others: int, doubted: bool) -> None:
    """A plan may change."""
    records: list[Row] = []
    for home in range(40 + n_others):
        for plan in ("gold", "silver" if home < 40 else "gold"):
            records.append((f"Ann{home}", f"{home} Oak Lane", f"030 {home}", plan))
    found = shared_values(records, {(1, 1, 1, -1): 40})
    assert [shared["field"] for shared in found] == (["plan"] if doubted else [])


def test_matches_that_differ_where_most_do_are_doubted_but_for_those_of_matches() -> None:
    [found] = shared_values(homes(40, ["Ann", "Bob", "Bob"]), {**SURE, (0, 1, 1, -1): 40})
    # Of 120 pairs 80 differ; of the third that are matches one in a hundred does.
    strangers = (2 / 3 - 0.01) / 0.99
    assert found["doubtful"] == pytest.approx(40 * (1 - (1 - strangers) * 0.01 * 3 / 2), abs=0.1)


def test_near_values_and_pairs_below_the_threshold_do_not_count() -> None:
    records = homes(40, ["Ann", "Bob", None])
    assert shared_values(records, {**SURE, (-1, 2, 1, -1): 40}) == []
    with DuckDBEngine(threads=2) as engine:
        engine.execute(
            "create table m as select 0 as left_no, 1 as right_no, 0.8 as match_probability, "
            + ", ".join(f"1 as gamma_{name}" for name in KINDS)
        )
        assert find_shared_values(engine, declared(), model(), "m", 0.9) == []


def test_linked_sources_are_asked_across_only() -> None:
    linked = declared(sources=[{"path": "a.csv"}, {"path": "b.csv"}], mode="link")
    # Records of even numbers are of one source: here every home is of one source alone.
    apart = homes(40, ["Ann", "Eve", "Bob", "Eve"])
    apart = [row if i % 2 == 0 else (row[0], None, None, None) for i, row in enumerate(apart)]
    matches = {**SURE, NAMELESS: 40}
    assert shared_values(apart, matches, spec=linked) == []
    [found] = shared_values(homes(40, ["Ann", "Bob"]), matches, spec=linked)
    assert found["known"] == 40


def test_the_warning_names_the_fields_and_counts_what_is_shared_once() -> None:
    spec = declared()
    found = shared_values(homes(40, ["Ann", "Bob", None]), {**SURE, NAMELESS: 40})
    verdict = judge_shared_values(found, 100, spec)
    assert (verdict.passed, verdict.severity) == (False, "warn")
    assert "40 of 40 pairs of records with equal street, phone differ altogether" in verdict.text
    assert "such as r0 and r1" in verdict.text
    assert "(comparisons: {first_name: true, street: true, plan: true})" in verdict.text
    assert "max_doubtful_matches to 0.41" in verdict.text
    assert judge_shared_values([], 100, spec).passed
    lax = declared(checks={"max_doubtful_matches": 0.4})
    assert judge_shared_values(found, 100, lax).passed
    one: SharedValues = {**found[0], "equal": ["first_name", "street"]}
    assert "compare a field in which they differ" in judge_shared_values([one], 100, spec).text
