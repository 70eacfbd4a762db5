from collections.abc import Sequence

import pytest

from er_pipeline.blocking.records.column_guesses import (
    ColumnValues,
    countries_of,
    guess_columns,
    guess_day_first,
    guess_id,
    guess_phone_region,
)


def column(name: str, values: Sequence[str], n_rows: int | None = None) -> ColumnValues:
    """Describe a column that holds each value once, or more often in n_rows rows."""
    rows = n_rows or len(values)
    length = sum(map(len, values)) / max(1, len(values))
    return ColumnValues(name, rows, rows if values else 0, len(set(values)), length, values)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("x", ["ann@acme.org", "bob@web.de", "cy@mail.fr"], "email"),
        ("x", ["2001-02-03", "1999-12-31", "1980-05-17"], "date"),
        ("geboren", ["03.02.2001", "31.12.1999"], "date"),
        ("dob", ["20010203", "19991231"], "date"),
        ("x", ["+49 89 1234567", "089/7654321", "(030) 123-4567"], "phone"),
        ("telefon", ["0891234567", "0307654321"], "phone"),
        ("partner", ["Weber GmbH", "Acme Inc.", "Smith Brothers", "Bau AG"], "company"),
        ("firma", ["Weber", "Acme", "Bau"], "company"),
        ("x", ["12 rue de la Paix", "3 avenue Foch", "Hauptstr. 7"], "address"),
        ("anschrift", ["Am Markt 5", "Lindenhof"], "address"),
        ("first_name", ["Ann", "Bob"], "person_name"),
        ("first_name", ["7", "12"], "text"),
        ("plz", ["80331", "10115"], "identifier"),
        ("x", ["AB-123", "CD-456"], "identifier"),
        ("price", ["19.99", "$5.00", "1,299.00"], "number"),
        ("price", ["cheap", "ask us"], "text"),
        ("menge", ["7", "12"], "number"),
        ("x", ["1.234,50", "12,00 €", "7,5"], "number"),
        ("x", ["1234", "77"], "identifier"),
        ("title", ["The quick brown fox", "A lazy dog"], "text"),
    ],
)
def test_a_kind_is_guessed_from_name_and_values(name: str, values: list[str], kind: str) -> None:
    twice = column(name, values, 2 * len(values))
    (guess,) = guess_columns([twice])
    assert (guess.role, guess.kind) == ("field", kind)
    assert guess.evidence


def test_a_column_of_whole_names_is_one_of_names() -> None:
    whole = "full_name"
    (guess,) = guess_columns([column("name", ["Ann Smith", "Weber, Jürgen", "Bob van Dyk"], 6)])
    assert guess.kind == whole
    (guess,) = guess_columns([column("name", ["iPod nano 8GB", "TV 40 inch LCD", "Radio"], 6)])
    assert guess.kind == "text"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["email", "kunden_nr"], "kunden_nr"),
        (["ref", "id"], "id"),
        (["code", "record_id"], "record_id"),
        (["whatever"], "whatever"),
    ],
)
def test_the_id_is_the_unique_column_that_is_called_so(names: list[str], expected: str) -> None:
    found = guess_id([column(name, ["a1", "b2", "c3"]) for name in names])
    assert found is not None
    assert found.name == expected


def test_no_column_with_repeats_or_gaps_is_an_id() -> None:
    assert guess_id([column("id", ["a", "b"], 3), column("no", [], 3)]) is None


def test_what_says_nothing_of_the_record_is_left_out() -> None:
    values = ["2024-01-01", "2024-01-02"]
    guesses = guess_columns(
        [
            column("id", ["1", "2", "3", "4"]),
            column("created_at", values, 4),
            column("geändert am", values, 4),
            column("country", ["DE"], 4),
            column("notes", [], 4),
            column("cluster_id", ["x", "y"], 4),
            column("city", ["Rome", "Bonn"], 4),
        ]
    )
    assert [guess.role for guess in guesses] == [
        *("id", "none", "none", "none", "none", "cluster", "field"),
    ]


def test_the_order_of_dates_is_what_the_dates_say() -> None:
    assert guess_day_first(["13/01/2020", "02/03/2020"])[0] is True
    assert guess_day_first(["01/13/2020", "02/03/2020"])[0] is False
    assert guess_day_first(["02/03/2020", "2020-01-13"])[0] is None
    is_first, evidence = guess_day_first(["13/01/2020", "14/01/2020", "01/13/2020"])
    assert is_first is True
    assert "second in 1" in evidence


def test_the_language_of_the_columns_speaks_for_countries() -> None:
    assert countries_of(["id", "Vorname", "PLZ"]) == ["DE", "AT", "CH"]
    assert countries_of(["id", "value"]) == []


def test_the_region_is_where_the_numbers_are_dialled() -> None:
    assert guess_phone_region(["(415) 555-2671", "(212) 736-5000"], [])[0] == "US"
    assert guess_phone_region(["089 1234567", "030 7654321"], ["DE", "AT"])[0] == "DE"
    assert guess_phone_region(["+33 1 42 68 53 00", "+33 4 78 42 00 00"], [])[0] == "FR"
    austrian = ["+43 664 6975295", "+43 664 1234567", "0664 6975295", "0664 7654321"]
    assert guess_phone_region(austrian, ["DE", "AT"])[0] == "AT"
    assert guess_phone_region([*austrian[:2], "089 1234567", "030 7654321"], ["DE"])[0] == "DE"
