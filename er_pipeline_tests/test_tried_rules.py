from pathlib import Path

import pytest

from er_pipeline.blocking.spec.checks_section import Checks
from er_pipeline.matching.tried_rules import failed_before, read_tried_rules, tried_lines
from er_pipeline_tests.conftest import Dataset, made_up_people

PHONE = frozenset({"phone"})


def test_a_rule_of_too_many_matches_fails_with_every_further_key() -> None:
    tried = {PHONE: 1.0, frozenset({"zip"}): 0.5}
    assert failed_before(["phone"], tried, Checks())
    assert failed_before(["city", "phone"], tried, Checks())
    assert not failed_before(["zip"], tried, Checks())
    assert not failed_before(["right(phone, 4)"], tried, Checks())


def test_a_rule_of_too_few_matches_may_be_joined_with_another_key() -> None:
    assert failed_before(["phone"], {PHONE: 0.0}, Checks())
    assert not failed_before(["city", "phone"], {PHONE: 0.0}, Checks())


def test_only_what_failed_is_named() -> None:
    assert list(tried_lines({PHONE: 1.0, frozenset({"zip"}): 0.5}, Checks())) == [
        "Not proposed again: phone, of whose pairs EM found 100.00% to be matches in the last run."
    ]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder: Path = tmp_path_factory.mktemp("people")
    return Dataset(
        folder,
        [made_up_people(folder, 500)],
        strategies={"email": "email"},
        matching={"max_u_pairs": 20_000},
        training_rules={"same_name": ["first_name", "last_name"], "same_phone": "phone"},
    )


def test_the_sessions_of_the_last_run_are_read_by_their_keys(people: Dataset) -> None:
    people.clean()
    assert read_tried_rules(people.lake) == {}
    found = {session["rule"]: session["match_share"] for session in people.train()["sessions"]}
    assert read_tried_rules(people.lake) == {
        frozenset({"first_name", "last_name"}): found["same_name"],
        PHONE: found["same_phone"],
    }
