import subprocess
import sys

import pytest

from er_pipeline.blocking.spec.known_expectations import find_expectation, snake_name


@pytest.mark.parametrize(
    ("of_class", "name"),
    [
        ("ExpectColumnValuesToMatchRegex", "expect_column_values_to_match_regex"),
        (
            "ExpectColumnPairValuesAToBeGreaterThanB",
            "expect_column_pair_values_a_to_be_greater_than_b",
        ),
        ("ExpectColumnKLDivergenceToBeLessThan", "expect_column_kl_divergence_to_be_less_than"),
        ("expect_column_values_to_be_null", "expect_column_values_to_be_null"),
    ],
)
def test_a_class_and_a_name_are_the_same_expectation(of_class: str, name: str) -> None:
    assert snake_name(of_class) == name
    assert find_expectation(of_class) == find_expectation(name)


def test_arguments_are_those_of_the_class_and_its_bases() -> None:
    known = find_expectation("expect_column_values_to_match_regex")
    assert set(known.arguments) == {
        *("column", "mostly", "regex", "row_condition", "condition_parser")
    }
    assert known.needed == ("column",)
    assert find_expectation("ExpectCompoundColumnsToBeUnique").needed == ("column_list",)
    assert find_expectation("ExpectColumnValuesToBeInSet").needed == ("column", "value_set")
    assert find_expectation("ExpectTableRowCountToBeBetween").needed == ()


def test_what_runs_on_databases_alone_is_known() -> None:
    assert find_expectation("UnexpectedRowsExpectation").is_of_sql
    assert find_expectation("ExpectColumnValuesToMatchLikePattern").is_of_sql
    assert not find_expectation("ExpectColumnValuesToBeIncreasing").is_of_sql


def test_an_unknown_expectation_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown expectation 'ExpectColumnValuesToBeUniqe'") as it:
        find_expectation("ExpectColumnValuesToBeUniqe")
    assert "did you mean 'expect_column_values_to_be_unique'" in str(it.value)
    with pytest.raises(ValueError, match=r"see https://greatexpectations\.io"):
        find_expectation("x")


def test_every_expectation_is_read_as_the_library_has_it_without_importing_it() -> None:
    code = (
        "import sys\n"
        "from er_pipeline.blocking.spec import known_expectations as k\n"
        "read = {name: k.find_expectation(name) for name in k._modules()}\n"
        "assert 'great_expectations' not in sys.modules\n"
        "import great_expectations.expectations as gxe\n"
        "for name, of_class in k._modules().items():\n"
        "    fields = getattr(gxe, of_class).__fields__\n"
        "    known = read[name]\n"
        "    assert set(known.arguments) == set(fields) - k.NOT_DECLARED, name\n"
        "    assert set(known.needed) == {n for n, f in fields.items() if f.required}, name\n"
        "print(len(read))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(ran.stdout) >= 50
