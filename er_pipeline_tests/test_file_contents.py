import bz2
import gzip
import lzma
from pathlib import Path

import pyarrow as pa
import pytest

from er_pipeline.blocking.records.file_contents import (
    as_text,
    check_is_table,
    encoding_of,
    opened,
    packing_of,
    utf8_copy,
)
from er_pipeline.blocking.tables.errors import InputError

TEXT = "id,name\n1,Zoë\n" * 3


@pytest.mark.parametrize("packing", ["gzip", "bz2", "xz", "zstd", "none"])
def test_a_file_is_unpacked_by_its_first_bytes_whatever_it_is_called(
    tmp_path: Path, packing: str
) -> None:
    text = TEXT.encode()
    packed = {
        "gzip": gzip.compress(text),
        "bz2": bz2.compress(text),
        "xz": lzma.compress(text),
        "zstd": pa.compress(text, codec="zstd", asbytes=True),
        "none": text,
    }
    file = tmp_path / "p.csv"
    file.write_bytes(packed[packing])
    assert packing_of(file) == packing
    with opened(file) as content, as_text(content, "utf-8", "\n") as unpacked:
        assert unpacked.read() == TEXT


@pytest.mark.parametrize(
    ("content", "declared", "encoding"),
    [
        (b"\xef\xbb\xbfid", "latin-1", "utf-8-sig"),
        (b"\xff\xfei\x00", None, "utf-16"),
        (b"\xff\xfe\x00\x00i\x00\x00\x00", None, "utf-32"),
        ("id,name".encode("utf-16-le"), None, "utf-16-le"),
        ("id,name".encode("utf-16-be"), None, "utf-16-be"),
        ("id,name\n1,Šárka Œuvrée".encode("utf-16-le"), None, "utf-16-le"),
        ("id,name\n1,Šárka Œuvrée".encode("utf-16-be"), None, "utf-16-be"),
        (b"id,name\n1,Ann\x00\n2,Bob", None, "utf-8"),
        (b"id,name", None, "utf-8"),
        (b"id,na\x00e", None, "utf-8"),
        (b"id,name", "latin-1", "cp1252"),
        (b"id,name", "iso-8859-15", "iso8859-15"),
    ],
)
def test_what_the_first_bytes_say_goes_before_what_is_declared(
    tmp_path: Path, content: bytes, declared: str | None, encoding: str
) -> None:
    (tmp_path / "p").write_bytes(content)
    assert encoding_of(tmp_path / "p", declared) == encoding


def test_text_below_a_web_page_is_no_web_page(tmp_path: Path) -> None:
    for text in ("<id>,<name>\n", "< 5,name\n"):
        (tmp_path / "p").write_text(text)
        check_is_table(tmp_path / "p", "csv")
    (tmp_path / "p").write_text("\n <?xml version='1.0'?>")
    with pytest.raises(InputError, match=r"p: is HTML or XML; export the table as csv"):
        check_is_table(tmp_path / "p", "csv")


def test_a_copy_is_made_only_where_a_file_is_not_plain_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text(TEXT, "utf-8")
    assert utf8_copy(file, tmp_path, "copy") == file
    file.write_text(TEXT, "utf-16")
    assert utf8_copy(file, tmp_path, "copy").read_text("utf-8") == TEXT
    file.write_bytes(TEXT.encode("utf-16")[:-1])
    with pytest.raises(InputError, match=r"p\.json: is not utf-16 text: .*; save it as UTF-8"):
        utf8_copy(file, tmp_path, "copy")


def test_what_is_packed_twice_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "p.csv.gz"
    for packed in (gzip.compress(gzip.compress(TEXT.encode())), gzip.compress(b"BZh91AY")):
        file.write_bytes(packed)
        with pytest.raises(InputError, match=r"p\.csv\.gz: is packed twice; unpack it once"):
            check_is_table(file, "csv")
