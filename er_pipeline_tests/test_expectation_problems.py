from pathlib import Path

import pytest

from er_pipeline.blocking.spec.yaml_file import examine

DEFS = """type: er_pipeline.BlockingPipeline
attributes:
  dataset: people
  sources: [{path: people.csv, record_id: id}]
  fields: {name: person_name, email: email}
  strategies: {name: name}
  expectations:
"""


def problems(folder: Path, section: str) -> list[str]:
    defs = folder / "defs.yaml"
    defs.write_text(DEFS + section)
    return examine(defs).problems


def test_known_expectations_have_no_problem(tmp_path: Path) -> None:
    section = """
    max_null_rate: {email: 0.5}
    formats: {email: "@"}
    expect:
      - expect_column_values_to_match_regex: {column: email, regex: "@", mostly: .95}
      - {ExpectColumnValuesToBeUnique: {column: record_id}, severity: warning}
      - {expect_column_values_to_be_between: {column: weight, min_value: 0}, table: unified_pairs}
      - expect_table_columns_to_match_set: {column_set: [record_id, source]}
"""
    assert problems(tmp_path, section) == []


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (
            "ExpectColumnValuesToMatchRegx: {column: email}",
            "unknown expectation 'ExpectColumnValuesToMatchRegx'; did you mean"
            " 'expect_column_values_to_match_regex'?",
        ),
        (
            "expect_column_values_to_match_regex: {colum: email}",
            "unknown argument 'colum'; did you mean 'column'?",
        ),
        (
            "expect_column_values_to_be_unique: {column: email, xyz: 1}",
            "unknown argument 'xyz'; there are column, mostly",
        ),
        ("expect_column_values_to_be_in_set: {column: email}", "needs value_set"),
        ("expect_column_values_to_be_unique: {column: emial}", "did you mean 'email'?"),
        ("expect_column_pair_values_to_be_equal: {column_A: email, column_B: x}", "field 'x'"),
        ("expect_compound_columns_to_be_unique: {column_list: [email, x]}", "unknown field 'x'"),
        ("expect_column_values_to_be_unique: {column: email, mostly: 95}", "95 is no share"),
        ("expect_column_values_to_be_unique: {column: email, mostly: yes}", "True is no share"),
        ('expect_column_values_to_match_regex: {column: email, regex: "("}', "not a regular exp"),
        (
            'expect_column_values_to_match_regex_list: {column: email, regex_list: ["a", "["]}',
            "not a regular expression",
        ),
        (
            "expect_column_values_to_be_in_set: {column: email, value_set: {$PARAMETER: x}}",
            "a suite parameter has no value here",
        ),
        ("UnexpectedRowsExpectation: {unexpected_rows_query: x}", "runs on SQL databases alone"),
        (
            "{expect_table_row_count_to_equal: {value: 3}, table: entitis}",
            "nothing can be expected of a table 'entitis'; did you mean 'entities'?",
        ),
        (
            "{expect_table_row_count_to_equal: {value: 3}, table: entities}",
            "there is no table entities without `matching`; write matching: true",
        ),
    ],
)
def test_a_wrong_expectation_is_named_with_its_line(
    tmp_path: Path, written: str, text: str
) -> None:
    (problem,) = problems(tmp_path, f"    expect:\n      - {written}\n")
    assert problem.startswith(f"{tmp_path / 'defs.yaml'}:9: expectations.expect.0")
    assert text in problem
