from pathlib import Path

from er_pipeline.blocking.changes.both_nights import BOTH, lay_out_nights
from er_pipeline.blocking.changes.declared_night import declared_night
from er_pipeline.blocking.changes.pair_changes import night_before
from er_pipeline.blocking.records.record_changes import find_record_changes
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.nights import Nights
from er_pipeline_tests.test_change_causes import ROWS, SETTINGS, people


def test_every_record_of_both_nights_has_one_number_and_its_codes_of_both(tmp_path: Path) -> None:
    nights = Nights(tmp_path, {**SETTINGS, "embedding": {"k": 1}})
    nights.night(people(*ROWS), until="pair_changes")
    second = [("0", "may", None), *ROWS[1:]]  # 1 is gone, 0 is new
    lake = nights.night(people(*second), until="pair_changes", publish=False)
    with DuckDBEngine(threads=1) as engine:
        before = night_before(lake)
        assert before
        find_record_changes(engine, lake, *before["night"]["tables"])
        now = declared_night(nights.spec, lake)
        lay_out_nights(engine, lake, now, before["night"], before["folders"])
        rows = engine.rows(f"select who, change, n_no, o_no, n_0, o_0 from {BOTH} order by who")
        numbers = [row[:4] for row in rows]
        ready = engine.row("select count(*) from o_ready")[0]
    assert numbers == [
        (0, "new", 0, None),
        *((i, "same", i, i) for i in range(1, 5)),
        (5, "gone", None, 0),
    ]
    lee, may = rows[1], rows[3]
    assert (lee[4], lee[5], may[4], may[5]) == (0, 0, 1, 1)
    assert rows[0][5] is None
    assert ready
