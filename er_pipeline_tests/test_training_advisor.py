import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from er_pipeline.blocking.blocks.em_training_blocks import build_em_training_blocks
from er_pipeline.blocking.blocks.training_facts import sum_training_rules, with_training_rules
from er_pipeline.blocking.spec.kinds import default_training_rules
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching.em_model import train_model
from er_pipeline.matching.training_advisor import (
    Candidate,
    advise_rules,
    named_rules,
    propose_rules,
    rules_yaml,
    usual_rules_fit,
)
from er_pipeline.terminal.cli import main
from er_pipeline_tests.conftest import Dataset, Rows, made_up_people

KINDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "company": "company",
    "phone": "phone",
    "birth_date": "date",
    "city": "text",
}


def people_with(folder: Path, *sources: Rows, **settings: Any) -> Dataset:
    declared: dict[str, Any] = {
        "fields": KINDS,
        "strategies": {"email": "email"},
        "matching": {"max_u_pairs": 50_000},
        "truth": {"cluster_column": "person_id"},
    }
    people = Dataset(folder, sources, **{**declared, **settings})
    people.clean()
    return people


def advice_for(people: Dataset, spec: PipelineSpec | None = None) -> list[Candidate]:
    with DuckDBEngine(threads=people.threads) as engine:
        return advise_rules(engine, people.lake, spec or people.spec)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return made_up_people(tmp_path_factory.mktemp("rows"), 2_000)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, rows: Rows) -> Dataset:
    return people_with(tmp_path_factory.mktemp("people"), rows)


@pytest.fixture(scope="module")
def advice(people: Dataset) -> list[Candidate]:
    return advice_for(people)


def test_every_comparison_is_free_twice(people: Dataset, advice: list[Candidate]) -> None:
    for field in people.spec.comparison_fields:
        assert sum(field not in rule.fields for rule in advice) >= 2
    for one, other in combinations(advice, 2):
        assert one.fields.isdisjoint(other.fields)


def test_what_is_proposed_holds_when_it_trains(people: Dataset, advice: list[Candidate]) -> None:
    spec = with_training_rules(people.spec, named_rules(advice))
    people.spec, before = spec, people.spec
    try:
        facts = people.train()
    finally:
        people.spec = before
    rules = people.lake.facts("em_training_rules")["rules"]
    assert [rule.pairs for rule in advice] == [counts["pairs"] for counts in rules.values()]
    for rule, session in zip(advice, facts["sessions"], strict=True):
        assert rule.match_share is not None
        assert 0.01 <= session["match_share"] <= 0.99
        assert rule.match_share == pytest.approx(session["match_share"], abs=0.1)
        assert set(session["trained"]) == set(KINDS) - rule.fields


def test_a_rule_that_failed_is_proposed_no_more(people: Dataset, advice: list[Candidate]) -> None:
    failed = next(rule for rule in advice if len(rule.expressions) == 1)
    with DuckDBEngine(threads=people.threads) as engine:
        tried = {frozenset(failed.expressions): 1.0}
        anew = advise_rules(engine, people.lake, people.spec, tried)
    assert anew
    assert not any(set(failed.expressions) <= set(rule.expressions) for rule in anew)


def test_usual_rules_of_which_nearly_all_pairs_match_do_not_fit(people: Dataset) -> None:
    spec = with_training_rules(people.spec, default_training_rules(people.spec.field_kinds))
    with DuckDBEngine(threads=people.threads) as engine:
        people.lake.open(engine, "cleaned_records")
        _, facts = sum_training_rules(engine, spec)
    assert usual_rules_fit(facts, spec)
    next(iter(facts["rules"].values()))["expected_match_share"] = 0.985
    assert not usual_rules_fit(facts, spec)


def test_a_smaller_budget_gives_cheaper_rules(people: Dataset, advice: list[Candidate]) -> None:
    total = sum(rule.pairs for rule in advice)
    for budget in (total - 1, 600):
        declared = people.spec.model_dump(exclude_unset=True)
        spec = PipelineSpec.model_validate({**declared, "checks": {"max_training_pairs": budget}})
        cheaper = advice_for(people, spec)
        assert cheaper
        assert 0 < sum(rule.pairs for rule in cheaper) <= budget


def test_threads_do_not_change_the_advice(
    people: Dataset, advice: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    with DuckDBEngine(threads=1) as engine:
        assert advise_rules(engine, people.lake, people.spec) == advice


def test_linked_sources_with_the_same_ids_get_rules_across_them(tmp_path: Path, rows: Rows) -> None:
    sides = [
        [{**row, "id": str(i)} for i, row in enumerate(side)] for side in (rows[::2], rows[1::2])
    ]
    both = people_with(tmp_path, *sides)
    advice = advice_for(both)
    assert len(advice) == 3
    spec = with_training_rules(both.spec, named_rules(advice))
    with DuckDBEngine(threads=2) as engine:
        facts = build_em_training_blocks(engine, both.lake, spec)
    with DuckDBEngine(threads=2) as engine:
        sessions = train_model(engine, both.lake, spec)["sessions"]
    assert [rule.pairs for rule in advice] == [c["pairs"] for c in facts["rules"].values()]
    assert all(0.01 <= session["match_share"] <= 0.99 for session in sessions)


def test_a_rule_that_drags_another_field_along_is_worth_less(tmp_path: Path, rows: Rows) -> None:
    # Every city has one post code, so that strangers of one city agree on it, too.
    cities = sorted({str(row["city"]) for row in rows})
    coded = [{**row, "post_code": str(cities.index(str(row["city"])) + 1000)} for row in rows]
    people = people_with(tmp_path, coded, fields={**KINDS, "post_code": "identifier"})
    assert not {"city", "post_code"} & {f for rule in advice_for(people) for f in rule.fields}


def test_nothing_fits_where_no_key_is_shared(tmp_path: Path) -> None:
    rows = [{"id": str(i), "word": word} for i, word in enumerate(("ant", "bee", "cow"))]
    people = people_with(
        tmp_path, rows, fields={"word": "text"}, strategies={"word": "word"}, truth=None
    )
    assert advice_for(people) == []


def test_every_rule_has_a_name_of_its_own() -> None:
    long = "a_field_with_a_name_so_long_that_the_rest_of_the_rule_is_cut_off"
    chosen = [
        Candidate((text,), frozenset({"x"}), 1, None, 0.0, 1.0, 1)
        for text in (f"left({long}, 2)", f"left({long}, 3)", "year(born)")
    ]
    names = list(named_rules(chosen))
    assert names[2] == "same_year_born"
    assert names[1] == f"{names[0]}_1"
    assert all(re.fullmatch("[a-z][a-z0-9_]{0,62}", name) for name in names)


def test_rules_read_back_from_yaml_as_they_are() -> None:
    rules = {
        "same_name": ["left(last_name, 3)", "replace(city, '\"', ': ')"],
        "same_city": ["city"],
    }
    assert yaml.safe_load("\n".join(rules_yaml(rules))) == {"training_rules": rules}


def test_the_command_needs_no_run_and_its_yaml_can_be_pasted(
    tmp_path: Path, rows: Rows, capsys: pytest.CaptureFixture[str], advice: list[Candidate]
) -> None:
    people = people_with(tmp_path, rows)
    fields = ", ".join(f"{name}: {kind}" for name, kind in KINDS.items())
    head = (
        "type: er_pipeline.BlockingPipeline\nattributes:\n  dataset: people\n"
        "  sources: [{path: people.csv}]\n"
        f"  fields: {{{fields}}}\n  strategies: {{email: email}}\n  matching: true\n"
    )
    defs = tmp_path / "defs.yaml"
    defs.write_text(head, "utf-8")
    assert main(["training-rules", str(defs)]) == 0
    printed = capsys.readouterr().out
    assert main(["training-rules", str(defs), "--lake", str(people.lake.root)]) == 0
    assert capsys.readouterr().out == printed
    for name, rule in zip(named_rules(advice), advice, strict=True):
        told = re.search(rf"^{name} +([\d,]+) +([\d.]+%) .*", printed, re.M)
        assert told is not None
        assert int(told[1].replace(",", "")) == rule.pairs
        assert told[2] == f"{rule.match_share:.1%}"
        free = [field for field in KINDS if field not in rule.fields]
        assert told[0].endswith("  " + ", ".join(free))
    assert "[ok] every_comparison_is_free" in printed
    block = re.search(r"^training_rules:\n(?:  .+\n)+", printed, re.M)
    assert block is not None
    defs.write_text(head + "".join(f"  {line}\n" for line in block[0].splitlines()), "utf-8")
    pasted = {rule.name: rule.expression for rule in read_spec(defs).training_conjunctions}
    assert pasted == {name: " and ".join(keys) for name, keys in named_rules(advice).items()}


def rules_chosen_for(people: Dataset) -> dict[str, tuple[str, ...]]:
    with DuckDBEngine(threads=people.threads) as engine:
        return propose_rules(engine, people.lake, people.spec)


def test_the_usual_rules_are_chosen_where_they_train_well(people: Dataset) -> None:
    usual = default_training_rules(people.spec.field_kinds)
    assert rules_chosen_for(people).keys() == usual.keys()


def test_the_data_choose_rules_where_the_usual_ones_would_stop(tmp_path: Path, rows: Rows) -> None:
    # All are called the same, and the date of birth is a different one in each row.
    one_name = [
        {**row, "first_name": "ann", "last_name": "lee", "birth_date": f"1{i:03}-01-01"}
        for i, row in enumerate(rows)
    ]
    people = people_with(tmp_path, one_name, training_rules=None)
    chosen = rules_chosen_for(people)
    assert chosen == named_rules(advice_for(people))
    assert chosen.keys() != default_training_rules(KINDS).keys()
    assert people.train()["unusable"] == ""
