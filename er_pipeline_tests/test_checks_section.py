from typing import Any

import pytest
from pydantic import BaseModel

from er_pipeline.blocking.spec.checks_section import Checks, Truth
from er_pipeline.blocking.spec.expectations_section import Expectations


@pytest.mark.parametrize(
    "truth",
    [
        {"path": "t.csv"},
        {"cluster_column": "person_id"},
        {"path": "t.csv", "left_source": "l", "right_source": "r"},
    ],
)
def test_truth_is_a_file_of_pairs_or_a_column(truth: dict[str, str]) -> None:
    read = Truth.model_validate(truth)
    assert {name: getattr(read, name) for name in truth} == truth
    assert (read.left_id, read.right_id) == ("left_id", "right_id")


@pytest.mark.parametrize(
    ("truth", "text"),
    [
        ({}, "truth needs either path or cluster_column"),
        ({"path": "t.csv", "cluster_column": "id"}, "truth needs either path or cluster_column"),
        ({"path": "t.csv", "left_source": "s"}, "belong together: write both"),
        ({"path": "t.csv", "right_source": "s"}, "belong together: write both"),
    ],
)
def test_truth_of_no_kind_or_of_both_is_refused(truth: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Truth.model_validate(truth)


@pytest.mark.parametrize("name", ["match_share_warn", "match_share_fail"])
@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ([0.9, 0.1], "write the least first, then the most"),
        ([0.1], "at least 2 items"),
        ([0.1, 0.2, 0.3], "at most 2 items"),
        ([0.1, 1.2], "less than or equal to 1"),
        ([-0.1, 0.2], "greater than or equal to 0"),
    ],
)
def test_bounds_of_a_share_are_the_least_and_the_most(
    name: str, bounds: list[float], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        Checks.model_validate({name: bounds})
    assert getattr(Checks.model_validate({name: [0.3, 0.3]}), name) == [0.3, 0.3]


def test_what_fails_lies_outside_of_what_warns() -> None:
    checks = Checks()
    assert checks.match_share_fail[0] < checks.match_share_warn[0]
    assert checks.match_share_warn[1] < checks.match_share_fail[1]


def test_a_budget_of_pairs_is_one_number_or_one_per_strategy() -> None:
    assert Checks.model_validate({"max_pairs_per_strategy": 5}).max_pairs_per_strategy == 5
    by_name = {"email": 5, "soundex": 6}
    assert Checks.model_validate({"max_pairs_per_strategy": by_name}).max_pairs_per_strategy == (
        by_name
    )
    with pytest.raises(ValueError, match="valid integer"):
        Checks.model_validate({"max_pairs_per_strategy": {"email": "many"}})


@pytest.mark.parametrize(
    ("section", "settings", "text"),
    [
        (Checks, {"min_key_coverage": 95}, "less than or equal to 1"),
        (Checks, {"max_entity_size": 1}, "greater than or equal to 2"),
        (Checks, {"max_pair": 5}, "did you mean 'max_pairs'?"),
        (Checks, {"max_m_difference": float("nan")}, "finite number"),
        (Expectations, {"max_null_rate": {"email": 2}}, "less than or equal to 1"),
        (Expectations, {"sample": 0}, "greater than or equal to 1"),
    ],
)
def test_a_setting_out_of_its_limits_is_refused(
    section: type[BaseModel], settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        section.model_validate(settings)
    assert text in str(caught.value)
