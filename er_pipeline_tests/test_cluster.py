from pathlib import Path

import numpy as np
import pytest

from er_pipeline.blocking.tables.cluster import Cluster, rows_of
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BudgetError
from er_pipeline.blocking.tables.lake import Lake

FEW = Cluster(is_local=True, driver_records=5, driver_rows=5)


@pytest.fixture
def lake(engine: DuckDBEngine, tmp_path: Path) -> Lake:
    lake = Lake(tmp_path, "people")
    with lake.writing("pairs") as draft:
        for name in ("a", "b"):
            engine.put("three", {"n": np.arange(3)})
            engine.write("from three", draft.file(name))
    return lake


def test_records_beyond_the_bound_stop_a_step_with_what_to_change() -> None:
    FEW.check_records("blocks_name", 5)
    with pytest.raises(BudgetError, match=r"blocks_name: there are 6 records.*up to 5; raise spa"):
        FEW.check_records("blocks_name", 6)


def test_rows_are_those_of_all_files_of_a_table(lake: Lake) -> None:
    assert rows_of(lake, "pairs") == 6
    FEW.check_tables("matches", lake, ["not_there"])
    with pytest.raises(BudgetError, match=r"matches: done on.*from pairs, which has 6 rows.*5"):
        FEW.check_tables("matches", lake, ["pairs"])


def test_pairs_that_the_driver_could_not_read_are_not_made() -> None:
    FEW.check_pairs("unified_pairs", 5)
    with pytest.raises(BudgetError, match=r"unified_pairs would have up to 6 pairs.*Keep fewer"):
        FEW.check_pairs("unified_pairs", 6)
