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


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_encodings_that_show_need_not_be_declared(reader: Reader, encoding: str) -> None:
    content = 'id,name\n1,José\n2,"a\nb"\n'.encode(encoding)
    assert reader.csv(content) == [("1", "José"), ("2", "a\nb")]
    assert reader.csv(content, encoding="latin-1" if "sig" in encoding else None)[0] == (
        "1",
        "José",
    )


@pytest.mark.parametrize("declared", ["latin-1", "windows-1252", "iso-8859-1", "cp1252"])
def test_files_of_windows_are_read_as_latin_1_too(reader: Reader, declared: str) -> None:
    content = "id,name\n1,O’Neil Šarić – €\n".replace("ć", "c").encode("cp1252")
    assert reader.csv(content, encoding=declared) == [("1", "O’Neil Šaric – €")]


def test_a_byte_that_windows_does_not_know_rejects_its_row(reader: Reader) -> None:
    assert reader.csv(b"id,name\n1,a\x81\n2,b\n", encoding="windows-1252") == [("2", "b")]
    assert reader.rejects() == [(2, "byte 0x81 after '1,a' is not cp1252 text", "1,a\ufffd")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "iso-8859-2", "cp850"])
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


def test_files_read_together_may_differ_in_order_case_and_delimiter(reader: Reader) -> None:
    reader.put("part-1.csv", "id,name\n1,a\n")
    reader.put("part-2.csv", "NAME;more;Id\nb;x;007\n")
    rows = reader.rows(["id", "name"], path="part-*.csv")
    assert rows == [("1", "a"), ("007", "b")]


def test_a_column_that_one_of_several_files_lacks_is_no_value_there_and_noted(
    reader: Reader,
) -> None:
    reader.put("part-1.csv", "id,name\n1,a\n")
    reader.put("part-2.csv", "id\n2\n")
    assert reader.rows(["id", "name"], path="part-*.csv") == [("1", "a"), ("2", None)]
    (note,) = reader.read(["id", "name"], path="part-*.csv").notes
    assert "part-2.csv: has no column 'name', which other files have" in note
    with pytest.raises(
        InputError, match=r"part-2\.csv: has no column 'name', which other files of"
    ):
        reader.read(["name", "id"], path="part-*.csv", record_id="name")


def test_rejected_rows_of_several_files_are_all_counted_and_name_their_file(
    reader: Reader,
) -> None:
    reader.put("part-1.csv", "id,name\n1,a\n2\n3,c\n")
    reader.put("part-2.csv", "id,name\n4,a\n5\n6,c\n")
    raw = reader.read(["id", "name"], path="part-*.csv")
    assert (raw.n_records, raw.n_rejects) == (4, 2)
    assert reader.rejects() == [
        (3, "part-1.csv: has 1 cells, the header 2", "2"),
        (3, "part-2.csv: has 1 cells, the header 2", "5"),
    ]


def test_a_cell_that_is_too_long_is_rejected_and_nothing_else(reader: Reader) -> None:
    rows = reader.csv(f"id,name\n1,a\n2,{'x' * 5_000_000}\n3,c\n")
    assert rows == [("1", "a"), ("3", "c")]
    assert [(line, reason) for line, reason, _ in reader.rejects()] == [
        (3, "the line is longer than 4,000,000 characters")
    ]


def test_ragged_rows_are_rejected_with_line_reason_and_text(reader: Reader) -> None:
    rows = reader.csv("id,name\n1,a\n2\n3,c,d\n4,d\n")
    assert rows == [("1", "a"), ("4", "d")]
    assert reader.rejects() == [
        (3, "has 1 cells, the header 2", "2"),
        (4, "has 3 cells, the header 2; quote cells with ',' in them", "3,c,d"),
    ]


def test_a_quote_opened_by_mistake_costs_its_line_and_no_other(reader: Reader) -> None:
    rows = reader.csv('id,name\n1,"Ann\n2,b\n3,c\n4,"Eve, or so"\n5,"a\nb"\n6,f\n')
    assert rows == [("2", "b"), ("3", "c"), ("4", "Eve, or so"), ("5", "a\nb"), ("6", "f")]
    reason = 'a quote " stands within a quoted cell, 3 lines below; write it twice'
    assert reader.rejects() == [(2, reason, '1,"Ann')]


def test_two_stray_quotes_far_apart_cost_no_row_between_them(reader: Reader) -> None:
    lines = [f"{i},n{i},Kiel" for i in range(60_000)]
    lines[9_000] = '9000,"n,Kiel'
    lines[50_000] = '50000,n,"Kiel'
    rows = reader.csv("\n".join(["id,name,city", *lines, ""]))
    assert len(rows) == 59_998
    assert [(line, text) for line, _, text in reader.rejects()] == [
        (9_002, '9000,"n,Kiel'),
        (50_002, '50000,n,"Kiel'),
    ]


def test_lines_are_records_rejects_blank_or_within_cells(reader: Reader) -> None:
    content = 'id,name\n1,"a\n\nb"\n\n2\n3,c\n\n4,d,e\nid,name\n5,f'
    rows = reader.csv(content)
    assert rows == [("1", "a\n\nb"), ("3", "c"), ("5", "f")]
    assert [(line, reason) for line, reason, _ in reader.rejects()] == [
        (6, "has 1 cells, the header 2"),
        (9, "has 3 cells, the header 2; quote cells with ',' in them"),
        (10, "repeats the header"),
    ]


def test_a_header_is_repeated_in_any_case(reader: Reader) -> None:
    assert reader.csv("id,name\n1,a\nID,Name\n2,Name\n") == [("1", "a"), ("2", "Name")]
    assert reader.rejects() == [(3, "repeats the header", "ID,Name")]


def test_lines_that_a_quote_takes_in_are_noted_where_they_look_like_rows(reader: Reader) -> None:
    content = 'id\tname\tcity\n1\t"Ann\tKiel\n2\tBob\tKiel\n3\t"Cy"\tGera\n4\tDi"\tGera\n'
    (reader.folder / "p.tsv").write_text(content.replace('"Cy"', "Cy"))
    raw = reader.read(["id", "name"], path="p.tsv")
    assert (raw.n_records, raw.n_rejects) == (1, 0)
    assert "p.tsv:2: a quote opens in this row and takes in 3 lines that look like" in raw.notes[0]
    rows = reader.rows(["id", "name"], path="p.tsv", csv={"quote": "none"})
    assert rows == [("1", '"Ann'), ("2", "Bob"), ("3", "Cy"), ("4", 'Di"')]


@pytest.mark.parametrize("ends", ["\r\n1,a\n2,b\r\n", "\n1,a\r\n2,b\n", "\r1,a\r2,b\r"])
def test_lines_may_end_in_any_way(reader: Reader, ends: str) -> None:
    assert reader.csv(f"id,name{ends}") == [("1", "a"), ("2", "b")]


@pytest.mark.parametrize(
    "above",
    ["sep=,\n", "Customers of 2026\n\n", "\n\n", "Report,,\nby,,\n,,\n"],
    ids=["sep", "title", "blank", "titles"],
)
def test_lines_above_the_header_are_passed_over(reader: Reader, above: str) -> None:
    assert reader.csv(f"{above}id,name\n1,a\n2,b\n") == [("1", "a"), ("2", "b")]


def test_every_line_may_end_in_a_delimiter(reader: Reader) -> None:
    assert reader.csv("id,name\n1,a,\n2,b,\n") == [("1", "a"), ("2", "b")]


def test_a_row_of_the_wrong_encoding_is_rejected(reader: Reader) -> None:
    assert reader.csv(b"id,name\n1,Jos\xe9\n2,b\n") == [("2", "b")]
    ((line, reason, text),) = reader.rejects()
    assert (line, reason) == (2, "byte 0xE9 after '1,Jos' is not utf-8 text")
    assert text == "1,Jos\ufffd"


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
            b"id,name,name\n1,a,b\n",
            r"people\.csv: column 'name', 'name' stands more than once .*; rename one",
        ),
        (b"id,Name,NAME\n1,a,b\n", r"people\.csv: column 'Name', 'NAME' stands more than once"),
        (
            b"id,nom\n1,a\n",
            r"people\.csv: has no column 'name'; it has 'id', 'nom'\. Correct `record_id`",
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
    with pytest.raises(InputError, match=r"people\.csv:1: .*utf-16.*correct"):
        reader.csv("id,name\n1,a\n", encoding="utf-16")


def test_a_file_that_is_only_called_gz_is_an_error(reader: Reader) -> None:
    reader.put("people.csv.gz", "id,name\n1,a\n")
    with pytest.raises(InputError, match=r"people\.csv\.gz: is not packed as its ending"):
        reader.read(["id"], path="people.csv.gz")
