from er_pipeline.blocking.records.column_readings import clean_column
from er_pipeline.blocking.records.emptied_values import (
    FieldValues,
    emptied_figures,
    examples_text,
    values_of_fields,
)
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.values.cleaning import CleaningOptions


def counted(engine: Engine, *dates: str | None) -> dict[str, object]:
    engine.execute("create table raw (source_no smallint, record_id varchar, born varchar)")
    for i, date in enumerate(dates):
        engine.execute("insert into raw values (0, ?, ?)", [str(i), date])
    column = clean_column(engine, "raw", "born", "date", [CleaningOptions()])
    engine.make_table(
        "cleaned",
        "select r.source_no, r.record_id, c.result as born from raw as r"
        f" left join {column.table} as c on {column.same('r', 'c')}",
    )
    return dict(values_of_fields(engine, "raw", "cleaned", [column])["born"])


def test_emptied_values_are_counted_with_the_commonest_raw_ones(engine: Engine) -> None:
    dates = ["1980-03-12", "soon", "soon", "later", "1900-01-01", "never", "\\N", "\\N", "\\N"]
    assert counted(engine, *dates, "", " ", None) == {
        "filled": 1,
        "distinct": 1,
        "cleaned_away": 5,
        "null_marks": 3,
        "cells_of_several": 0,
        "examples": {"soon": 2, "1900-01-01": 1, "later": 1},
    }


def test_a_field_of_marks_alone_shows_them(engine: Engine) -> None:
    found = counted(engine, "NULL", "NULL", "<NA>")
    assert (found["filled"], found["cleaned_away"], found["null_marks"]) == (0, 0, 3)
    assert found["examples"] == {"NULL": 2, "<NA>": 1}


def test_nothing_emptied_has_no_examples(engine: Engine) -> None:
    assert counted(engine, "1980-03-12", None)["examples"] == {}


def test_a_long_value_is_shown_by_its_beginning(engine: Engine) -> None:
    examples = counted(engine, "x" * 500)["examples"]
    assert examples == {"x" * 40: 1}


def test_examples_are_written_with_their_records() -> None:
    assert examples_text({"soon": 1200, "it's": 1}) == "'soon' (1,200), \"it's\" (1)"


def test_the_figures_of_a_report_name_the_fields_that_lost_values() -> None:
    lost: FieldValues = {
        "filled": 3,
        "distinct": 2,
        "cleaned_away": 1,
        "null_marks": 4,
        "cells_of_several": 0,
        "examples": {"soon": 1, "NULL": 4},
    }
    whole: FieldValues = {**lost, "cleaned_away": 0, "null_marks": 0, "examples": {}}
    assert emptied_figures({"born": lost, "city": whole}) == {
        "emptied": {"born": {"values_given": 4, "values_emptied": 1, "null_marks": 4}},
        "emptied_examples": {"born": {"soon": 1, "NULL": 4}},
    }
