from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.entity_past import past_of
from er_pipeline_tests.conftest import Dataset


def test_events_that_name_an_entity_are_its_past_the_oldest_first(lossy_people: Dataset) -> None:
    with DuckDBEngine(threads=2) as engine:
        lossy_people.lake.open(engine, "entity_events")
        for entity_id in (1, 2):
            events = past_of(engine, entity_id)
            assert [event["entity_id"] for event in events] == [entity_id]
            assert events[0]["event"] == "minted"
            assert isinstance(events[0]["at"], str)
        assert past_of(engine, 0) == []
