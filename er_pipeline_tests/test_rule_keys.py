from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from er_pipeline.blocking.learning.rule_keys import Banned
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.learned_people import Made, expressions, made_up

SOME_PINS = [
    "soundex(city)",  # not among the choices
    ["left(last_name,2)", "YEAR(birth_date)"],  # they are, written otherwise
    ["concat(first_name, last_name)", "tokens(company)"],
    "city",  # expensive: over the limit of a rule
]
SOME_BANS = ["phone", ["left(first_name, 2)", "left(last_name, 2)"], "email_user(email)"]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_up(tmp_path_factory.mktemp("people"), 2_000)


def test_rules_beside_strategies_say_something_else(people: Made) -> None:
    declared = {"phone": "phone", "name": ["left(last_name,2)", "left(first_name,2)"]}
    facts = people.learn(strategies=declared, learning={})
    assert facts["rules"]
    for keys in expressions(facts):
        assert not {"phone"} <= set(keys)
        assert not {"left(last_name, 2)", "left(first_name, 2)"} <= set(keys)


@pytest.mark.parametrize("ranking", ["budgeted", "lexicographic"])
def test_pinned_rules_are_always_learned_and_banned_ones_never(people: Made, ranking: str) -> None:
    people.judge_some(9, seed=1)
    settings = {
        "ranking": ranking,
        "pin": SOME_PINS,
        "ban": SOME_BANS,
        "pairs_per_record": 300,
        "rule_pairs_per_record": 1,
        "max_rules": 12,
    }
    facts = people.learn(learning=settings, labels={})
    pinned = [rule["expressions"] for rule in facts["rules"] if rule["origin"] == "pinned"]
    assert pinned == [
        ["soundex(city)"],
        ["left(last_name, 2)", "year(birth_date)"],
        ["concat(first_name, last_name)", "tokens(company)"],
        ["city"],
    ]
    learned = [rule["expressions"] for rule in facts["rules"] if rule["origin"] == "learned"]
    assert learned
    for keys in learned:
        assert not {"phone", "email_user(email)"} & set(keys)
        assert not {"left(first_name, 2)", "left(last_name, 2)"} <= set(keys)
        assert sum(key.startswith("tokens") for key in keys) <= 1


def test_a_pinned_rule_makes_the_pairs_of_its_sql(people: Made) -> None:
    facts = people.learn(learning={"pin": ["city || ' ' || left(phone, 5)"], "max_rules": 1})
    with DuckDBEngine() as engine:
        people.lake.open(engine, "cleaned_records")
        (pairs,) = engine.row(
            "select sum(n * (n - 1) // 2) from (select count(*) as n from cleaned_records"
            " where city is not null and phone is not null group by city, left(phone, 5))"
        )
    assert [rule["pairs"] for rule in facts["rules"]] == [pairs]


def test_keys_that_differ_in_quotes_only_are_two_keys(dataset: Callable[..., Dataset]) -> None:
    data = dataset(
        [{"id": "1", "name": "a b"}, {"id": "2", "name": "ab"}, {"id": "3", "name": "abc"}],
        strategies="auto",
        learning={"pin": ["replace(name, ' ', '')", "replace(name, '', '')"], "max_rules": 2},
    )
    data.filter()
    rules = data.lake.facts("learned_rules")["rules"]
    assert [rule["pairs"] for rule in rules] == [1, 0]


@pytest.mark.parametrize(
    ("learning", "place", "text"),
    [
        (
            {"pin": ["left(lastname, 3)"]},
            ("learning", "pin", 0),
            "column 'lastname'; did you mean 'last_name'",
        ),
        ({"ban": ["phone", "sum(phone)"]}, ("learning", "ban", 1), "from one record alone"),
        ({"pin": [["tokens(company)", "tokens(city)"]]}, ("learning", "pin", 0), "several many-"),
        ({"ban": [["phone", "left(x"]]}, ("learning", "ban", 0), "not a SQL expression"),
        ({"pin": [[]]}, ("learning", "pin", 0), "has no key"),
        ({"pin": ["phone"] * 59}, ("learning", "pin"), "at most 58 pinned rules fit"),
        ({"ranking": "lexicographic"}, ("learning", "ranking"), "write labels: {path: labels.jso"),
    ],
)
def test_wrong_settings_are_reported_with_their_place(
    people: Made, learning: dict[str, Any], place: tuple[str | int, ...], text: str
) -> None:
    with pytest.raises(ValidationError) as error:
        people.spec(learning=learning)
    [problem] = error.value.errors()
    assert problem["loc"] == place
    assert text in problem["msg"]


def test_keys_that_yaml_cut_at_their_commas_are_whole_again(people: Made) -> None:
    spec = people.spec(learning={"ban": ["left(last_name", "3)", "phone"]})
    assert spec.learns
    assert spec.learns.ban == ["left(last_name, 3)", "phone"]


def test_keys_that_are_never_alone_need_another_one() -> None:
    banned = Banned((), frozenset({3}))
    assert banned((3,))
    assert not banned((3, 4))
    assert not banned((4,))
