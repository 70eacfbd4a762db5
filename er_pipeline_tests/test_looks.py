from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.flow import flow
from er_pipeline.orchestration.looks import looks_of
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.test_definitions import people as people


def test_a_look_counts_rows_and_names_the_columns_people_see(
    people: Dataset, engine: DuckDBEngine
) -> None:
    people.clean()
    steps = flow(people.spec)
    (records,) = [step for step in steps if step.name == "cleaned_records"]
    looks = looks_of(engine, people.lake, records, steps)
    assert looks["cleaned_records"].rows == 5
    assert looks["cleaned_records"].rows_before is None
    columns = [column.name for column in looks["cleaned_records"].columns]
    assert columns[:2] == ["record_id", "source"]
