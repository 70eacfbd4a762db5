from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from er_pipeline.blocking.spec.settings import (
    Identifier,
    KeyExpressionsList,
    Settings,
    Share,
    on_or_off,
    resolved_url,
    validation_error,
)
from er_pipeline_tests.small_spec import read_small_spec, small_spec


class Section(Settings):
    """A section with a section of its own."""

    name: Identifier = "people"
    share: Share = 0.5
    most: int = Field(3, ge=1)
    below: "Section | None" = None


def text_of(settings: Any) -> str:
    """Give the one problem of a section that is wrong, as a user reads it."""
    with pytest.raises(ValidationError) as caught:
        Section.model_validate(settings)
    (problem,) = caught.value.errors()
    place = ".".join(map(str, problem["loc"]))
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"shar": 1}, "shar: unknown setting 'shar'; did you mean 'share'?"),
        ({"xyz": 1}, "xyz: unknown setting 'xyz'; there are name, share, most, below"),
        (
            {"below": {"mots": 1}},
            "below.mots: unknown setting 'mots'; did you mean 'most'?",
        ),
        ({"below": 5}, "below: settings stand under this one, as name: value; 5 is none"),
        (
            {"name": "a b"},
            "name: 'a b' is no name here: a letter first, then letters a to z, digits and _, at"
            " most 63 in all",
        ),
        ({"most": True}, "most: true is no number"),
        ({"share": False}, "share: false is no number"),
        (
            {"name": False},
            "name: Input should be a valid string; YAML reads false here, so put it in quotes",
        ),
        ({"share": 2}, "share: Input should be less than or equal to 1"),
        ({"share": float("inf")}, "share: Input should be a finite number"),
        ({"below": {"most": 0}}, "below.most: Input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place_and_what_to_write(
    settings: Any, text: str
) -> None:
    assert text_of(settings) == text


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        Section.model_validate({"shar": 1, "most": True, "below": {"name": "1st", "most": 0}})
    places = [problem["loc"] for problem in caught.value.errors()]
    assert sorted(places) == [("below", "most"), ("below", "name"), ("most",), ("shar",)]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"fields": {False: "text"}}, "YAML reads a name here as false; put it in quotes"),
        ({"dataset": "my people"}, "'my people' is no name here: a letter first"),
    ],
)
def test_a_name_that_is_none_is_refused_in_a_whole_spec(
    settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        small_spec(**settings)
    assert text in str(caught.value)


def test_settings_do_not_change_after_they_were_read() -> None:
    section = Section()
    with pytest.raises(ValidationError, match="frozen"):
        section.most = 5  # type: ignore[misc]


@pytest.mark.parametrize(("written", "read"), [(True, {}), (False, None), (None, None), ("a", "a")])
def test_a_section_is_switched_on_or_off(written: Any, read: Any) -> None:
    assert on_or_off(written) == read


def test_problems_keep_their_places_and_their_texts() -> None:
    error = validation_error("Spec", [(("blocks", 0), "too few"), ((), "nothing fits")])
    assert [(problem["loc"], problem["ctx"]["error"]) for problem in error.errors()] == [
        (("blocks", 0), "too few"),
        ((), "nothing fits"),
    ]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("a", True), ("A_1", True), ("a" * 63, True), ("a" * 64, False)]
    + [(name, False) for name in ("", "1a", "_a", "a-b", "ä", "a\n")],
)
def test_an_identifier_is_a_letter_and_then_letters_digits_and_underscores(
    name: str, is_one: bool
) -> None:
    adapter = TypeAdapter(Identifier)
    if is_one:
        assert adapter.validate_python(name) == name
    else:
        with pytest.raises(ValidationError):
            adapter.validate_python(name)


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        (
            "[left(last_name, 3), left(first_name, 1)]",
            ["left(last_name, 3)", "left(first_name, 1)"],
        ),
        ('["left(last_name, 3)", email]', ["left(last_name, 3)", "email"]),
        (
            "[coalesce(email, concat_ws(' ', company, email)), last_name]",
            ["coalesce(email, concat_ws(' ', company, email))", "last_name"],
        ),
        ("['split_part(email, '','', 1)', last_name]", ["split_part(email, ',', 1)", "last_name"]),
        ("left(last_name, 3)", ["left(last_name, 3)"]),
        ("\n      - left(last_name, 3)\n      - first_name", ["left(last_name, 3)", "first_name"]),
    ],
)
def test_a_list_of_keys_needs_no_quotes(tmp_path: Path, written: str, keys: list[str]) -> None:
    (strategy,) = read_small_spec(
        tmp_path, f"  strategies:\n    key: {written}\n"
    ).strategy_conjunctions
    assert [key.expression for key in strategy.keys] == keys


ARGUMENTS = st.sampled_from(["name", "3", "', '", "'(('", "true", "left(name, 2)"])
CALLS = st.lists(ARGUMENTS, min_size=1, max_size=4).map(lambda args: f"f({', '.join(args)})")


@given(st.lists(CALLS | st.just("email"), min_size=1, max_size=4))
def test_keys_that_yaml_cuts_at_their_commas_are_put_together_again(keys: list[str]) -> None:
    as_yaml_reads = {"3": 3, "true": True}
    cut = [as_yaml_reads.get(piece, piece) for piece in ", ".join(keys).split(", ")]
    assert TypeAdapter(KeyExpressionsList).validate_python(cut) == keys


def test_an_expression_that_never_ends_is_left_for_the_parser_to_refuse() -> None:
    adapter = TypeAdapter(KeyExpressionsList)
    assert adapter.validate_python(["email", "left(name", "3"]) == ["email", "left(name, 3"]


@pytest.mark.parametrize(
    ("url", "full"),
    [
        ("sqlite:///a.db", "sqlite:////data/shop/a.db"),
        ("sqlite+pysqlite:///b/a.db?timeout=3", "sqlite+pysqlite:////data/shop/b/a.db?timeout=3"),
        ("duckdb:///a.duckdb", "duckdb:////data/shop/a.duckdb"),
        ("sqlite:////full/a.db", None),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("sqlite:///file:a.db?uri=true", None),
        ("postgresql+psycopg://ann@host/name", None),
    ],
)
def test_a_database_that_is_a_file_lies_beside_the_declaration(url: str, full: str | None) -> None:
    assert resolved_url(url, Path("/data/shop")) == (full or url)
