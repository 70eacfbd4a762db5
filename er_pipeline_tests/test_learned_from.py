import pytest

from er_pipeline.blocking.records.learned_from import find_drift, learned_from, records_of
from er_pipeline.blocking.spec.learned import LearnedFrom
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine


def of(records: int, **filled: float) -> LearnedFrom:
    return LearnedFrom(records=records, filled=filled)


def test_records_and_filled_values_are_counted(engine: DuckDBEngine) -> None:
    engine.execute(
        "create table cleaned_records as from (values ('a', null), ('b', 'x'), ('c', null))"
        ' as t("the city", phone)'
    )
    fields = ["the city", "phone"]
    counted = of(3, **{"the city": 1.0, "phone": 0.3333})
    assert records_of(engine, fields) == counted
    noted = learned_from(engine, fields)
    assert {**noted, "seen": {}} == {**counted, "seen": {}}
    assert list(noted["seen"]) == fields


def test_no_record_is_no_error(engine: DuckDBEngine) -> None:
    engine.execute("create table cleaned_records (city varchar)")
    assert records_of(engine, ["city"]) == of(0, city=0.0)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (of(1_000, a=0.5), of(1_000, a=0.5)),
        (of(1_000, a=0.5), of(1_400, a=0.6)),
        (of(1_000, a=1.0), of(700, a=0.995)),
        (of(1_000, a=0.5), of(1_000, a=0.5, b=1.0)),  # a field that nothing was learned of
        (of(0), of(0)),
    ],
)
def test_what_moves_a_little_still_fits(then: LearnedFrom, now: LearnedFrom) -> None:
    assert list(find_drift(then, now)) == []
    assert list(find_drift({**now, "filled": then["filled"]}, then)) == []


@pytest.mark.parametrize(
    ("then", "now", "says"),
    [
        (of(1_000), of(1_501), "1,501 records, 1,000 when it was learned"),
        (of(1_501), of(1_000), "1,000 records, 1,501 when it was learned"),
        (of(9, a=0.5), of(9, a=0.7), "a is filled in 70%, 50% when it was learned"),
        (of(9, a=0.98), of(9, a=0.9), "a is filled in 90%, 98% when it was learned"),
        (of(9, a=0.02), of(9, a=0.1), "a is filled in 10%, 2% when it was learned"),
        (of(9, a=1.0), of(9, a=0.0), "a is filled in 0%, 100% when it was learned"),
    ],
)
def test_what_moves_much_is_named(then: LearnedFrom, now: LearnedFrom, says: str) -> None:
    assert list(find_drift(then, now)) == [says]
