from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.evaluation.dry_run import count_dataset, untaught
from er_pipeline.flow import flow, open_lake
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.five_records import FIVE, STRATEGIES
from er_pipeline_tests.small_spec import small_spec


def counted(
    people: Dataset, scratch: Path
) -> tuple[list[str], Mapping[str, Any], dict[str, Verdict]]:
    """Count a dataset in another lake; return lines, figures and verdicts."""
    spec = untaught(people.spec)
    lines: list[str] = []
    figures: list[Mapping[str, Any]] = []
    verdicts: dict[str, Verdict] = {}
    for item in count_dataset(people.spec, flow(spec), open_lake(scratch, spec)):
        if isinstance(item, str):
            lines.append(item)
        elif isinstance(item, Verdict):
            verdicts[item.check] = item
        else:
            figures.append(item)
    (found,) = figures
    return lines, found, verdicts


def test_what_is_counted_is_what_a_run_makes(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    people = dataset(
        FIVE,
        strategies=STRATEGIES,
        training_rules={"city": "city", "initial": "left(last, 1)"},
        truth={"cluster_column": "person_id"},
    )
    lines, figures, _ = counted(people, tmp_path / "scratch")
    assert not people.root.exists()
    made = set(open_lake(tmp_path / "scratch", people.spec).tables())
    assert made == {
        *("cleaned_records", "record_contents", "rejected_records", "true_clusters", "true_pairs")
    }
    blocks = people.filter()
    people.make("em_training_rules")
    rules = people.lake.facts("em_training_rules")
    assert figures["strategies"] == blocks["strategies"]
    assert (figures["pairs"], figures["possible_pairs"]) == (5, 10)
    assert figures["training_rules"] == rules["rules"]
    assert (figures["records"], figures["training_pairs"]) == (5, rules["pairs"])
    assert "4 true pairs; 0 more name unknown ids." in lines
    assert [line.split()[:3] for line in lines if line.startswith("city ")] == [
        ["city", "text", "80.0%"],  # the field
        ["city", "2", "2"],  # the strategy
        ["city", "2", "2"],  # the training rule
    ]


def test_a_budget_is_judged_before_a_pair_is_made(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    # The last name alone makes three pairs, both together at most five.
    outcome = {}
    for most, over in ((2, "fail"), (2, "trim"), (3, "fail")):
        budget = {"max_pairs": most, "on_over_budget": over}
        people = dataset(FIVE, strategies=STRATEGIES, budget=budget)
        _, _, verdicts = counted(people, tmp_path / f"{most}_{over}")
        verdict = verdicts["budget_is_kept"]
        outcome[most, over] = verdict.passed
        assert verdict.numbers == {"budget_pairs": most, "most_pairs": 5, "least_pairs": 3}
    assert outcome == {(2, "fail"): False, (2, "trim"): True, (3, "fail"): True}


def test_the_cost_of_matching_is_known_before_a_pair_is_made(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    budget = {"max_pairs": 4}
    matched = {"training_rules": {"city": "city"}, "matching": True, "budget": budget}
    people = dataset(FIVE, strategies=STRATEGIES, **matched)
    lines, figures, _ = counted(people, tmp_path / "scratch")
    (line,) = [line for line in lines if line.startswith("Matching: ")]
    assert "scoring at most 4 pairs by " in line, "the budget keeps no more"
    # A million random pairs are compared, and two values take half a microsecond.
    n_comparisons = len(people.spec.comparison_fields)
    assert figures["training_cpu_seconds"] == pytest.approx(n_comparisons / 2, abs=0.1)
    assert figures["scoring_cpu_seconds"] == figures["most_scoring_cpu_seconds"] == 0.0


def test_without_a_model_none_teaches() -> None:
    taught = small_spec(training_rules={"rule": "name"}, matching=True, strategies="auto")
    assert taught.is_taught_by_model
    assert not untaught(taught).is_taught_by_model
    plain = small_spec()
    assert untaught(plain) is plain


def test_what_cleaning_would_empty_is_named_with_raw_values(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    people = dataset(
        [
            {"id": "1", "born": "soon"},
            {"id": "2", "born": "\\N"},
            {"id": "3", "born": "1980-03-12"},
        ],
        fields={"born": "date"},
        strategies={"born": "born"},
        training_rules={"born": "born"},
    )
    lines, _, _ = counted(people, tmp_path / "scratch")
    assert "emptied of born: 1 values and 1 marks of no value, such as 'soon' (1), '\\\\N' (1)" in (
        lines
    )


def test_neighbours_alone_are_said_to_propose_where_no_rule_was_found(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    budget = {"max_pairs": 7}
    people = dataset(FIVE, strategies={}, embedding=True, budget=budget)
    lines, _, verdicts = counted(people, tmp_path)
    assert "There is no strategy; neighbours alone propose pairs." in lines
    assert not [line for line in lines if line.startswith("strategy ")]
    assert verdicts["budget_is_kept"].text == (
        "At most 7 pairs are kept; how many there are to choose from is not counted."
    )
