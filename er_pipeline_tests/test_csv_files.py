import gzip
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.test_sources import Reader


@pytest.fixture
def reader(tmp_path: Path, engine: Engine) -> Reader:
    return Reader(tmp_path, engine)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_of_a_csv_file_is_seen_in_its_header(reader: Reader, delimiter: str) -> None:
    content = f'id{delimiter}name\n1{delimiter}"Smith, Ann; |\t"\n'
    assert reader.csv(content) == [("1", "Smith, Ann; |\t")]


def test_a_delimiter_and_a_quote_can_be_given(reader: Reader) -> None:
    content = "id^name\n1^'a^b'\n"
    assert reader.csv(content, delimiter="^", quote="'") == [("1", "a^b")]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfid,name\n1,Ann\n",
        b'\xef\xbb\xbf"id",name\r\n1,Ann\r\n',
        b"ID,Name\n1,Ann",
        b"id,name,,\n1,Ann,,x\n",
        b"id,name\n\n1,Ann\n\n",
    ],
    ids=["BOM", "BOM-quoted-CRLF", "other-case", "unnamed-columns", "blank-lines"],
)
def test_csv_files_as_other_programs_write_them_are_read(reader: Reader, content: bytes) -> None:
    assert reader.csv(content) == [("1", "Ann")]


def test_a_packed_csv_file_is_read(reader: Reader) -> None:
    reader.put("people.csv.gz", gzip.compress("id,name\n1,José\n".encode()))
    assert reader.rows(["id", "name"], path="people.csv.gz") == [("1", "José")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_csv_files_are_read_in_the_encoding_that_is_declared(reader: Reader, encoding: str) -> None:
    assert reader.csv("id,name\n1,José\n".encode(encoding), encoding=encoding) == [("1", "José")]


def test_a_quoted_value_may_hold_line_breaks_quotes_and_delimiters(reader: Reader) -> None:
    content = 'id,name\n1,"Ann\nSmith"\n2,"the ""real"" one, here"\n'
    assert reader.csv(content) == [("1", "Ann\nSmith"), ("2", 'the "real" one, here')]


def test_an_empty_cell_is_no_value(reader: Reader) -> None:
    assert reader.csv("id,name\n1,\n2,x\n") == [("1", None), ("2", "x")]


def test_a_glob_reads_several_files_in_the_order_of_their_names(reader: Reader) -> None:
    reader.put("part-2.csv", "id,name\n3,c\n")
    reader.put("part-1.csv", "id,name\n1,a\n2,b\n")
    rows = reader.rows(["id", "name"], path="part-*.csv")
    assert rows == [("1", "a"), ("2", "b"), ("3", "c")]


@pytest.mark.parametrize("header", ["name,id", "id,name,city", "id;name"])
def test_files_read_together_must_have_the_same_header(reader: Reader, header: str) -> None:
    reader.put("part-1.csv", "id,name\n1,a\n")
    reader.put("part-2.csv", f"{header}\n2,b\n")
    with pytest.raises(InputError, match=r"part-2\.csv:1: its header differs from that of .*-1\."):
        reader.read(["id", "name"], path="part-*.csv")


def test_rejected_rows_of_several_files_are_all_counted_and_name_their_file(
    reader: Reader,
) -> None:
    reader.put("part-1.csv", "id,name\n1,a\n2\n3,c\n")
    reader.put("part-2.csv", "id,name\n4,a\n5\n6,c\n")
    raw = reader.read(["id", "name"], path="part-*.csv")
    assert (raw.n_records, raw.n_rejects) == (4, 2)
    assert reader.rejects() == [
        (3, "missing columns in column name of part-1.csv", "2"),
        (3, "missing columns in column name of part-2.csv", "5"),
    ]


def test_a_cell_that_is_too_long_is_rejected_and_nothing_else(reader: Reader) -> None:
    rows = reader.csv(f"id,name\n1,a\n2,{'x' * 5_000_000}\n3,c\n")
    assert rows == [("1", "a"), ("3", "c")]
    assert [(line, reason) for line, reason, _ in reader.rejects()] == [
        (3, "line size over maximum")
    ]


def test_ragged_rows_are_rejected_with_line_reason_and_text(reader: Reader) -> None:
    rows = reader.csv("id,name\n1,a\n2\n3,c,d\n4,d\n")
    assert rows == [("1", "a"), ("4", "d")]
    assert reader.rejects() == [
        (3, "missing columns in column name", "2"),
        (4, "too many columns", "3,c,d"),
    ]


def test_every_line_that_an_open_quote_takes_in_is_a_reject(reader: Reader) -> None:
    rows = reader.csv('id,name\n1,"Ann\n2,b\n3,c\n4,"Eve, or so"\n5,"a\nb"\n6,f\n')
    assert rows == [("5", "a\nb"), ("6", "f")]
    taken = "taken in by the quote that opens in line 2"
    assert reader.rejects() == [
        (2, "unquoted value in column name, which takes in the lines below", '1,"Ann'),
        (3, taken, "2,b"),
        (4, taken, "3,c"),
        (5, taken, '4,"Eve, or so"'),
    ]


def test_a_row_of_the_wrong_encoding_is_rejected(reader: Reader) -> None:
    assert reader.csv(b"id,name\n1,Jos\xe9\n2,b\n") == [("2", "b")]
    ((line, reason, text),) = reader.rejects()
    assert (line, reason) == (2, "invalid encoding in column name")
    assert text.startswith("1,Jos")


def test_records_and_rejects_together_are_the_rows_of_the_file(reader: Reader) -> None:
    lines = [f'{i},"two\nlines {i}"' if i % 3 else f"{i}" for i in range(30_000)]
    reader.put("people.csv", "\n".join(["id,name", *lines, ""]))
    raw = reader.read(["id", "name"], path="people.csv")
    assert (raw.n_records, raw.n_rejects) == (20_000, 10_000)


def test_a_nul_byte_in_a_value_is_no_error(reader: Reader) -> None:
    assert reader.csv(b"id,name\n1,a\x00b\n") == [("1", "a\x00b")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"people\.csv: is empty; a header line and records are needed"),
        (b"\n", r"people\.csv:1: has no header line; the first line must name the columns"),
        (b"id,name\n", r"people\.csv: has no records"),
        (b"id,name", r"people\.csv: has no records"),
        (b"id,na\x00me\n1,a\n", r"people\.csv:1: the header is not utf-8 text; .*encoding"),
        (
            "id,name\n1,José\n".encode("utf-16"),
            r"people\.csv:1: the header is not utf-8 text; say `csv: {encoding: utf-16}`",
        ),
        (
            b"id,name,name\n1,a,b\n",
            r"people\.csv:1: column 'name', 'name' stands more than once .*; rename one",
        ),
        (b"id,name,NAME\n1,a,b\n", r"people\.csv:1: column 'name', 'NAME' stands more than once"),
        (
            b"id,nom\n1,a\n",
            r"people\.csv: has no column 'name'; it has 'id', 'nom'\. Correct `record_id`",
        ),
        (
            b'id,name\n1,a\n2,"b\n3,c\n4,d\n',
            r"people\.csv:3: a quote is opened in this row and never closed.*correct the row",
        ),
        (
            b"id,name\r\n1,a\r\n2,b\n3,c\r\n",
            r"people\.csv:3: this line ends in LF, those before in CRLF; give all lines",
        ),
        (
            b"id,name\n1,a\n2,b\r\n",
            r"people\.csv:3: this line ends in CRLF, those before in LF; give all lines",
        ),
        (
            b"x" * 200_000,
            r"people\.csv: has no column 'id', 'name'; it has 'x{80}'\. Is it one column only\?",
        ),
        (
            b"id,nmae\n1,a\n",
            r"has no column 'name'; it has 'id', 'nmae'\. Did you mean 'nmae' for 'name'\? Correct",
        ),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else "",
)
def test_a_bad_csv_file_is_an_error_that_says_where_and_what_to_do(
    reader: Reader, content: bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        reader.csv(content)


def test_an_encoding_that_does_not_fit_is_an_error(reader: Reader) -> None:
    with pytest.raises(InputError, match=r"people\.csv:1: .*\(utf-16\): .*BOM; correct the file"):
        reader.csv("id,name\n1,a\n", encoding="utf-16")


def test_a_file_that_is_only_called_gz_is_an_error(reader: Reader) -> None:
    reader.put("people.csv.gz", "id,name\n1,a\n")
    with pytest.raises(InputError, match=r"people\.csv\.gz:1: .*Not a gzipped file"):
        reader.read(["id"], path="people.csv.gz")
