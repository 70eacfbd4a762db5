import json
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.test_sources import Reader


@pytest.fixture
def reader(tmp_path: Path, engine: Engine) -> Reader:
    return Reader(tmp_path, engine)


def test_keys_may_differ_in_case_from_record_to_record(reader: Reader) -> None:
    lines = ['{"id": 1, "Name": "a"}', '{"ID": 2, "name": "b"}', '{"Id": 3, "NAME": null}']
    reader.put("p.jsonl", "\n".join(lines))
    assert reader.rows(["id", "name"], path="p.jsonl") == [("1", "a"), ("2", "b"), ("3", None)]


def test_an_object_of_columns_is_read_by_its_rows(reader: Reader) -> None:
    columns = {"id": {"0": "007", "1": "b", "10": 3.0}, "name": {"10": "c", "0": "a"}}
    reader.put("p.json", json.dumps(columns))
    rows = reader.rows(["id", "name"], path="p.json")
    assert sorted(rows) == [("007", "a"), ("3", "c"), ("b", None)]


def test_an_object_of_lists_is_read_by_its_rows(reader: Reader) -> None:
    columns = {"id": [f"r{i}" for i in range(11)], "name": [f"n{i}" for i in range(11)]}
    reader.put("p.json", json.dumps(columns))
    rows = reader.rows(["id", "name"], path="p.json")
    assert rows == [(f"r{i}", f"n{i}") for i in range(11)]


def test_values_that_are_objects_are_an_error_that_names_the_record(reader: Reader) -> None:
    reader.put("p.jsonl", '{"id": 1, "name": "a"}\n{"id": 2, "name": {"first": "b"}}\n')
    with pytest.raises(InputError, match=r"p\.jsonl: column 'name' of record 2 holds an object, "):
        reader.read(["id", "name"], path="p.jsonl")
    assert reader.rows(["id"], path="p.jsonl") == [("1",), ("2",)]


def test_several_values_in_a_cell_are_read_and_counted(reader: Reader) -> None:
    reader.put("p.jsonl", '{"id": 1, "name": ["a@x.de", "b@x.de"]}\n{"id": 2, "name": ["c"]}\n')
    raw = reader.read(["id", "name"], path="p.jsonl")
    assert reader.engine.rows("select name from raw") == [("a@x.de; b@x.de",), ("c",)]
    assert "column 'name' holds several values in 1 cells" in raw.notes[0]


def test_a_vector_is_no_list_of_values(reader: Reader) -> None:
    reader.put("p.json", '[{"id": 1, "v": [0.5, 1.0]}, {"id": 2, "v": null}]')
    raw = reader.read(["id", "v"], path="p.json")
    assert raw.notes
    from er_pipeline.blocking.records.sources import read_source
    from er_pipeline.blocking.spec.sources_section import Source

    raw = read_source(
        reader.engine,
        Source(path="p.json"),
        ["id", "v"],
        folder=reader.folder,
        scratch=reader.folder,
        table="raw",
        vector="v",
    )
    assert (raw.notes, reader.engine.rows("select v from raw")) == ([], [("[0.5,1.0]",), (None,)])
