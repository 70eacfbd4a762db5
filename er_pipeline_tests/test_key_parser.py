from collections.abc import Sequence

import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.values.key_parser import parse_conjunction

PEOPLE = ("first_name", "last_name", "email", "company", "birth_date")


@pytest.mark.parametrize(
    ("keys", "columns"),
    [
        ("soundex(first_word(last_name))", ("last_name",)),
        (["left(last_name, 3)", "year(birth_date)"], ("birth_date", "last_name")),
        ("coalesce(email, lower(first_name || ' ' || last_name))", PEOPLE[:3][::-1]),
        ("case when company = 'acme' then email end", ("company", "email")),
        ("list_filter(tokens(company), x -> x <> last_name)", ("company", "last_name")),
        # A lambda's own name hides a field inside the lambda only.
        ("list_filter(tokens(email), email -> email > company)", ("company", "email")),
        ('qgrams(LAST_NAME || "email", 3)', ("email", "last_name")),
    ],
)
def test_source_columns_are_read_from_the_whole_expression(
    keys: str | list[str], columns: tuple[str, ...]
) -> None:
    assert parse_conjunction("trial", keys, PEOPLE).source_columns == tuple(sorted(columns))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("surname", "unknown column 'surname'; the fields are first_name, last_name"),
        ("soundex(surname)", "unknown column 'surname'"),
        ("r.last_name", "unknown column 'r.last_name'"),
        ("soundexx(last_name)", "soundexx does not exist"),
        (
            "soundexx(last_name)",
            "besides DuckDB's functions there are cologne, company_word, digits,",
        ),
        ("left(last_name, 3.5)", "No function matches"),
        ("left(last_name", "is not a SQL expression"),
        ("", "is not a SQL expression"),
        ("'constant'", "reads no field; the fields are first_name"),
        ("select last_name", "must be an expression, not a statement"),
        ("count(last_name)", "computed from one record alone: 'COUNT(last_name)'"),
        ("lag(last_name) over ()", "computed from one record alone"),
        ("coalesce(email, (select max(email) from t))", "computed from one record alone"),
        ("histogram(last_name)", "cannot contain aggregates"),
        ("last_name || random()", "the same value every night: 'random()'"),
        ("last_name || now()", "the same value every night: 'now()'"),
        ("last_name || uuidv7()", "the same value every night"),
        ("unnest(string_split(last_name, ' '))", "need not unnest: a list gives one block"),
        ("regexp_split_to_table(last_name, ' ')", "UNNEST not supported here"),
        ("last_name || email.upper()", "upper(x), instead of 'email.upper()'"),
        ("soundex(last_name, 2)", "soundex() takes 1 argument, not 2"),
        ("qgrams(last_name)", "qgrams() takes 2 arguments, not 1"),
        ("list_transform(tokens(last_name), x -> soundex(x))", "inside a lambda"),
    ],
)
def test_an_error_says_which_key_is_wrong_and_what_exists(key: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_conjunction("trial", key, PEOPLE)
    assert message in str(caught.value)
    assert f"key {key!r}" in str(caught.value)


def test_a_conjunction_needs_a_key_and_takes_one_many_valued_key() -> None:
    with pytest.raises(SpecError, match="'trial' has no key"):
        parse_conjunction("trial", [], PEOPLE)
    with pytest.raises(SpecError, match="several many-valued keys"):
        parse_conjunction("trial", ["tokens(last_name)", "qgrams(company, 2)"], PEOPLE)


def written_out(key: str, fields: Sequence[str] = PEOPLE, free_mail: Sequence[str] = ()) -> str:
    (only,) = parse_conjunction("trial", key, fields, free_mail).identity
    return only


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("soundex(last_name)", "soundex(last_name)"),
        ("soundex(first_word(last_name))", "soundex(split_part(last_name, ' ', 1))"),
        (
            "lower(soundex(nickname(first_name)))",
            "lower(soundex(nickname(first_name)))",
        ),
        (
            "soundex(last_name) || digits(metaphone(company))",
            "soundex(last_name) || regexp_replace(metaphone(company), '[^0-9]', '', 'g')",
        ),
        ("tokens(company)", "str_split(company, ' ')"),
        ("[email, year(birth_date)]", "[email, substring(birth_date, 1, 4)]"),
    ],
)
def test_a_key_is_written_out_in_full(key: str, expected: str) -> None:
    assert written_out(key) == expected
    assert "lookup" not in written_out(key)


@pytest.mark.parametrize(
    "keys",
    [
        # Their SQL is the same: the column of a lookup.
        ("soundex(last_name)", "soundex(first_name)", "metaphone(last_name)", "last_name"),
        ("soundex(nickname(email))", "nickname(soundex(email))", "soundex(nickname(company))"),
        ("qgrams(email, 2)", "qgrams(email, 3)", "qgrams(company, 2)", "tokens(email)"),
        ("soundex(first_word(email))", "first_word(soundex(email))", "soundex(email)"),
        ("[soundex(email), company]", "[company, soundex(email)]", "[soundex(email)]"),
        ("left(email, 2)", "left(email, 3)", "left(email, -2)", "right(email, 2)"),
        ("email || 'a'", "email || 'A'", "email || ' a'", "email || company"),
        ("length(email) - (length(company) - 1)", "length(email) - length(company) - 1"),
        ("email_domain(email)", "email_user(email)", "split_part(email, '@', 2)"),
        (
            "list_filter(tokens(email), email -> email > company)",
            "list_filter(tokens(email), x -> email > company)",
        ),
    ],
)
def test_keys_that_compute_different_things_are_written_out_differently(
    keys: Sequence[str],
) -> None:
    assert len({written_out(key) for key in keys}) == len(keys)


@pytest.mark.parametrize(
    "spellings",
    [
        (
            "soundex(last_name)",
            "SOUNDEX( Last_Name )",
            '"soundex"("LAST_NAME")',
            "(soundex(last_name))",
        ),
        ("left(email, 3)", " Left(email,3)", 'left(("email"), 3) -- its beginning'),
        ("case when email > 'a' then email end", "CASE  WHEN email>'a' THEN\nEMAIL END"),
        ("first_word(soundex(email))", "split_part(Soundex(email), ' ', 1)"),
        ("tokens(email)", "string_split(email, ' ')"),
        ("email::varchar", "cast(email as text)"),
        (
            "list_transform(tokens(email), x -> upper(x))",
            "list_transform(tokens(email), lambda x: UPPER(x))",
        ),
    ],
)
def test_spellings_of_one_key_are_written_out_alike(spellings: Sequence[str]) -> None:
    assert len({written_out(key) for key in spellings}) == 1


def test_free_mail_of_the_user_is_part_of_what_a_key_computes() -> None:
    for key in ("email_domain(email)", "soundex(email_domain(email))"):
        theirs = written_out(key, free_mail=["Campus.edu"])
        assert "'campus.edu'" not in written_out(key)
        assert "'campus.edu'" in theirs
        assert theirs != written_out(key)
        assert theirs == written_out(key, free_mail=["campus.edu"])
    assert written_out("email", free_mail=["campus.edu"]) == written_out("email")


@pytest.mark.parametrize("field", ["null", "select", "case", "current_date", "a b", "a || b", "1"])
def test_a_field_that_is_no_plain_name_keeps_its_quotes(field: str) -> None:
    assert written_out(f'soundex("{field}")', [field, "a", "b"]) == f'soundex("{field}")'


def test_the_name_of_a_conjunction_is_no_part_of_its_identity() -> None:
    keys = ["soundex(last_name)", "left(first_name, 1)"]
    one, other = (parse_conjunction(name, keys, PEOPLE) for name in ("one", "other"))
    assert one.identity == other.identity == ["soundex(last_name)", "left(first_name, 1)"]
    assert one.keys != other.keys  # their lookups are called otherwise
    assert parse_conjunction("one", keys[::-1], PEOPLE).identity == one.identity[::-1]


def test_a_call_of_sql_within_a_call_keeps_what_its_argument_is(engine: Engine) -> None:
    engine.make_table(
        "cleaned_records",
        "select 0 as record_no, 'a' as record_id, 'people' as source, 0 as source_no,"
        " 'b' as one, 'a' as other",
    )
    for key, expected in (
        ("either_order(one || other, other)", "a ba"),
        ("first_word(one || ' ' || other)", "b"),
        ("either_order(either_order(one, other), one)", "a b b"),
        ("year(lower(one || '234') || other)", "b234"),
    ):
        conjunction = parse_conjunction("trial", key, ["one", "other"])
        found = engine.rows(conjunction.keyed_records(engine, "cleaned_records"))
        assert [row[4] for row in found] == [expected], key
