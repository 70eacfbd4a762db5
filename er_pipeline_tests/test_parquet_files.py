from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from er_pipeline.blocking.records.parquet_files import parquet_parts
from er_pipeline.blocking.tables.engine import Engine


def test_neighbours_of_the_same_types_are_one_part(engine: Engine, tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.parquet" for i in range(4)]
    for file, ids in zip(files, ([1], [2], ["x"], [3]), strict=True):
        pq.write_table(pa.table({"id": ids}), file)
    parts = parquet_parts(engine, files)
    assert [part.files for part in parts] == [files[:2], files[2:3], files[3:]]
    assert [part.names for part in parts] == [["id"]] * 3


def test_columns_that_differ_in_case_keep_their_names(engine: Engine, tmp_path: Path) -> None:
    table = pa.table({"name": ["a"], "NAME": ["b"], "name_1": ["c"]})
    pq.write_table(table, tmp_path / "p.parquet")
    (part,) = parquet_parts(engine, [tmp_path / "p.parquet"])
    assert part.names == ["name", "NAME", "name_1"]
