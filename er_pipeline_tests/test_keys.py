from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.values.key_parser import parse_conjunction

PEOPLE = ("first_name", "last_name", "email", "company", "birth_date")
JOHN = {"first_name": "john", "last_name": "smith", "email": "john@acme.com"}


def keys_of(
    engine: DuckDBEngine, keys: str | Sequence[str], *records: Mapping[str, str | None]
) -> list[list[str]]:
    """Give the sorted block keys of every record."""
    fields = list(dict.fromkeys(name for record in records for name in record))
    declared = ", ".join(f'"{name}" varchar' for name in fields)
    engine.execute(
        "create or replace table cleaned_records (record_no integer, record_id varchar,"
        f" source varchar, source_no smallint, {declared})"
    )
    marks = ", ".join("?" for _ in fields)
    for i, record in enumerate(records):
        values = [record.get(name) for name in fields]
        engine.execute(
            f"insert into cleaned_records values ({i}, 'r{i}', 'people', 0, {marks})", values
        )
    conjunction = parse_conjunction("trial", keys, fields)
    found = engine.rows(conjunction.keyed_records(engine, "cleaned_records"))
    return [sorted(row[4] for row in found if row[0] == i) for i in range(len(records))]


@pytest.mark.parametrize(
    ("keys", "block_key"),
    [
        (["left(last_name, 3)", "left(first_name, 1)"], "smij"),
        (["left(first_name, 2)", "left(last_name, 2)"], "josm"),
        ("soundex(last_name)", "S530"),
        ("email_domain(email)", "acme.com"),
        ("email_user(email)", "john"),
        ("email", "john@acme.com"),
        ("upper(last_name)", "SMITH"),
        ("LAST_NAME", "smith"),
    ],
)
def test_john_smith_has_the_keys_of_the_named_strategies(
    engine: DuckDBEngine, keys: str | list[str], block_key: str
) -> None:
    assert keys_of(engine, keys, JOHN) == [[block_key]]


@pytest.mark.parametrize(
    ("key", "value", "block_key"),
    [
        ("first_word(x)", "van der berg", "van"),
        ("initials(x)", "john ronald reuel", "jrr"),
        ("digits(x)", "flat 12 b 3", "123"),
        ("year(x)", "1984-02-29", "1984"),
        ("metaphone(x)", "catherine", "K0RN"),
        ("nysiis(x)", "knight", "NAGT"),
        ("nickname(x)", "bill", "william"),
        ("company_word(x)", "the acme company", "acme"),
    ],
)
def test_every_function_of_our_own_works_in_a_strategy(
    engine: DuckDBEngine, key: str, value: str, block_key: str
) -> None:
    assert keys_of(engine, key, {"x": value}) == [[block_key]]


def test_free_mail_and_the_users_own_free_mail_give_no_domain_key() -> None:
    theirs = parse_conjunction("trial", "email_domain(email)", PEOPLE, ["Campus.edu"])
    with DuckDBEngine(threads=1) as engine:
        engine.execute(
            "create table cleaned_records as select 0 as record_no, '' as record_id,"
            " '' as source, 0 as source_no, unnest(['a@gmail.com', 'a@campus.edu', 'a@acme.com',"
            " 'nobody']) as email"
        )
        found = engine.rows(theirs.keyed_records(engine, "cleaned_records"))
    assert [row[4] for row in found] == ["acme.com"]


def test_python_functions_nest_in_each_other_and_in_sql(engine: DuckDBEngine) -> None:
    smith = {"last_name": "smyth jones", "first_name": "bill"}
    assert keys_of(engine, "soundex(first_word(last_name))", smith) == [["S530"]]
    assert keys_of(engine, "lower(soundex(nickname(first_name)))", smith) == [["w450"]]
    both = "soundex(last_name) || soundex(first_name)"
    assert keys_of(engine, both, smith) == [["S532B400"]]


def test_a_python_function_is_called_once_per_distinct_value(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[str] = []
    original = DuckDBEngine.map_distinct

    def count(self: DuckDBEngine, name: str, values_sql: str, call: object) -> None:
        def counted(value: str) -> str:
            handed.append(value)
            return value.upper()

        original(self, name, values_sql, counted)

    monkeypatch.setattr(DuckDBEngine, "map_distinct", count)
    rows = [{"last_name": name} for name in ("smith jones", "smith", "smith", "lee")]
    assert keys_of(engine, "soundex(first_word(last_name))", *rows) == [
        ["SMITH"],
        ["SMITH"],
        ["SMITH"],
        ["LEE"],
    ]
    assert sorted(handed) == ["lee", "smith"]


@pytest.mark.parametrize(
    "key",
    [
        "list_transform(string_split(last_name, ' '), x -> upper(x))",
        "list_transform(string_split(last_name, ' '), lambda x: upper(x))",
        "list_transform(tokens(last_name), last_name -> upper(last_name))",
    ],
)
def test_the_users_own_lambda_works_in_every_form(engine: DuckDBEngine, key: str) -> None:
    conjunction = parse_conjunction("trial", key, PEOPLE)
    assert conjunction.source_columns == ("last_name",)
    assert conjunction.is_list
    assert keys_of(engine, key, {"last_name": "smith lee"}) == [["LEE", "SMITH"]]


@pytest.mark.parametrize("missing", [None, "", "  "])
def test_a_null_or_blank_member_gives_no_key(engine: DuckDBEngine, missing: str | None) -> None:
    whole = {"first_name": "ann", "last_name": "lee"}
    halves = [{**whole, "first_name": missing}, {**whole, "last_name": missing}]
    assert keys_of(engine, ["first_name", "last_name"], whole, *halves) == [["ann|lee"], [], []]
    assert keys_of(engine, "soundex(last_name)", whole, halves[1]) == [["L000"], []]
    assert keys_of(engine, "tokens(last_name)", whole, halves[1]) == [["lee"], []]


def test_members_shorter_than_their_width_are_kept_apart(engine: DuckDBEngine) -> None:
    name_key = ["left(last_name, 3)", "left(first_name, 1)"]
    # Without a mark both "ab" + "cd"[:1] and "abc" + "" would read "abc".
    found = keys_of(
        engine,
        name_key,
        {"last_name": "ab", "first_name": "cd"},
        {"last_name": "abc", "first_name": "d"},
        {"last_name": "de la", "first_name": "x"},
        {"last_name": "de", "first_name": "x"},
    )
    assert found == [["ab|c"], ["abcd"], ["de|x"], ["de|x"]]


def test_the_mark_between_members_may_stand_in_a_value(engine: DuckDBEngine) -> None:
    a, b = {"x": "a|", "y": "b"}, {"x": "a", "y": "|b"}
    assert keys_of(engine, ["x", "y"], a, b) == [["a\\||b"], ["a||b"]]


member = st.text("ab|\\ ", max_size=4)


@settings(max_examples=20, deadline=None)
@given(
    records=st.lists(st.tuples(member, member), min_size=2, max_size=12),
    keys=st.sampled_from(
        [["x", "y"], ["left(x, 2)", "y"], ["left(x, -1)", "y"], ["left(x, 1)", "left(y, 3)", "x"]]
    ),
)
def test_joined_keys_are_equal_exactly_where_all_members_are(
    records: list[tuple[str, str]], keys: list[str]
) -> None:
    with DuckDBEngine(threads=1) as engine:
        rows = [{"x": x, "y": y} for x, y in records]
        joined = keys_of(engine, keys, *rows)
        members = [keys_of(engine, key, *rows) for key in keys]
    by_members = [
        tuple(parts[i][0] if parts[i] else None for parts in members) for i in range(len(rows))
    ]
    for i, key in enumerate(joined):
        assert bool(key) == (None not in by_members[i])
        for j in range(i):
            if key and joined[j]:
                assert (key == joined[j]) == (by_members[i] == by_members[j])


def test_a_many_valued_key_gives_every_distinct_element_once(engine: DuckDBEngine) -> None:
    found = keys_of(engine, "tokens(x)", {"x": "the big the"}, {"x": "big"}, {"x": None})
    assert found == [["big", "the"], ["big"], []]
    # "a a" holds "a " and " a": both are the key "a", which the record has once.
    assert keys_of(engine, "qgrams(x, 2)", {"x": "a a"}, {"x": "abc"}, {"x": "a"}) == [
        ["a"],
        ["ab", "bc"],
        ["a"],
    ]
    assert keys_of(engine, ["y", "tokens(x)"], {"x": "a b", "y": "q"}) == [["q|a", "q|b"]]
    assert keys_of(engine, "[x, y]", {"x": "a", "y": "b"}, {"x": "a", "y": None}) == [
        ["a", "b"],
        ["a"],
    ]


@pytest.mark.parametrize("field", ["value", "result", "i", "r", "l", "member_0", "select"])
def test_a_field_may_have_any_name(engine: DuckDBEngine, field: str) -> None:
    rows = [{field: "smith"}, {field: "lee"}]
    assert keys_of(engine, f'soundex("{field}")', *rows) == [["S530"], ["L000"]]
    assert keys_of(engine, f'qgrams("{field}", 4)', *rows) == [["mith", "smit"], ["lee"]]


def test_a_conjunction_reads_as_people_write_it() -> None:
    conjunction = parse_conjunction("name_key", ["left(last_name, 3)", "first_name"], PEOPLE)
    assert conjunction.expression == "left(last_name, 3) and first_name"
    assert not conjunction.is_list
