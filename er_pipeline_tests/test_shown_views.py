from collections.abc import Callable

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.run_metrics import collect_run_metrics
from er_pipeline.blocking.tables.shown_views import has_news, views_to_show
from er_pipeline.catalog import publish_dataset
from er_pipeline.flow import flow
from er_pipeline_tests.conftest import Dataset, Rows

PEOPLE: Rows = [{"id": str(i), "last": "lee" if i < 3 else "ray"} for i in range(5)]


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Dataset:
    people = dataset(PEOPLE, strategies={"last": "last"})
    people.pair()
    return people


def publish(people: Dataset, withheld: dict[str, str]) -> None:
    made = [
        table
        for step in flow(people.spec)
        for table in step.writes
        if people.lake.has(table.name) and table.name not in withheld
    ]
    with DuckDBEngine() as engine:
        collect_run_metrics(engine, people.lake)
    publish_dataset(people.lake, made, withheld=withheld)


def test_a_view_names_the_versions_of_all_tables_that_it_reads(people: Dataset) -> None:
    tables = [t for step in flow(people.spec) for t in step.writes if people.lake.has(t.name)]
    versions = {table.name: people.lake.version(table.name) for table in tables}
    shown = views_to_show(people.lake, tables, versions, {})
    assert {"unified_pairs", "cleaned_records"} <= set(shown.reads["unified_pairs"])
    assert shown.reads["unified_pairs"]["cleaned_records"] == versions["cleaned_records"]


def test_a_withheld_table_stays_as_an_earlier_run_made_it(people: Dataset) -> None:
    publish(people, {})
    before = people.lake.published()
    people.pair()
    publish(people, {"unified_pairs": "check holds failed"})
    shown = people.lake.published()
    assert shown["views"]["unified_pairs"] == before["views"]["unified_pairs"]
    assert shown["tables"]["unified_pairs"] == before["tables"]["unified_pairs"]
    assert shown["tables"]["filtered_blocks"] != before["tables"]["filtered_blocks"]
    assert shown["withheld"] == {"unified_pairs": "check holds failed"}


def test_a_withheld_table_of_no_earlier_run_is_not_shown(people: Dataset) -> None:
    publish(people, {"unified_pairs": "check holds failed"})
    assert "unified_pairs" not in people.lake.published()["views"]


def test_tables_made_anew_of_the_same_are_no_news(people: Dataset) -> None:
    made = [t for step in flow(people.spec) for t in step.writes if people.lake.has(t.name)]
    assert has_news(people.lake, made)
    publish(people, {})
    people.pair()
    assert not has_news(people.lake, made)
