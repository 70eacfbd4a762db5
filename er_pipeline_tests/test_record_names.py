from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching.record_names import record_names
from er_pipeline_tests.test_entities import spec_with


def test_records_are_called_by_their_ids_and_of_several_sources_by_both() -> None:
    with DuckDBEngine(threads=1) as engine:
        engine.make_table(
            "cleaned_records",
            "select * from (values (0, '7', 'shop'), (1, '7', 'till'))"
            " as t (record_no, record_id, source)",
        )
        both = [{"path": "shop.csv"}, {"path": "till.csv"}]
        assert record_names(engine, spec_with(), [1, 0, 1]) == {0: "7", 1: "7"}
        assert record_names(engine, spec_with(sources=both), [1]) == {1: "till-7"}
        assert record_names(engine, spec_with(), []) == {}
