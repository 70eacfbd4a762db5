from collections.abc import Callable

import pytest

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.terminal.record_arguments import record_named
from er_pipeline_tests.conftest import Dataset

FEW = [{"id": "1", "name": "ann"}, {"id": "a:b", "name": "bob"}, {"id": "source1-2", "name": "ed"}]
MORE = [{"id": "1", "name": "cy"}, {"id": "2", "name": "di"}]


@pytest.fixture
def named(dataset: Callable[..., Dataset]) -> Callable[[str], RecordName]:
    linked = dataset(FEW, MORE, mode="link", strategies={"name": "name"})
    linked.clean()

    def name(text: str) -> RecordName:
        with DuckDBEngine(threads=1) as engine:
            linked.lake.open(engine, "cleaned_records")
            return record_named(engine, linked.spec, text)

    return name


@pytest.mark.parametrize(
    ("text", "source", "record_id"),
    [
        ("2", "source1", "2"),
        ("source0:1", "source0", "1"),
        ("source1-1", "source1", "1"),  # as reports write it
        ("source1-2", "source0", "source1-2"),  # but an id comes first
        ("a:b", "source0", "a:b"),
        ("source0-a:b", "source0", "a:b"),
    ],
)
def test_a_record_is_named_by_its_id_or_with_its_source(
    named: Callable[[str], RecordName], text: str, source: str, record_id: str
) -> None:
    assert named(text) == RecordName(source, record_id)


def test_an_id_of_two_sources_asks_for_the_source(named: Callable[[str], RecordName]) -> None:
    with pytest.raises(InputError, match="write source0:1 or source1:1"):
        named("1")


def test_an_id_that_nobody_has_names_the_sources(named: Callable[[str], RecordName]) -> None:
    with pytest.raises(InputError, match=r"\(source0, source1\) has a record 'x'"):
        named("x")
