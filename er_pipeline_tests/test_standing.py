from collections.abc import Callable

import pytest

from er_pipeline.blocking.tables.standing import Standing, standing_of
from er_pipeline.blocking.tables.step import guarded_by
from er_pipeline.blocking.tables.verdict_notes import note_failure, note_verdicts
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.flow import flow
from er_pipeline_tests.conftest import Dataset, Rows

PEOPLE: Rows = [
    {"id": str(i), "last": "lee" if i < 3 else "ray", "city": "rome", "person_id": "p"}
    for i in range(5)
]
BAD = Verdict("holds", False, "error", "it does not hold")


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Dataset:
    people = dataset(
        PEOPLE, strategies={"last": "last"}, matching=True, truth={"cluster_column": "person_id"}
    )
    people.make("true_pairs")
    people.pair()
    return people


def standing(people: Dataset) -> Standing:
    return standing_of(flow(people.spec), people.lake)


def test_what_was_never_made_is_stale_and_the_rest_is_good(people: Dataset) -> None:
    found = standing(people)
    assert {"cleaned_records", "unified_pairs", "em_model"} <= set(found.good)
    assert found.stale[:2] == ["pair_changes", "matches"]
    assert not found.errors


@pytest.mark.parametrize("table", ["em_training_rules", "em_model", "true_pairs"])
def test_a_check_withholds_no_pairs_that_do_without_it(people: Dataset, table: str) -> None:
    note_verdicts(people.lake, table, [BAD])
    found = standing(people)
    assert found.withheld[table] == "check holds failed"
    assert {"cleaned_records", "blocks_last", "filtered_blocks", "unified_pairs"} <= set(found.good)
    assert [error.table for error in found.errors] == [table]


def test_the_tables_of_a_step_stand_together(people: Dataset) -> None:
    note_verdicts(people.lake, "filtered_blocks", [BAD])
    withheld = standing(people).withheld
    assert {"filtered_blocks", "dropped_blocks", "record_codes", "unified_pairs"} <= set(withheld)
    assert "cleaned_records" not in withheld


def test_a_broken_contract_is_tolerated_by_nobody(people: Dataset) -> None:
    note_verdicts(people.lake, "em_model", [Verdict("fits_contract", False, "error", "no")])
    assert "unified_pairs" in standing(people).withheld


def test_a_failed_step_withholds_what_is_made_of_it_though_older_tables_lie_there(
    people: Dataset,
) -> None:
    note_failure(people.lake, "filtered_blocks", "out of memory")
    found = standing(people)
    assert found.failures == {"filtered_blocks": "out of memory"}
    assert found.withheld["filtered_blocks"] == "out of memory"
    assert found.withheld["unified_pairs"] == "filtered_blocks is withheld"
    assert "unified_pairs" not in found.stale
    (said,) = found.withheld_by_cause()
    assert said.startswith("filtered_blocks is withheld (out of memory); and so are ")
    assert "unified_pairs" in said


def test_only_tables_with_a_view_are_missed_each_cause_once(people: Dataset) -> None:
    note_verdicts(people.lake, "filtered_blocks", [BAD])
    note_verdicts(people.lake, "true_pairs", [BAD])
    found = standing(people)
    views = {t.name for step in flow(people.spec) for t in step.writes if t.view}
    assert "record_codes" in found.withheld
    assert set(found.missed) == set(found.withheld) & views
    assert found.n_seen == len(views)
    one, other = sorted(found.withheld_by_cause())
    assert one.startswith("filtered_blocks is withheld (check holds failed); and so are ")
    assert other.startswith("true_pairs is withheld (check holds failed)")
    named = [
        table for text in (one, other) for table in found.missed if table in text.split("; ")[-1]
    ]
    assert "record_codes" not in named


def test_a_warning_withholds_nothing(people: Dataset) -> None:
    note_verdicts(people.lake, "unified_pairs", [Verdict("holds", False, "warn", "a little")])
    found = standing(people)
    assert "unified_pairs" in found.good
    assert [warning.verdict.text for warning in found.warnings] == ["a little"]


def test_what_a_check_guards_is_what_it_withholds(people: Dataset) -> None:
    steps = flow(people.spec)
    assert "unified_pairs" not in guarded_by(steps, "em_model")
    assert {"matches", "entities", "blocking_report"} <= set(guarded_by(steps, "em_model"))
    assert "unified_pairs" in guarded_by(steps, "filtered_blocks")
