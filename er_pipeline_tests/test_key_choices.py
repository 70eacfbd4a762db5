import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.values.cleaning import KINDS
from er_pipeline.blocking.values.key_choices import (
    KEYS_OF_KIND,
    LISTED_KEYS_OF_KIND,
    key_choices,
    listed_choices,
)

FIELDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "phone": "phone",
    "company": "company",
    "birth_date": "date",
    "street": "address",
    "note": "text",
    "number": "identifier",
}
PERSON = {
    "first_name": "robert",
    "last_name": "smith",
    "email": "bob.smith7@acme.com",
    "phone": "+12025550143",
    "company": "acme widgets",
    "birth_date": "1980-02-11",
    "street": "12 long road",
    "note": "calls on mondays only",
    "number": "ab1234567",
}
# fmt: off
KEYS_OF_PERSON = {
    "first_name": "robert", "nickname(first_name)": "robert", "left(first_name, 4)": "robe",
    "letter_set(first_name)": "beort", "soundex(first_name)": "R163",
    "left(first_name, 2)": "ro", "left(first_name, 1)": "r",
    "last_name": "smith", "nickname(last_name)": "smith", "left(last_name, 4)": "smit",
    "letter_set(last_name)": "himst", "soundex(last_name)": "S530",
    "left(last_name, 2)": "sm", "left(last_name, 1)": "s",
    "email": "bob.smith7@acme.com", "email_user(email)": "bob.smith7",
    "email_letters(email)": "bobsmith", "letter_set(email_letters(email))": "bhimost",
    "right(email_letters(email), 5)": "smith", "left(email, 5)": "bob.s",
    "email_domain(email)": "acme.com",
    "phone": "+12025550143", "right(phone, 7)": "5550143", "left(phone, 8)": "+1202555",
    "right(phone, 4)": "0143",
    "company": "acme widgets", "company_word(company)": "acme", "left(company, 4)": "acme",
    "birth_date": "1980-02-11", "left(birth_date, 7)": "1980-02", "right(birth_date, 5)": "02-11",
    "year(birth_date)": "1980",
    "street": "12 long road", "left(street, 6)": "12 lon", "first_word(street)": "12",
    "digits(street)": "12",
    "note": "calls on mondays only", "left(note, 5)": "calls", "soundex(first_word(note))": "C420",
    "number": "ab1234567", "right(number, 4)": "4567", "left(number, 3)": "ab1",
    "either_order(first_name, last_name)": "robert smith",
    "either_order(soundex(first_name), soundex(last_name))": "R163 S530",
}
# fmt: on


def keys_of(engine: Engine, person: dict[str, str | None]) -> dict[str, list[str]]:
    """Give every key of a person: expression -> its values."""
    columns = ", ".join(f"? as {field}" for field in person)
    engine.execute(
        "create or replace table records as"
        f" select 0 as record_no, '' as record_id, '' as source, 0 as source_no, {columns}",
        list(person.values()),
    )
    choices = (*key_choices(FIELDS), *listed_choices(FIELDS, FIELDS))
    return {
        choice.expression: [
            key
            for (key,) in engine.rows(
                "select block_key from"
                f" ({choice.conjunction.keyed_records(engine, 'records')}) order by 1"
            )
        ]
        for choice in choices
    }


def test_every_kind_has_keys_the_whole_value_first() -> None:
    assert set(KEYS_OF_KIND) == set(KINDS)
    assert set(LISTED_KEYS_OF_KIND) <= set(KINDS)
    for keys in KEYS_OF_KIND.values():
        assert keys[0] == "{0}"


def test_the_keys_of_a_person_read_so(engine: Engine) -> None:
    keys = keys_of(engine, {**PERSON})
    lists = {name: keys.pop(name) for name in list(keys) if name.startswith("tokens")}
    assert {name: key for name, (key,) in keys.items()} == KEYS_OF_PERSON
    assert lists == {
        "tokens(company)": ["acme", "widgets"],
        "tokens(street)": ["12", "long", "road"],
        "tokens(note)": ["calls", "mondays", "on", "only"],
    }


def test_a_missing_value_has_no_key(engine: Engine) -> None:
    keys = keys_of(engine, dict.fromkeys(FIELDS))
    assert set(keys) == {*KEYS_OF_PERSON, "tokens(company)", "tokens(street)", "tokens(note)"}
    assert not any(keys.values())


def test_single_valued_keys_have_one_value_and_listed_ones_several() -> None:
    assert not any(choice.key.is_list for choice in key_choices(FIELDS))
    assert all(choice.key.is_list for choice in listed_choices(FIELDS, FIELDS))


def test_every_key_reads_its_own_field_alone_but_for_names_in_either_order() -> None:
    swapped = 0
    for choice in (*key_choices(FIELDS), *listed_choices(FIELDS, FIELDS)):
        if choice.swaps:
            swapped += 1
            assert choice.field == "first_name and last_name"
            assert choice.key.source_columns == choice.swaps == ("first_name", "last_name")
        else:
            assert choice.key.source_columns == (choice.field,)
    assert swapped == 2


def test_swapped_names_share_a_key_and_one_name_alone_has_none(engine: Engine) -> None:
    names = "either_order(first_name, last_name)"
    swapped = keys_of(engine, {**PERSON, "first_name": "smith", "last_name": "robert"})
    assert swapped[names] == [KEYS_OF_PERSON[names]]
    assert keys_of(engine, {**PERSON, "last_name": None})[names] == []


def test_one_name_cannot_be_swapped() -> None:
    assert not any(choice.swaps for choice in key_choices({"name": "person_name"}))


def test_only_the_fields_asked_for_are_listed() -> None:
    listed = listed_choices(FIELDS, {"note", "number"})
    assert [choice.expression for choice in listed] == ["tokens(note)"]


def test_keys_that_call_python_have_tables_of_their_own() -> None:
    choices = (*key_choices(FIELDS), *listed_choices(FIELDS, FIELDS))
    names = [choice.conjunction.name for choice in choices]
    assert len(set(names)) == len(names)
    lookups = [lookup.column for choice in choices for lookup in choice.conjunction.lookups]
    assert len(set(lookups)) == len(lookups)


def test_an_address_repeats_the_names_and_its_domain_the_company() -> None:
    repeats = {c.expression: c.repeats for c in key_choices(FIELDS) if c.repeats}
    assert repeats == {
        **dict.fromkeys(
            (
                "email_user(email)",
                "email_letters(email)",
                "letter_set(email_letters(email))",
                "right(email_letters(email), 5)",
                "left(email, 5)",
            ),
            ("first_name", "last_name"),
        ),
        "email_domain(email)": ("company",),
    }


@pytest.mark.parametrize(("domain", "key"), [("acme.com", []), ("other.com", ["other.com"])])
def test_the_users_own_free_mail_domains_give_no_key(
    engine: Engine, domain: str, key: list[str]
) -> None:
    engine.execute(
        "create table records as select 0 as record_no, '' as record_id, '' as source,"
        f" 0 as source_no, 'a@{domain}' as email"
    )
    of_domain = key_choices({"email": "email"}, ["acme.com"])[-1].conjunction
    found = engine.rows(f"select block_key from ({of_domain.keyed_records(engine, 'records')})")
    assert [value for (value,) in found] == key


def test_a_rounded_number_is_no_key_alone() -> None:
    found = {c.expression: c.never_alone for c in key_choices({"price": "number", "no": "text"})}
    assert [expression for expression, never in found.items() if never] == [
        *("two_digits(price)", "one_digit(price)"),
    ]
    assert "price" in found
