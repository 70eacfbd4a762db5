import pytest

from er_pipeline.blocking.records.parts import Into
from er_pipeline.blocking.records.text_values import keep_wanted, text_sql
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("90210.0::double", "90210"),
        ("90210::float", "90210"),
        ("1711234567.0::double", "1711234567"),
        ("-0.0::double", "0"),
        ("1.5::double", "1.5"),
        ("'nan'::double", None),
        ("'-inf'::float", None),
        ("1e300::double", "1e+300"),
        ("1.50::decimal(5, 2)", "1.50"),
        ("7.00::decimal(5, 2)", "7"),
        (f"{'7' * 38}::decimal(38, 0)", "7" * 38),
        ("timestamptz '2020-01-01 22:00:00-05'", "2020-01-02 03:00:00"),
        ("timestamp '2020-01-01 22:00:00'", "2020-01-01 22:00:00"),
        ("date '2020-01-01'", "2020-01-01"),
        (r"'Jos\xC3\xA9\x00\x00'::blob", "José"),
        ("['a', null, '', 'b']", "a; b"),
        ("[]::varchar[]", None),
        ("[1.0, 2.5]::double[2]", "1; 2.5"),
        ("""'["a", 1.0, null]'::json""", "a; 1"),
        ("'7.0'::json", "7"),
        ("""'"7.0"'::json""", "7.0"),
        ("'null'::json", None),
        ("true", "true"),
        ("'007'", "007"),
    ],
)
def test_a_typed_value_is_the_text_that_people_write(
    engine: Engine, value: str, text: str | None
) -> None:
    engine.make_table("given", f"select {value} as v")
    ((_, kind),) = engine.described("from given")
    assert engine.rows(f"select {text_sql('v', kind)} from given") == [(text,)]


def test_a_vector_stays_a_list(engine: Engine) -> None:
    assert engine.row(f"select {text_sql('[0.5, 1.0]::float[]', 'FLOAT[]', is_vector=True)}") == (
        "[0.5, 1.0]",
    )


def kept(engine: Engine, query: str) -> Into:
    engine.make_table("given", query)
    into = Into("texts", "rejects")
    into.make_empty(engine, ["id", "name"])
    keep_wanted(engine, "given", ["id", "name"], into, "people")
    return into


def test_wanted_columns_become_text_under_the_names_they_are_wanted_by(engine: Engine) -> None:
    into = kept(engine, "select 7.0::double as ID, ['a', 'b'] as \"Name\", {'x': 1} as more")
    assert engine.described("from texts") == [("id", "VARCHAR"), ("name", "VARCHAR")]
    assert engine.rows("from texts") == [("7", "a; b")]
    assert into.notes == [
        "people: column 'Name' holds several values in 1 cells; they are read as one text, divided"
        " by ';'"
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "{'first': 'a'}",
            r"column 'name' holds objects \(STRUCT\(.?first.? VARCHAR\)\), no single",
        ),
        ("[{'first': 'a'}]", r"column 'name' holds objects"),
        ("[['a']]", None),
        ("map {'a': 1}", r"column 'name' holds objects \(MAP"),
        ("""'{"a": 1}'::json""", r"column 'name' of record 1 holds an object, \{\"a\": ?1\}, no"),
        (r"'\xE9'::blob", r"column 'name' of record 1 holds bytes that are no UTF-8 text, 0xE9;"),
    ],
)
def test_objects_and_bytes_that_are_no_text_are_errors(
    engine: Engine, name: str, said: str | None
) -> None:
    if said is None:
        kept(engine, f"select 1 as id, {name} as name")
        return
    with pytest.raises(InputError, match=f"people: {said}"):
        kept(engine, f"select 1 as id, {name} as name")
