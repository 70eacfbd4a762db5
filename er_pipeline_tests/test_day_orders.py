import pytest

from er_pipeline.blocking.records.day_orders import DayOrder, day_orders, judge_day_orders
from er_pipeline.blocking.tables.engine import Engine


def orders_of(engine: Engine, *dates: str) -> list[DayOrder]:
    engine.execute("create or replace table raw (source_no smallint, born varchar)")
    for date in dates:
        engine.execute("insert into raw values (0, ?)", [date])
    return day_orders(engine, "raw", ["born"])


@pytest.mark.parametrize("mark", ["/", "-", " ", ".", " / ", ". "])
def test_parts_over_twelve_show_which_number_is_the_day(engine: Engine, mark: str) -> None:
    dates = [
        mark.join(parts.split()) for parts in ("25 12 1980", "31 1 1975", "03 04 1990", "5 5 1990")
    ]
    assert orders_of(engine, *dates) == [
        DayOrder("born", 0, dots="." in mark, day_first=2, month_first=0, ambiguous=1)
    ]


def test_every_record_counts_and_times_and_weekdays_do_not_matter(engine: Engine) -> None:
    found = orders_of(engine, "12/25/1980", "12/25/1980", "Mo, 12/31/1980 10:30", '"12/30/1980"')
    assert [order.month_first for order in found] == [4]


def test_dates_in_another_form_show_nothing(engine: Engine) -> None:
    assert orders_of(engine, "1980-12-25", "25 Dec 1980", "19801225", "25/12/80", "13/13/1980") in (
        [],
        [DayOrder("born", 0, False, 0, 0, 0)],
    )
    assert day_orders(engine, "raw", []) == []


@pytest.mark.parametrize(
    ("day_first", "month_first", "default", "is_day_first"),
    [
        (2, 0, False, True),
        (0, 2, True, False),
        (5, 1, False, True),
        (1, 1, True, True),
        (0, 0, False, False),
    ],
)
def test_most_dates_decide_and_the_default_where_none_does(
    day_first: int, month_first: int, default: bool, is_day_first: bool
) -> None:
    order = DayOrder("born", 0, False, day_first, month_first, 3)
    assert order.is_day_first(default) is is_day_first


def judged(order: DayOrder, day_first: bool | None = None) -> tuple[bool, str]:
    verdict = judge_day_orders([order], ["shop"], day_first)
    return verdict.passed, verdict.text


def test_a_clear_column_is_reported_as_it_is_read() -> None:
    passed, text = judged(DayOrder("born", 0, False, 2, 0, 2))
    assert passed
    assert "born of shop: 2 dates have a first part over 12, 0 a second one, 2 neither" in text
    assert "read day first" in text


def test_a_column_that_contradicts_itself_is_a_warning_with_counts() -> None:
    passed, text = judged(DayOrder("born", 0, False, 1200, 3, 2))
    assert not passed
    assert "1,200 dates have a first part over 12, 3 a second one" in text


def test_a_column_that_shows_nothing_is_a_warning_unless_the_order_is_declared() -> None:
    silent = DayOrder("born", 0, False, 0, 0, 2)
    assert judged(silent)[0] is False
    assert "read month first, as nothing shows the order" in judged(silent)[1]
    assert judged(silent, day_first=True)[0] is True
    assert judged(DayOrder("born", 0, True, 0, 0, 2))[0] is True  # between dots: the day


def test_a_declared_order_that_the_dates_speak_against_is_a_warning() -> None:
    assert judged(DayOrder("born", 0, False, 2, 0, 2), day_first=False)[0] is False
    assert judged(DayOrder("born", 0, False, 2, 0, 2), day_first=True)[0] is True
