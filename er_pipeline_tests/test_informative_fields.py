from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from er_pipeline.blocking.learning import informative_fields
from er_pipeline.blocking.learning.informative_fields import LEAST_FIELDS, most_telling
from er_pipeline_tests.learned_people import Made, made_up
from er_pipeline_tests.other_people import WIDE_KINDS, write_wide

OF_PEOPLE = list(WIDE_KINDS)[:5]
# Of a hash of the record and the column, {0}.
NOISE = (
    "chr(97 + ({0} % 8)::integer)",
    "({0} % 1500)::varchar",
    "case when {0} % 10 = 0 then ({0} // 10 % 100)::varchar end",
    "(date '1950-01-01' + ({0} % 25000)::integer)::varchar",
)


def wide(folder: Path, n_fields: int, first: bool, n_records: int = 1_500) -> Made:
    """Make people of five fields among columns of noise, which stand first or last."""
    write_wide(folder / "people.csv", n_records, 20)
    noise = {
        f"noise_{i}": NOISE[i % len(NOISE)].format(f"hash(id || ' {i}')")
        for i in range(n_fields - len(OF_PEOPLE))
    }
    columns = ", ".join(f"{sql} as {name}" for name, sql in noise.items())
    duckdb.sql(
        f"copy (select id, person_id, {', '.join(OF_PEOPLE)}, {columns}"
        f" from read_csv('{folder}/people.csv', all_varchar = true))"
        f" to '{folder}/wide.csv' (header)"
    )
    fields = {**{name: WIDE_KINDS[name] for name in OF_PEOPLE}, **dict.fromkeys(noise, "text")}
    if first:
        fields = dict(reversed(fields.items()))
    settings: dict[str, Any] = {
        "dataset": "people",
        "sources": [{"path": "wide.csv"}],
        "fields": fields,
        "cleaning": {"phone_region": "AU"},
        "truth": {"cluster_column": "person_id"},
    }
    return Made(folder, settings).prepare()


def test_sixty_columns_find_what_the_five_that_say_something_do(tmp_path: Path) -> None:
    found = {}
    for n_fields in (6, 60):
        (folder := tmp_path / str(n_fields)).mkdir()
        people = wide(folder, n_fields, first=n_fields == 60)
        found[n_fields] = people.pair(budget={"pairs_per_record": 5})
        assert found[n_fields][1] <= 5
    assert found[60][0] >= found[6][0] - 0.01
    assert found[60][0] >= 0.98
    rules = people.lake.facts("learned_rules")["rules"]
    n_of_people = sum(bool(set(rule["source_columns"]) & set(OF_PEOPLE)) for rule in rules)
    assert n_of_people >= 0.8 * len(rules)


def test_conjunctions_counted_do_not_grow_with_the_square_of_the_fields(tmp_path: Path) -> None:
    counted = []
    for n_fields in (40, 80):
        (folder := tmp_path / str(n_fields)).mkdir()
        people = wide(folder, n_fields, first=True, n_records=600)
        counted.append(people.learn()["conjunctions_counted"])
    assert counted[1] <= 2 * counted[0]


def test_many_fields_learn_the_same_with_any_number_of_threads(tmp_path: Path) -> None:
    people = wide(tmp_path, 40, first=True, n_records=600)
    assert people.learn(threads=1) == people.learn(threads=2)


def test_few_fields_are_all_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = made_up(tmp_path, 500)
    rules = people.learn()["rules"]

    def refuse(*_: object) -> None:
        raise AssertionError("nobody was to look at single keys")

    monkeypatch.setattr(informative_fields, "say_of_pairs", refuse)
    monkeypatch.setattr(informative_fields, "MOST_FIELDS", 7)
    assert people.learn()["rules"] == rules
    monkeypatch.setattr(informative_fields, "MOST_FIELDS", 6)
    with pytest.raises(AssertionError, match="nobody was to look"):
        people.learn()


def test_left_out_fields_are_in_no_rule_but_a_pinned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = made_up(tmp_path, 1_000)
    monkeypatch.setattr(informative_fields, "MOST_FIELDS", 4)
    monkeypatch.setattr(informative_fields, "LEAST_FIELDS", 4)
    rules = people.learn(learning={"pin": ["city"]})["rules"]
    assert rules[0]["origin"] == "pinned"
    used = {column for rule in rules[1:] for column in rule["source_columns"]}
    assert 0 < len(used) <= 4


def test_what_adds_most_is_chosen_first_so_that_copies_come_late() -> None:
    draw = np.random.default_rng(5)
    agree = (draw.random((400, 4)) < [0.7, 0.65, 0.6, 0.55]).astype(float)
    # Three copies of the first before all others.
    worth = 5 * np.column_stack([agree[:, 0], agree[:, 0], agree[:, 0], agree])
    chosen = most_telling(worth, 7)
    assert chosen[0] == 0
    assert set(chosen[1:4]) == {4, 5, 6}


def test_fields_that_say_next_to_nothing_are_not_chosen_beyond_the_least_number() -> None:
    n = LEAST_FIELDS + 10
    worth = np.full((50, n), 0.01)
    worth[:, -3:] = 5.0
    chosen = most_telling(worth, n)
    assert sorted(chosen) == [*range(LEAST_FIELDS - 3), *range(n - 3, n)]
    worth[:, :] = 5.0
    assert len(most_telling(worth, n)) == n
    assert most_telling(np.zeros((0, n)), 4) == [0, 1, 2, 3]
