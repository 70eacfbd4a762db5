import pyarrow as pa
import sqlalchemy as sa

from er_pipeline.sinks.copied_rows import copier_of, csv_chunks


def test_null_is_nothing_and_an_empty_text_is_quoted() -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["a", None, "", 'b"c\n'], "n": [1, None, 3, 4]})
    ((chunk, n_rows),) = csv_chunks(iter([batch]))
    assert chunk.decode() == '"a",1\n,\n"",3\n"b""c\n",4\n'
    assert n_rows == 4


def test_a_driver_without_copy_has_no_copier() -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Text()))
    with sa.create_engine("sqlite://").connect() as con:
        assert copier_of(con, table) is None
