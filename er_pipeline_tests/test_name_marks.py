from collections.abc import Callable, Sequence

import pytest

from er_pipeline.blocking.records.name_marks import NameMarks, name_marks
from er_pipeline.blocking.tables.engine import Engine

NAMES = ["Ann", "Bob", "Cy", "Di"]


def marks_of(engine: Engine, kinds: dict[str, str], rows: Sequence[Sequence[str]]) -> set[str]:
    return {spelling for _, _, spelling in _judged(engine, kinds, rows).marks}


def kept_of(engine: Engine, kinds: dict[str, str], rows: Sequence[Sequence[str]]) -> set[str]:
    return {spelling for _, _, spelling in _judged(engine, kinds, rows).kept}


def _judged(engine: Engine, kinds: dict[str, str], rows: Sequence[Sequence[str]]) -> NameMarks:
    columns = ", ".join(f"{name} varchar" for name in kinds)
    engine.execute(f"create or replace table raw (source_no smallint, {columns})")
    for row in rows:
        engine.execute(f"insert into raw values (0, {', '.join('?' * len(row))})", list(row))
    return name_marks(engine, "raw", kinds)


@pytest.mark.parametrize("mark", ["NULL", "null", "nan", "NaN", "NaT", "NA", "nil", '"NULL"'])
def test_a_word_in_another_case_than_the_names_is_a_mark(engine: Engine, mark: str) -> None:
    rows = [[name] for name in (*NAMES, mark)]
    assert marks_of(engine, {"last": "person_name"}, rows) == {mark.strip('"')}


@pytest.mark.parametrize("name", ["Null", "Nan", "Na", "Nat", "Nil", "Blank"])
def test_a_word_written_as_people_write_names_is_a_name(engine: Engine, name: str) -> None:
    rows = [[other] for other in (*NAMES, *[name] * 50)]
    assert marks_of(engine, {"last": "person_name"}, rows) == set()


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_among_names_in_the_same_case_a_rare_word_is_a_name(
    engine: Engine, change: Callable[[str], str]
) -> None:
    rows = [[change(name)] for name in (*NAMES, "Null")]
    assert marks_of(engine, {"last": "person_name"}, rows) == set()


def test_among_names_in_the_same_case_a_word_far_commoner_than_any_is_a_mark(
    engine: Engine,
) -> None:
    rows = [[name.upper()] for name in NAMES] + [["NULL"]] * 10
    assert marks_of(engine, {"last": "person_name"}, rows) == {"NULL"}


def test_a_record_that_has_the_word_twice_shows_that_it_is_a_mark(engine: Engine) -> None:
    kinds = {"first": "person_name", "last": "person_name"}
    rows = [[name.upper(), name.upper()] for name in NAMES]
    assert marks_of(engine, kinds, [*rows, ["NAN", "LEE"], ["TIM", "NAN"]]) == set()
    assert marks_of(engine, kinds, [*rows, ["NAN", "NAN"]]) == {"NAN"}


@pytest.mark.parametrize("kind", ["email", "date", "phone", "identifier", "text"])
def test_a_word_in_a_column_that_holds_no_names_is_a_mark_in_all(engine: Engine, kind: str) -> None:
    kinds = {"last": "person_name", "other": kind}
    rows = [["ANN", "x"], ["NULL", "x"], ["BOB", "NULL"]]
    assert marks_of(engine, kinds, rows) == {"NULL"}
    assert marks_of(engine, kinds, [["ANN", "x"], ["NULL", "x"], ["BOB", "nan"]]) == set()


def test_na_among_country_codes_is_namibia(engine: Engine) -> None:
    codes = ["DE", "FR", "ZA", "BW", "NA"]
    assert kept_of(engine, {"country": "text"}, [[code] for code in codes]) == {"NA"}


@pytest.mark.parametrize(
    "others", [["Berlin", "Paris", "Rome"], ["TX", "CA", "NY", "WA"], ["DE", "FR"], []]
)
def test_na_is_a_mark_among_texts_and_states(engine: Engine, others: list[str]) -> None:
    rows = [[other] for other in (*others, "NA")]
    assert kept_of(engine, {"place": "text"}, rows) == set()


def test_na_is_a_mark_where_the_source_writes_it_elsewhere_too(engine: Engine) -> None:
    rows = [["DE", "1980"], ["FR", "NA"], ["ZA", "1"], ["BW", "2"], ["NA", "3"]]
    assert kept_of(engine, {"country": "text", "no": "identifier"}, rows) == set()
