from collections.abc import Callable

from er_pipeline.evaluation.taken_figures import figures_of_tables
from er_pipeline_tests.conftest import Dataset, Rows

PEOPLE: Rows = [{"id": str(i), "last": "lee", "person_id": "p"} for i in range(3)]


def test_figures_are_of_the_given_tables_alone(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies={"last": "last"}, truth={"cluster_column": "person_id"})
    people.make("blocking_report")
    assert figures_of_tables(people.lake, []) == {}
    missed = figures_of_tables(people.lake, ["missed_matches"])
    assert missed.keys() == {"missed", "remedies"}
    assert "recall_interval" in figures_of_tables(people.lake, ["recall_views"])
