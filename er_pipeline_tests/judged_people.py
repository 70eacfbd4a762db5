"""Four people whose pairs are judged: labels of them, their journal and their queue."""

from collections.abc import Callable
from pathlib import Path

import pytest

from er_pipeline.blocking.labels.label_files import import_labels
from er_pipeline.blocking.labels.label_queue import QUEUED
from er_pipeline.blocking.labels.labels import Journal, Label, RecordName, journal_of
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.conftest import Dataset, Rows

PEOPLE: Rows = [
    {"id": "a", "name": "ann", "city": "ulm"},
    {"id": "b", "name": "anne", "city": None},
    {"id": "c", "name": "bob", "city": "bonn"},
    {"id": "d", "name": "<bo>", "city": "ulm, a b"},
]


NOON = "2026-11-03T12:00:00Z"


CITY = {"city": "city"}


def label(left: str, right: str, answer: str = "match", **more: str) -> Label:
    """A label of two records; another source than people is written before a colon: web:1."""
    names = [RecordName(*["people", *name.split(":")][-2:]) for name in (left, right)]
    return Label(*names, **{"answer": answer, "who": "eve", "at": NOON, **more})  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "labels.jsonl")


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Dataset:
    people = dataset(PEOPLE, strategies=CITY, labels={})
    people.clean()
    return people


@pytest.fixture
def shops(dataset: Callable[..., Dataset]) -> Dataset:
    """Two sources that use the same ids for different records."""
    shops = dataset(PEOPLE[:2], PEOPLE[:2], strategies=CITY, labels={})
    shops.clean()
    return shops


def queue(people: Dataset, *pairs: tuple[int, int], reason: str = "audit") -> None:
    """Run the pipeline up to label_queue, and let it ask about these pairs instead."""
    people.make("label_queue")
    rows = [(i, left, right, reason, None, None) for i, (left, right) in enumerate(pairs)]
    with DuckDBEngine(threads=2) as engine, people.lake.writing("label_queue") as draft:
        engine.put("queued", QUEUED.arrow(rows))
        engine.write("select * from queued", draft.file())


def importing(people: Dataset, name: str, text: str) -> dict[str, int]:
    file = people.folder / name
    file.write_text(text)
    return import_labels(journal_of(people.spec), people.spec, file)
