from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.remedy_offers import (
    OPTIONS,
    REMEDIES,
    begin_offers,
    leave_within,
    offer,
    rounded_up,
)


def test_offers_are_kept_as_far_as_they_add_no_more_than_may_be(engine: DuckDBEngine) -> None:
    begin_offers(engine)
    offer(engine, "select 1, 2, 'a' as remedy", "select 'a', 10, 1")
    both = "select 1, 2, 'b' as remedy union all select 1, 2, 'c'"
    offer(engine, both, "select 'b', 20, 1")
    assert engine.rows(f"select remedy from {OPTIONS} order by 1") == [("a",), ("b",)]
    leave_within(engine, None)
    leave_within(engine, 10)
    assert engine.rows(f"select * from {REMEDIES}") == [("a", 10, 1)]


def test_numbers_are_rounded_up_to_two_digits(engine: DuckDBEngine) -> None:
    numbers = (7, 81, 812, 8_200, 8_201)
    assert [engine.row(f"select {rounded_up(str(n))}")[0] for n in numbers] == [
        7,
        81,
        820,
        8_200,
        8_300,
    ]
