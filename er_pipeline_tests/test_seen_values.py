import pytest

from er_pipeline.blocking.records.seen_values import (
    BUCKETS,
    NewValues,
    find_new_values,
    new_values,
    seen_values,
)
from er_pipeline.blocking.tables.engine import Engine


def put(engine: Engine, first: int, last: int, times: int = 1) -> None:
    """Make records with the values from first to last, each so many times, and one without."""
    engine.make_table(
        "cleaned_records",
        f"select 'p' || v as email from range({first}, {last}) as t(v), range({times})"
        " union all select null",
    )


@pytest.mark.parametrize("n_values", [30, 1_000, 50_000])
def test_the_same_values_are_not_new(engine: Engine, n_values: int) -> None:
    put(engine, 0, n_values)
    seen = seen_values(engine, ["email"])
    put(engine, 0, n_values, times=3)
    assert new_values(engine, seen) == {"email": NewValues(0.0, 0.0)}


@pytest.mark.parametrize("n_values", [100, 1_000, 1_025, 60_000])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_share_of_new_values_is_estimated(engine: Engine, n_values: int, share: float) -> None:
    put(engine, 0, n_values)
    seen = seen_values(engine, ["email"])
    moved = int(share * n_values)
    put(engine, moved, n_values + moved)
    (found,) = new_values(engine, seen).values()
    assert found.share == pytest.approx(share, abs=0.12)
    assert found.low <= share + 0.03


def test_a_note_takes_as_much_room_for_many_values_and_names_none(engine: Engine) -> None:
    put(engine, 0, 50_000)
    (seen,) = seen_values(engine, ["email"]).values()
    assert len(seen["buckets"]) <= BUCKETS // 4
    taken = int(seen["buckets"], 16).bit_count() / BUCKETS
    assert 0.5 < taken < 0.7  # so a value that was never there has a bucket, more often than not


def test_few_values_and_fields_that_are_gone_are_left_out(engine: Engine) -> None:
    put(engine, 0, 5)
    seen = seen_values(engine, ["email"])
    assert new_values(engine, seen) == {}
    assert new_values(engine, {"phone": seen["email"]}) == {}


def test_what_is_beyond_a_third_for_sure_is_said() -> None:
    found = {"email": NewValues(0.52, 0.45), "phone": NewValues(0.4, 0.3)}
    said = ["52% of the values of email are new since it was learned"]
    assert list(find_new_values(found)) == said
