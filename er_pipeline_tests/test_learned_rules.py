from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.labels.labels import Journal, Label, RecordName
from er_pipeline.blocking.learning.learned_rules import rule_name
from er_pipeline.blocking.spec.learned import LearnedFacts, LearnedRule
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.learned_people import PREPARED, Made, made_up
from er_pipeline_tests.other_people import WIDE_KINDS, write_wide

NOISE = list(WIDE_KINDS)[5:]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_up(tmp_path_factory.mktemp("people"), 2_000)


@pytest.fixture(scope="module")
def auto(people: Made) -> tuple[float, float]:
    """Completeness and pairs per record of auto without labels, at 5 pairs per record."""
    return people.pair(budget={"pairs_per_record": 5})


def test_auto_finds_more_matches_in_fewer_pairs_than_the_default_strategies(
    people: Made, auto: tuple[float, float]
) -> None:
    default, default_cost = people.pair(strategies=None)
    assert auto[0] > default
    assert auto[1] <= 5 < default_cost
    assert auto[0] >= 0.99


def test_wide_tables_learn_no_rule_of_noise(tmp_path: Path) -> None:
    write_wide(tmp_path / "wide.csv", 5_000, 20)
    settings = {
        "dataset": "people",
        "sources": [{"path": "wide.csv"}],
        "fields": WIDE_KINDS,
        "cleaning": {"phone_region": "AU"},
        "truth": {"cluster_column": "person_id"},
    }
    wide = Made(tmp_path, settings).prepare()
    completeness, per_record = wide.pair(budget={"pairs_per_record": 5})
    assert completeness >= 0.985
    assert per_record <= 5
    facts = wide.lake.facts("learned_rules")
    for rule in facts["rules"]:
        assert not set(rule["source_columns"]) <= set(NOISE), rule["rule"]
        assert 0 < rule["pairs"] <= 6 * 5_000
    assert facts["pairs"] <= 30 * 5_000


def test_learning_twice_gives_the_same_with_any_number_of_threads(people: Made) -> None:
    def learned(threads: int) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
        facts = people.learn(threads)
        with DuckDBEngine() as engine:
            people.lake.open(engine, "blocks_train")
            return facts, engine.rows("select * from blocks_train")

    once = learned(1)
    assert once[0]["rules"]
    assert once == learned(2)


def test_the_rows_of_learned_rules_are_its_facts(people: Made) -> None:
    facts = people.learn()
    with DuckDBEngine() as engine:
        people.lake.open(engine, "learned_rules")
        columns = "rule_no, rule, expression, source_columns, origin, pairs, largest_block, recall"
        rows = engine.rows(f"select {columns} from learned_rules")
    assert rows == [
        (
            i,
            rule["rule"],
            " and ".join(rule["expressions"]),
            rule["source_columns"],
            rule["origin"],
            rule["pairs"],
            rule["largest_block"],
            None,  # nothing is held out without labels
        )
        for i, rule in enumerate(facts["rules"])
    ]
    assert (facts["recall"], facts["held_out_entities"]) == (None, 0)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (["phone"], "phone"),
        (["left(last_name, 4)", "phone"], "last_name_left_4_phone"),
        (["soundex(first_word(city))"], "city_first_word_soundex"),
        (["Email_Domain(Email)"], "email_email_domain"),
        (["concat(a, ' ', b)"], "a_concat_b"),
        (["'1' || a"], "rule_1_a"),
        (["x" * 70], "x" * 56),
    ],
)
def test_a_rule_is_named_after_its_keys(keys: list[str], name: str) -> None:
    assert rule_name(keys, set()) == name


def test_a_name_that_is_taken_gets_a_number() -> None:
    taken = {"phone", "phone_2", "phone_4"}
    assert rule_name(["phone"], taken) == "phone_3"
    assert rule_name(["left(phone, 2)"], {"phone_left_2"}) == "phone_left_2_2"


def test_names_of_rules_are_identifiers_that_no_strategy_has(people: Made) -> None:
    facts = people.learn(
        strategies={"Phone": "right(phone, 5)", "last_name": "company"},
        learning={"pin": ["phone", "last_name", "upper(last_name)", "upper( last_name || '')"]},
    )
    names = [rule["rule"] for rule in facts["rules"]]
    assert names[:4] == ["phone_2", "last_name_2", "last_name_upper", "last_name_upper_2"]
    assert len({name.lower() for name in (*names, "Phone", "last_name")}) == len(names) + 2
    assert all(name.isidentifier() and len(name) <= 63 for name in names)


def test_lexicographic_needs_a_judged_match(people: Made) -> None:
    people.judge([], [(0, 1)])
    with pytest.raises(InputError, match="there is none yet; judge some with er-pipeline label"):
        people.learn(learning={"ranking": "lexicographic"}, labels={})


def test_lexicographic_learns_as_the_document_says(dataset: Callable[..., Dataset]) -> None:
    texts = [  # equal numbers make three pairs, equal towns seven
        ("1", "york", "10293"),
        ("2", "york", "10293"),
        ("3", "york", "20495"),
        ("4", "york", "20495"),
        ("5", "ulm", "40817"),
        ("6", "ulm", "40817"),
    ]
    settings: dict[str, Any] = {
        "fields": {"town": "text", "number": "identifier"},
        "strategies": "auto",
        "labels": {},
        "weights": False,
    }
    rows = [{"id": i, "town": town, "number": number} for i, town, number in texts]
    bans = ["right(number, 4)", "left(number, 3)", "left(town, 5)", "soundex(first_word(town))"]
    learned = []
    for n_covered in (3, 4):
        learning = {"ranking": "lexicographic", "k": 1, "n_covered": n_covered, "ban": bans}
        data = dataset(rows, **settings, learning={**learning, "rule_pairs_per_record": 2})
        names = [RecordName("people", str(i)) for i in range(7)]
        label = Label(names[1], names[2], "match", "ann", "2026-11-03T10:15:00Z")
        Journal(data.folder / "labels.jsonl").append([label])
        data.filter()
        facts = data.lake.facts("learned_rules")
        learned.append([(rule["rule"], rule["pairs"]) for rule in facts["rules"]])
    assert learned == [[("number", 3)], [("number", 3), ("town", 7)]]


def test_labels_only_add(people: Made, auto: tuple[float, float]) -> None:
    people.judge_some(100, seed=7, n_wrong=100)
    completeness, per_record = people.pair(budget={"pairs_per_record": 5}, labels={})
    assert completeness >= auto[0] - 0.005
    assert per_record <= 5


def test_every_judged_match_is_found_where_the_budget_allows(people: Made) -> None:
    people.judge_some(60, seed=3)
    settings: dict[str, Any] = {"labels": {}, "learning": {"recall_floor": 1, "k": 2}}
    facts = people.learn(**settings)
    people.make("learned_blocks", [*PREPARED, "learned_rules"], **settings)
    with DuckDBEngine() as engine:
        people.lake.open(engine, "learned_blocks")
        people.lake.open(engine, "labels")
        (n_found,) = engine.row(
            "select count(distinct (p.left_no, p.right_no)) from labels as p"
            " join learned_blocks as l on l.record_no = p.left_no join learned_blocks as r"
            " on r.record_no = p.right_no and r.rule = l.rule and r.block_no = l.block_no"
        )
    assert (n_found, facts["labelled_matches"]) == (60, 60)


def test_the_facts_have_the_names_that_other_tables_read(people: Made) -> None:
    people.judge_some(12, seed=4)
    facts = people.learn(labels={}, learning={"max_rules": 3, "k": 1})
    assert set(facts) == set(LearnedFacts.__annotations__)
    assert facts["rules"]
    for rule in facts["rules"]:
        assert set(rule) == set(LearnedRule.__annotations__)
    assert people.lake.facts("learned_rules").keys() >= facts.keys()
