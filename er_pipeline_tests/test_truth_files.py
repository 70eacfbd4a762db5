import gzip
import re
from pathlib import Path

import pytest

from er_pipeline.blocking.records.truth_files import check_truth_file, read_truth
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
    read_truth(engine, spec, "given")
    assert engine.rows("select left_id, right_id from given") == given


@pytest.mark.parametrize("name", ["t.csv.gz", "t.tsv", "t.jsonl", "t*.csv"])
def test_a_truth_is_read_as_the_sources_are(engine: Engine, tmp_path: Path, name: str) -> None:
    text = {
        "t.csv.gz": "LEFT_ID,right_id\n007,'1'\n",
        "t.tsv": "sep=\t\nright_id\tLeft_Id\n'1'\t007\n",
        "t.jsonl": '{"LEFT_ID": "007", "right_id": "\'1\'"}\n',
        "t*.csv": "\ufeffleft_id;right_id\r\n007;'1'\n",
    }[name]
    content = gzip.compress(text.encode()) if name.endswith("gz") else text.encode()
    (tmp_path / name.replace("*", "1")).write_bytes(content)
    read_truth(engine, small_spec(truth={"path": name}).located_in(tmp_path), "given")
    assert engine.rows("select left_id, right_id from given") == [("007", "'1'")]


def test_ids_quoted_late_in_a_long_file_are_read(engine: Engine, tmp_path: Path) -> None:
    lines = [f"{i},{i + 1}" for i in range(30_000)]
    (tmp_path / "t.csv").write_text("\n".join(["left_id,right_id", *lines, '"a,1","b,1"', ""]))
    read_truth(engine, small_spec(truth={"path": "t.csv"}).located_in(tmp_path), "given")
    assert engine.row("select count(*) from given") == (30_001,)
    assert engine.rows("from given where left_id = 'a,1'")[0][:2] == ("a,1", "b,1")


def test_rows_that_cannot_be_read_are_an_error_that_names_their_lines(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_bytes(b"left_id,right_id\n1,2\n\n3\n4,5\n")
    spec = small_spec(truth={"path": "t.csv"}).located_in(tmp_path)
    wrong = "truth: .*t.csv: 1 of 3 rows cannot be read .line 4: has 1 cells, the header 2: '3'"
    with pytest.raises(InputError, match=wrong):
        check_truth_file(engine, spec)
    (tmp_path / "t.csv").write_bytes("left_id,right_id\n1,Zoë\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"byte 0xEB after '1,Zo' is not utf-8 .*windows-1252"):
        check_truth_file(engine, spec)
    settings = {"path": "t.csv", "csv": {"encoding": "windows-1252"}}
    read_truth(engine, small_spec(truth=settings).located_in(tmp_path), "given")
    assert engine.rows("select right_id from given") == [("Zoë",)]


def test_of_three_sources_pairs_must_name_theirs() -> None:
    sources = [{"path": f"{name}.csv"} for name in "abc"]
    with pytest.raises(ValueError, match=r"of 3 sources, pairs must name theirs; write left_sour"):
        small_spec(sources=sources, mode="link", truth={"path": "t.csv"})
    truth = {"path": "t.csv", "left_source": "l", "right_source": "r"}
    assert small_spec(sources=sources, mode="link", truth=truth).truth


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
    with pytest.raises(InputError, match=r"truth\.parquet: cannot be read as parq") as caught:
        check_truth_file(engine, spec)
    assert "\n" not in str(caught.value)


def test_a_truth_that_is_a_column_needs_no_file(engine: Engine, tmp_path: Path) -> None:
    check_truth_file(engine, small_spec(truth={"cluster_column": "name"}).located_in(tmp_path))
