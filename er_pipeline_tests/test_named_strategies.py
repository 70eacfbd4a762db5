from pathlib import Path

import pytest

import er_pipeline
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.spec.checks_section import Checks
from er_pipeline.blocking.spec.schedule_section import Schedule
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline_tests.small_spec import read_small_spec, small_spec


def test_the_defaults_are_those_of_the_seed(tmp_path: Path) -> None:
    people = read_small_spec(tmp_path)
    assert {s.name: s.expression for s in people.strategy_conjunctions} == {
        "email_exact": "email",
        "email_domain": "email_domain(email)",
        "name_key": "left(last_name, 3) and left(first_name, 1)",
        "soundex": "soundex(last_name)",
        "company_word": "company_word(company)",
        "name_combo": "left(first_name, 2) and left(last_name, 2)",
    }
    assert people.blocks == Blocks(min_size=2, max_size=500, oversized="drop")
    assert people.checks.min_key_coverage == 0.95
    assert (people.checks.max_pairs, people.checks.max_training_pairs) == (20_000_000, 10_000_000)
    assert people.schedule == Schedule(cron="0 2 * * *", timezone="UTC", enabled=True)
    assert people.link_mode == "dedupe"
    assert people.engine == "duckdb"
    assert people.checks == Checks()


def test_the_demo_dataset_says_what_the_defaults_say() -> None:
    file = Path(er_pipeline.__file__).parent / "defs" / "people" / "defs.yaml"
    demo = read_spec(file)
    assert demo.dataset == "people"
    names = [strategy.name for strategy in demo.strategy_conjunctions]
    assert names == [
        "email_exact",
        "email_domain",
        "name_key",
        "soundex",
        "company_word",
        "name_combo",
    ]
    without = demo.model_copy(update={"strategies": None})
    assert [s.expression for s in without.strategy_conjunctions] == [
        s.expression for s in demo.strategy_conjunctions
    ]
    assert (demo.blocks, demo.checks, demo.schedule) == (Blocks(), Checks(), Schedule())


def test_only_the_six_strategies_whose_fields_exist_are_used() -> None:
    names = [
        strategy.name
        for strategy in small_spec(
            fields={"last_name": "person_name", "email": "email"}, strategies=None
        ).strategy_conjunctions
    ]
    assert names == ["email_exact", "email_domain", "soundex"]


def test_a_built_in_strategy_is_switched_on_by_name(tmp_path: Path) -> None:
    people = read_small_spec(
        tmp_path,
        "  strategies: {nickname: true, first_name_soundex: true, soundex: false, mine: email}\n",
    )
    assert {s.name: s.expression for s in people.strategy_conjunctions} == {
        "nickname": "nickname(first_name) and last_name",
        "first_name_soundex": "soundex(first_name)",
        "mine": "email",
    }


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{a: left(last_name, 3)}", '{ } needs quotes: a: "left(last_name, 3)"'),
        ("{b: email, a: substr(last_name, 1, 3), c: email}", 'a: "substr(last_name, 1, 3)"'),
    ],
)
def test_a_key_that_a_comma_cuts_is_said_to_need_quotes(
    tmp_path: Path, written: str, meant: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read_small_spec(tmp_path, f"  strategies: {written}\n")
    assert meant in str(caught.value)
