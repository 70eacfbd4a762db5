import json
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.suite_files import Declared, suite_problems
from er_pipeline.blocking.spec.yaml_file import examine
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline_tests.test_expectation_problems import DEFS

# As great_expectations 1.24 writes it.
SUITE: dict[str, Any] = {
    "name": "people_suite",
    "id": None,
    "expectations": [
        {
            "type": "expect_column_values_to_match_regex",
            "kwargs": {"column": "email", "regex": "\\d@", "mostly": 0.9, "batch_id": "x"},
            "meta": {"by": "ann"},
            "severity": "warning",
            "id": "2e1a",
            "rendered_content": [],
        },
        {"expectation_type": "expect_table_row_count_to_equal", "kwargs": {"value": 3}},
    ],
    "meta": {"great_expectations_version": "1.24.1"},
    "notes": None,
}


def spec_of(folder: Path, *suites: Any, **expectations: Any) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            **{"dataset": "people", "sources": [{"path": "people.csv", "record_id": "id"}]},
            **{"fields": {"name": "person_name", "email": "email"}, "strategies": {"name": "name"}},
            "expectations": {"suites": [*suites], **expectations},
        }
    ).located_in(folder)


def test_a_suite_is_read_as_the_library_writes_it(tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text(json.dumps(SUITE, indent=2))
    declared = [{"expect_column_values_to_be_unique": {"column": "email"}}]
    spec = spec_of(tmp_path, "suite.json", expect=declared)
    unique, regex, count = Declared(spec, "cleaned_records").read()
    assert unique.name == "expect_column_values_to_be_unique"
    assert regex.kwargs == {"column": "email", "regex": "\\d@", "mostly": 0.9}
    assert (regex.severity, count.severity) == ("warning", "critical")
    assert (count.name, count.kwargs) == ("expect_table_row_count_to_equal", {"value": 3})
    assert Declared(spec, "entities").read() == []


def test_a_suite_may_be_yaml_and_of_another_table(tmp_path: Path) -> None:
    (tmp_path / "pairs.yaml").write_text(
        "expectations:\n- type: ExpectTableRowCountToEqual\n  kwargs: {value: 3}\n"
    )
    spec = spec_of(tmp_path, {"path": "pairs.yaml", "table": "unified_pairs"})
    (count,) = Declared(spec, "unified_pairs").read()
    assert (count.name, count.table) == ("expect_table_row_count_to_equal", "unified_pairs")


def test_everything_wrong_with_a_suite_is_named_with_its_line(tmp_path: Path) -> None:
    wrong = [
        {"type": "expect_column_values_to_be_uniqe", "kwargs": {"column": "email"}},
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "emial"}},
        {"kwargs": {}},
        {**SUITE["expectations"][0], "severity": "fatal"},
        "no expectation",
    ]
    file = tmp_path / "suite.json"
    file.write_text(json.dumps({"expectations": wrong}, indent=1))
    lines = file.read_text().splitlines()
    (text,) = suite_problems(spec_of(tmp_path, "suite.json"))
    for words, mark in (
        ("did you mean 'expect_column_values_to_be_unique'?", "uniqe"),
        ("unknown field 'emial'; did you mean 'email'?", "emial"),
        ("'fatal' is unknown; there are 'critical', 'warning', 'info'", "fatal"),
        ("'no expectation' is no expectation: it needs a type, and kwargs", "no expectation"),
    ):
        line = next(i for i, line in enumerate(lines, 1) if mark in line)
        assert any(words in said for said in text.splitlines() if f"{file}:{line}:" in said)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "no such file; correct `expectations: {suites: [...]}`"),
        ("{", "suite.json"),
        ('{"expectations": [}', "suite.json"),
        ("[]", "no suite: it must hold `expectations`"),
        ('{"expectations": {}}', "no suite: it must hold `expectations`"),
    ],
)
def test_a_file_that_is_no_suite_says_so(tmp_path: Path, content: str | None, text: str) -> None:
    if content is not None:
        (tmp_path / "suite.json").write_text(content)
    with pytest.raises(SpecError) as caught:
        Declared(spec_of(tmp_path, "suite.json"), "cleaned_records").read()
    assert text in str(caught.value)


def test_a_declaration_is_examined_with_its_suites(tmp_path: Path) -> None:
    (tmp_path / "defs.yaml").write_text(DEFS + "    suites: [gone.json]\n")
    (problem,) = examine(tmp_path / "defs.yaml").problems
    assert "gone.json: no such file" in problem
