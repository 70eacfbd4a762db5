from pathlib import Path

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.standing import Found, Standing
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.flow import open_lake
from er_pipeline.notices.notice import (
    MOST_CHARACTERS,
    declaration_notice,
    run_notice,
    sentence,
    trial_notice,
    what_is_left,
)
from er_pipeline_tests.small_spec import small_spec


@pytest.fixture
def spec() -> PipelineSpec:
    return small_spec(notify={"command": ["page"]})


@pytest.fixture
def lake(spec: PipelineSpec, tmp_path: Path) -> Lake:
    return open_lake(tmp_path, spec)


def found(table: str, text: str, severity: str = "error") -> Found:
    return Found(
        table, Verdict("some_check", False, "warn" if severity == "warn" else "error", text)
    )


def test_a_failure_says_what_failed_what_is_shown_and_what_to_do(
    spec: PipelineSpec, lake: Lake
) -> None:
    standing = Standing(
        failures={"cleaned_records": "crm.csv: 1 ids stand twice in column 'id': '4711'"},
        errors=[found("entities", "The largest entity has 900 records.")],
        withheld={"cleaned_records": "", "entities": ""},
    )
    said = run_notice(spec, lake, standing, failed=True, reasons=["cleaned_records: crm.csv: …"])
    assert said.kind == "failure"
    assert said.text.split("\n") == [
        "er_pipeline: the run of people has failed.",
        "What failed:",
        "- entities: The largest entity has 900 records.",
        "- cleaned_records: crm.csv: 1 ids stand twice in column 'id': '…'",
        "- cleaned_records: crm.csv: …",
        "What is shown: No run of people has succeeded yet, so the catalog shows none of its"
        " tables.",
        "Next: do what the first of these says, then run the dataset again; steps that are done are"
        " not repeated.",
    ]


def test_a_reason_that_the_lake_notes_is_said_once(spec: PipelineSpec, lake: Lake) -> None:
    text = "people.csv: no such file"
    standing = Standing(failures={"cleaned_records": text})
    said = run_notice(
        spec, lake, standing, failed=True, reasons=[f"cleaned_records: {text}", f"catalog: {text}"]
    )
    assert said.text.count(text) == 1


def test_an_error_that_nobody_expected_is_named_without_its_text(
    spec: PipelineSpec, lake: Lake
) -> None:
    standing = Standing(failures={"matches": "ConversionException: Ann Smith, 17 Elm Street"})
    said = run_notice(spec, lake, standing, failed=True)
    assert "matches: an error that nobody expected (ConversionException)" in said.text
    assert "Elm" not in said.text


def test_warnings_are_said_and_of_many_a_few(spec: PipelineSpec, lake: Lake) -> None:
    standing = Standing(warnings=[found(f"t{i}", f"Warning {i}.", "warn") for i in range(8)])
    said = run_notice(spec, lake, standing, failed=False)
    assert (said.kind, said.title) == (
        "warning",
        "er_pipeline: the run of people went through, with 8 warnings",
    )
    assert "- t4: Warning 4.\n- and 3 more, in the report\n" in said.text


def test_all_well_is_a_success(spec: PipelineSpec, lake: Lake) -> None:
    said = run_notice(spec, lake, Standing(), failed=False)
    assert (said.kind, said.title) == ("success", "er_pipeline: the run of people went well")


def test_a_finding_is_one_line_printable_and_not_too_long(spec: PipelineSpec, lake: Lake) -> None:
    said = run_notice(
        spec, lake, Standing(), failed=True, reasons=[f"the run: a\nb \x1b {'c' * 900}"]
    )
    (line,) = (line for line in said.text.split("\n") if line.startswith("What failed"))
    assert line.startswith("What failed: the run: a b \\x1b ccc")
    assert len(line) <= len("What failed: ") + MOST_CHARACTERS + 1


def test_passwords_of_sources_are_not_said(spec: PipelineSpec, lake: Lake) -> None:
    reason = "cleaned_records: postgresql://me:pw@db/shop cannot be reached"
    said = run_notice(spec, lake, Standing(), failed=True, reasons=[reason])
    assert "pw" not in said.text
    assert "db/shop cannot be reached" in said.text


def test_a_wrong_declaration_is_said_without_the_lines_it_shows() -> None:
    problem = "defs.yaml:5: fields.a: 'txt' is unknown\n    a: txt\n       ^\ndefs.yaml:7: b: no"
    said = declaration_notice("people", problem)
    assert said.kind == "failure"
    assert "- defs.yaml:5: fields.a: 'txt' is unknown\n- defs.yaml:7: b: no\n" in said.text
    assert "^" not in said.text


def test_a_test_message_says_that_it_is_one(spec: PipelineSpec) -> None:
    said = trial_notice(spec)
    assert said.kind == "test"
    assert "real messages come on failure, warning" in said.text


def test_what_is_left_is_said_of_an_empty_lake(lake: Lake) -> None:
    assert what_is_left(lake, Standing()).startswith("no run of people has succeeded yet")


def test_a_sentence_begins_with_a_capital_and_ends_once() -> None:
    assert [sentence("a b"), sentence("A b."), sentence("c?")] == ["A b.", "A b.", "C?"]
