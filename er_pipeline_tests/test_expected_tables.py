import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from er_pipeline.blocking.records.data_docs import DATA_DOCS
from er_pipeline.blocking.records.expectations import FITS_EXPECTATIONS
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.tables.standing import judge_and_note
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.verdict_notes import noted_verdicts
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.flow import flow
from er_pipeline_tests.conftest import Dataset

ROWS = [{"id": str(i), "last": "ann"} for i in range(4)]
COUNT = {"expect_table_row_count_to_equal": {"value": 6}, "table": "unified_pairs"}


def step_of(people: Dataset, table: str) -> Step:
    (step,) = (step for step in flow(people.spec) if step.name == table)
    return step


def judged(people: Dataset, table: str) -> Verdict:
    step = step_of(people, table)
    with DuckDBEngine(threads=2) as engine:
        found = judge_and_note(engine, people.lake, step, step.writes[0])
    (verdict,) = (one for one in found if one.check == FITS_EXPECTATIONS.name)
    return verdict


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Callable[..., Dataset]:
    def make(*expected: Any, **expectations: Any) -> Dataset:
        return dataset(
            ROWS,
            strategies={"last": "last"},
            expectations={"expect": [*expected], **expectations},
        )

    return make


def test_a_table_of_which_something_is_expected_has_the_check(
    people: Callable[..., Dataset],
) -> None:
    made = people(COUNT)
    assert FITS_EXPECTATIONS in step_of(made, "unified_pairs").checks
    assert FITS_EXPECTATIONS not in step_of(people(), "unified_pairs").checks
    assert step_of(made, "cleaned_records").checks.count(FITS_EXPECTATIONS) == 1


def test_what_is_expected_of_pairs_is_judged_as_people_see_them(
    people: Callable[..., Dataset],
) -> None:
    not_null = {"expect_column_values_to_not_be_null": {"column": "left_id"}}
    made = people(COUNT, {**not_null, "table": "unified_pairs"})
    made.make("unified_pairs")
    verdict = judged(made, "unified_pairs")
    assert verdict.passed, verdict.text
    assert verdict.text == "2 expectations hold on 6 rows."
    assert (made.lake.folder / DATA_DOCS / "unified_pairs.html").is_file()
    noted = noted_verdicts(made.lake, "unified_pairs")
    assert noted is not None
    assert json.dumps(asdict(verdict)) in [json.dumps(asdict(one)) for one in noted]


@pytest.mark.parametrize(
    ("severities", "passed", "severity"),
    [
        (["warning", "critical"], False, "error"),
        (["info", "warning"], False, "warn"),
        (["info", "info"], True, "error"),
    ],
)
def test_the_worst_that_fails_decides(
    people: Callable[..., Dataset], severities: list[str], passed: bool, severity: str
) -> None:
    wrong = {"expect_table_row_count_to_equal": {"value": 99}, "table": "unified_pairs"}
    made = people(*({**wrong, "severity": severity} for severity in severities))
    made.make("unified_pairs")
    verdict = judged(made, "unified_pairs")
    assert (verdict.passed, verdict.severity) == (passed, severity)
    assert "Must have exactly 99 rows; it is 6" in verdict.text
    assert verdict.text.index("rows") < verdict.text.index(f"({severities[0]})")


def test_other_expectations_or_another_suite_are_judged_anew(
    people: Callable[..., Dataset],
) -> None:
    made = people(COUNT, suites=["suite.json"])
    suite = made.folder / "suite.json"
    suite.write_text(json.dumps({"expectations": [{"type": "expect_table_row_count_to_equal",
                                                   "kwargs": {"value": 4}}]}))  # fmt: skip
    before = [step_of(made, name).judged_by for name in ("cleaned_records", "unified_pairs")]
    suite.write_text(suite.read_text().replace("4", "5"))
    after = [step_of(made, name).judged_by for name in ("cleaned_records", "unified_pairs")]
    assert before[0] != after[0]
    assert before[1] == after[1]
    assert step_of(people({**COUNT, "severity": "info"}), "unified_pairs").judged_by != before[1]


def test_a_suite_is_opened_when_it_is_judged(people: Callable[..., Dataset]) -> None:
    made = people(suites=[{"path": "gone.json", "table": "unified_pairs"}])
    made.make("unified_pairs")
    with pytest.raises(SpecError, match=r"gone\.json: no such file"):
        judged(made, "unified_pairs")
