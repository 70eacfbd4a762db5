import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.records.cleaned_records import judge_records
from er_pipeline.blocking.records.data_docs import data_docs_of, drop_data_docs, keep_data_docs
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.test_expectation_outcomes import IN_SET, MEAN, UNIQUE, outcomes

HOSTILE = "<img src=x onerror=alert(1)> $column & <script>alert(2)</script>"
ROWS = [{"id": str(i), "last": HOSTILE, "size": str(i)} for i in range(3)]


def kept(make: Callable[..., Dataset], *, data_docs: bool = True, **settings: Any) -> Dataset:
    people = make(ROWS, strategies={"size": "size"}, **settings)
    people.clean()
    with DuckDBEngine(threads=2) as engine:
        list(judge_records(engine, people.lake, people.spec, data_docs=data_docs))
    return people


def page_of(people: Dataset) -> str:
    index = data_docs_of(people.lake.folder)
    assert index is not None
    return index.with_name("cleaned_records.html").read_text("utf-8")


EXPECTED = {
    "formats": {"size": "^9$"},
    "expect": [{"expect_column_values_to_be_in_set": {"column": "last", "value_set": ["<i>"]}}],
}


def test_a_page_is_complete_in_itself_and_runs_nothing(dataset: Callable[..., Dataset]) -> None:
    page = page_of(kept(dataset, expectations=EXPECTED))
    assert re.findall(r"https?://|<script|<link|<img|\son\w+=|@import|url\(", page) == []
    assert "default-src &#x27;none&#x27;; style-src &#x27;unsafe-inline&#x27;" in page
    assert re.findall(r'href="([^#"][^"]*)"', page) == ["index.html"]


def test_values_are_text_whatever_they_hold(dataset: Callable[..., Dataset]) -> None:
    people = kept(dataset, expectations=EXPECTED, fields={"last": "identifier", "size": "text"})
    assert "<i>" not in page_of(people)
    hostile = outcomes(IN_SET)
    keep_data_docs(people.lake.folder, "people", "cleaned_records", hostile, with_values=True)
    page = page_of(people)
    assert "<td" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_it_shows_what_was_expected_and_what_was_found(dataset: Callable[..., Dataset]) -> None:
    page = page_of(kept(dataset, expectations=EXPECTED))
    text = unescape(" ".join(re.sub(r"<[^>]+>", " ", page.split("<body>")[1]).split()))
    assert "Evaluated Expectations 5" in text
    assert "Unsuccessful Expectations 2" in text
    assert "values must match this regular expression: ^9$" in text
    assert "people.cleaned_records" in text
    assert "100% unexpected" in text


def test_without_values_of_records_it_holds_counts_alone(dataset: Callable[..., Dataset]) -> None:
    with_values = page_of(kept(dataset, expectations=EXPECTED))
    assert re.search(r"<td[^>]*><div[^>]*>2</div>", with_values)
    hidden = kept(dataset, expectations=EXPECTED, report={"record_values": False})
    page = page_of(hidden)
    assert "alert(" not in page
    assert "100% unexpected" in " ".join(page.split())
    assert "Sampled Unexpected Values" not in page


@pytest.mark.parametrize(
    ("data_docs", "expectations"),
    [(False, EXPECTED), (True, {}), (True, {**EXPECTED, "data_docs": False})],
)
def test_there_is_none_where_none_is_wanted_or_nothing_expected(
    dataset: Callable[..., Dataset], data_docs: bool, expectations: dict[str, Any]
) -> None:
    people = kept(dataset, data_docs=data_docs, expectations=expectations)
    assert data_docs_of(people.lake.folder) is None


def test_pages_of_what_is_no_longer_expected_go(dataset: Callable[..., Dataset]) -> None:
    people = kept(dataset, expectations=EXPECTED)
    folder = people.lake.folder
    keep_data_docs(folder, "people", "entities", outcomes(MEAN), with_values=True)
    index = data_docs_of(folder)
    assert index is not None
    assert re.findall(r'href="(\w+)\.html', index.read_text()) == ["cleaned_records", "entities"]
    kept(dataset, expectations=EXPECTED)
    assert re.findall(r'href="(\w+)\.html', index.read_text()) == ["cleaned_records"]
    drop_data_docs(folder, "people", ["cleaned_records"])
    assert data_docs_of(folder) is None
    assert not index.parent.exists()


def test_what_could_not_be_judged_says_why(tmp_path: Path) -> None:
    keep_data_docs(tmp_path, "people", "matches", outcomes(UNIQUE, n_rows=99), with_values=True)
    page = (tmp_path / "data_docs" / "matches.html").read_text("utf-8")
    assert "only all 99 rows can show it" in page
