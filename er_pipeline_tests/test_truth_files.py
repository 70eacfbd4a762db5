import re
from pathlib import Path

import pytest

from er_pipeline.blocking.records.truth_files import check_truth_file, truth_reader
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.small_spec import small_spec


@pytest.mark.parametrize("name", ["truth.csv", "truth[1]*.csv", "it's.parquet", "truth.pq"])
def test_ids_are_read_as_they_were_written_whatever_the_file_is_called(
    engine: Engine, tmp_path: Path, name: str
) -> None:
    given = [("007", "1.0"), ("8", None)]
    if name.endswith(".csv"):
        (tmp_path / name).write_text("left_id,right_id\n007,1.0\n8,\n")
    else:
        pairs = "(values ('007', '1.0'), ('8', null)) as t(left_id, right_id)"
        engine.write(f"select * from {pairs}", tmp_path / name)
    spec = small_spec(truth={"path": name}).located_in(tmp_path)
    check_truth_file(engine, spec)
    reader = truth_reader(tmp_path / name)
    assert engine.rows(f"select left_id, right_id from {reader}") == given


def test_a_missing_file_is_an_error_that_names_it(engine: Engine, tmp_path: Path) -> None:
    spec = small_spec(truth={"path": "truth.csv"}).located_in(tmp_path)
    wrong = f"truth: {tmp_path}/truth.csv: no such file; correct truth: {{path: ...}}"
    with pytest.raises(InputError, match=re.escape(wrong)):
        check_truth_file(engine, spec)


def test_missing_columns_are_named_beside_those_that_are_there(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "truth.csv").write_text("a,right_id\n1,2\n")
    truth = {"path": "truth.csv", "left_source": "l", "right_source": "r"}
    spec = small_spec(truth=truth).located_in(tmp_path)
    wrong = "has no column 'left_id', 'l', 'r'; it has 'a', 'right_id'. Correct truth: left_id"
    with pytest.raises(InputError, match=re.escape(wrong)):
        check_truth_file(engine, spec)


def test_what_is_no_parquet_is_an_error_of_one_line(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "truth.parquet").write_text("left_id,right_id\n1,2\n")
    spec = small_spec(truth={"path": "truth.parquet"}).located_in(tmp_path)
    with pytest.raises(InputError, match=r"truth\.parquet cannot be read: ") as caught:
        check_truth_file(engine, spec)
    assert "\n" not in str(caught.value)


def test_a_truth_that_is_a_column_needs_no_file(engine: Engine, tmp_path: Path) -> None:
    check_truth_file(engine, small_spec(truth={"cluster_column": "name"}).located_in(tmp_path))
