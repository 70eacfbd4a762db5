import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dagster._utils.pydantic_yaml import parse_yaml_file_to_pydantic
from pydantic import TypeAdapter

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline_tests.small_spec import read_small_spec, small_spec

EVERY_SECTION: dict[str, Any] = {
    "dataset": "people",
    "description": "All of them.",
    "key_prefix": ["crm", "eu"],
    "owners": ["team:data"],
    "notify": {"command": ["cat"]},
    "publish": [{"parquet": "out", "tables": ["unified_pairs", "dropped_blocks"]}],
    "mode": "link_and_dedupe",
    "sources": [
        {"path": "a.csv", "csv": {"delimiter": ";"}, "columns": {"email": "mail", "city": None}},
        {"name": "b", "database": "b.duckdb", "table": "b"},
        {"name": "c", "url": "sqlite://", "query": "from c"},
        {"name": "d", "generate": {"records": 10}},
    ],
    "fields": {"last_name": "person_name", "first_name": "person_name", "email": "email"},
    "cleaning": {"placeholders": ["none", "nil", "leer"], "free_mail_domains": ["z.de", "a.de"]},
    "strategies": {"email": "email", "name": ["last_name", "first_name"], "soundex": True},
    "learning": {"pin": ["email"], "ban": [["last_name", "city"]], "n_covered": 5},
    "budget": {"pairs_per_record": 2.5, "max_pairs": 100, "floor_per_record": 1},
    "blocks": {"oversized": "refine", "refine_by": ["city", ["last_name", "city"]]},
    "embedding": {"k": 5},
    "second_pass": {"strategies": {"city": "city"}, "embedding": {"k": 7}},
    "training_rules": {"same_email": "email"},
    "comparisons": {"email": "email", "last_name": {"thresholds": [0.9], "levels": "jaro"}},
    "matching": {"recall": {"records": 5}},
    "survivorship": {"fields": {}},
    "checks": {"max_pairs_per_strategy": {"name": 5, "email": 6}},
    "expectations": {
        "max_null_rate": {"email": 0.5},
        "formats": {"email": "@"},
        "expect": [
            {"expect_column_values_to_be_unique": {"column": "email", "severity": "warning"}},
            {"expect_table_row_count_to_equal": {"value": 5}, "table": "unified_pairs"},
        ],
        "suites": ["suite.json", {"path": "pairs.yaml", "table": "unified_pairs"}],
    },
    "schedule": {"timezone": "Europe/Berlin"},
    "truth": {"path": "truth.csv", "left_source": "l", "right_source": "r"},
    "labels": {},
    "threads": 2,
    "memory_limit": "4GB",
}
# It has no neighbours.
ON_SPARK: dict[str, Any] = {
    **{name: of for name, of in EVERY_SECTION.items() if name != "embedding"},
    "second_pass": {"strategies": {"city": "city"}},
    "engine": "spark",
    "spark": {"url": "sc://host:1", "conf": {"b": 1, "a": True}},
}


def test_a_declared_kind_wins_over_a_guess_and_mapped_fields_count() -> None:
    source = {"path": "a.csv", "columns": {"email": "mail", "dob": "birth", "nick": None}}
    both = small_spec(sources=[source], fields={"name": "text", "email": "identifier"})
    assert both.field_kinds == {
        "name": "text",
        "email": "identifier",
        "dob": "date",
        "nick": "text",
    }
    assert both.comparison_fields == list(both.field_kinds)


def test_dagster_reports_the_same_with_the_line() -> None:
    wrong = "dataset: people\nsources: [{path: a.csv}]\nshedule: {}\n"
    with pytest.raises(ValueError, match="did you mean 'schedule'") as caught:
        parse_yaml_file_to_pydantic(PipelineSpec, wrong, "defs.yaml")
    assert "shedule at defs.yaml:3" in str(caught.value)


def test_a_budget_is_for_every_strategy_or_for_one() -> None:
    assert small_spec().max_pairs_of("name") is None
    assert small_spec(checks={"max_pairs_per_strategy": 5}).max_pairs_of("name") == 5
    one = small_spec(checks={"max_pairs_per_strategy": {"name": 6}})
    assert one.max_pairs_of("name") == 6
    assert one.max_pairs_of("other") is None


def test_two_sources_link_unless_declared_otherwise() -> None:
    sources = [{"path": "a.csv"}, {"database": "x.duckdb", "table": "main.b"}]
    assert small_spec(sources=sources).link_mode == "link"
    assert small_spec(sources=sources, mode="link_and_dedupe").link_mode == "link_and_dedupe"
    assert small_spec(sources=sources).source_labels == ["a", "b"]


def test_paths_start_from_the_folder_of_the_defs_yaml(tmp_path: Path) -> None:
    people = read_small_spec(tmp_path)
    assert people.folder == tmp_path
    assert people.resolved("data/people.csv") == tmp_path / "data" / "people.csv"
    assert people.resolved("/data/people.csv") == Path("/data/people.csv")
    assert people.resolved("~/people.csv") == Path.home() / "people.csv"


def test_paths_start_from_the_working_directory_unless_located(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    people = small_spec()
    assert people.folder == tmp_path
    there = people.located_in(Path("there"))
    assert (there.folder, people.folder) == (tmp_path / "there", tmp_path)
    assert there.resolved("a.csv") == tmp_path / "there" / "a.csv"
    assert there.model_dump() == people.model_dump()


@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        copy.deepcopy,
        lambda spec: spec.model_copy(),
        lambda spec: spec.model_copy(update={"weights": False}),
        lambda spec: spec.model_copy(deep=True),
        PipelineSpec.model_validate,
        lambda spec: TypeAdapter(list[PipelineSpec]).validate_python([spec])[0],
        lambda spec: pickle.loads(pickle.dumps(spec)),
        lambda spec: spec.changed({"weights": False}),
    ],
)
def test_a_copy_stays_in_its_folder(
    tmp_path: Path, again: Callable[[PipelineSpec], PipelineSpec]
) -> None:
    assert again(small_spec().located_in(tmp_path)).folder == tmp_path


def test_a_changed_spec_is_validated_and_derives_anew(tmp_path: Path) -> None:
    people = small_spec(fields={"name": "text", "city": "text"})
    assert [s.name for s in people.strategy_conjunctions] == ["name"]
    assert people.field_kinds == {"name": "text", "city": "text"}
    town = people.changed({"strategies": {"town": "city"}})
    assert [s.name for s in town.strategy_conjunctions] == ["town"]
    assert town.model_fields_set == people.model_fields_set
    with pytest.raises(ValueError, match="unknown column 'street'"):
        people.changed({"strategies": {"street": "street"}})


def test_a_copy_with_other_settings_derives_anew() -> None:
    people = small_spec(fields={"name": "text", "city": "text"})
    assert [s.name for s in people.strategy_conjunctions] == ["name"]
    town = people.model_copy(update={"strategies": {"town": "city"}})
    assert [s.name for s in town.strategy_conjunctions] == ["town"]


def test_every_section_dumps_to_the_same_json_in_every_process(tmp_path: Path) -> None:
    code = (
        "import json, sys\n"
        "from er_pipeline.blocking.spec.pipeline import PipelineSpec\n"
        "spec = PipelineSpec.model_validate_json(sys.stdin.read())\n"
        "print(json.dumps(spec.model_dump(mode='json')))\n"
    )
    dumped = [
        subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(EVERY_SECTION),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert dumped[0] == dumped[1]
    spec = PipelineSpec.model_validate(EVERY_SECTION)
    assert json.loads(dumped[0]) == spec.model_dump(mode="json")
    on_spark = PipelineSpec.model_validate(ON_SPARK)
    for section in PipelineSpec.model_fields:
        tried = on_spark if section == "spark" else spec
        assert getattr(tried, section) is not None, f"{section} is not tried"
        alone = TypeAdapter(Any).dump_python(getattr(tried, section), mode="json")
        assert json.dumps(alone) == json.dumps(tried.model_dump(mode="json")[section])


@pytest.mark.parametrize("declared", [EVERY_SECTION, ON_SPARK])
def test_a_dump_read_again_is_the_same_spec(declared: dict[str, Any]) -> None:
    spec = PipelineSpec.model_validate(declared)
    assert PipelineSpec.model_validate(spec.model_dump()) == spec
    assert PipelineSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_number_without_end_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="finite number"):
        small_spec(budget={"pairs_per_record": number})
