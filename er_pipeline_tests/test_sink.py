from er_pipeline.sinks.database_sink import DatabaseSink
from er_pipeline.sinks.ducklake_sink import DuckLakeSink
from er_pipeline.sinks.parquet_sink import ParquetSink
from er_pipeline.sinks.sink import Sink


def test_every_sink_can_do_what_a_sink_can() -> None:
    names = [name for name in vars(Sink) if not name.startswith("_")]
    assert {"where", "is_current", "write"} <= set(names)
    for sink in (DatabaseSink, DuckLakeSink, ParquetSink):
        assert all(hasattr(sink, name) for name in ("where", "is_current", "write"))
