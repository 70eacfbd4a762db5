from collections.abc import Iterator
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.standing import standing_of
from er_pipeline.evaluation.kept_report import figures_of, run_report
from er_pipeline.evaluation.page import run_page
from er_pipeline.evaluation.page.run_page import PAGE_FILE, SECTIONS, keep_page
from er_pipeline.flow import flow
from er_pipeline_tests.conftest import Dataset

HARMFUL = "</script><img src=x onerror=alert(1)>"
SETTINGS = {
    "fields": {"name": "person_name", "code": "identifier"},
    "strategies": {"name": "name", "code": "left(code, 2)"},
    "training_rules": None,
    "description": HARMFUL,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    rows = [
        {"id": f"{HARMFUL}{i}", "name": f"ann{chr(97 + i // 2)}", "code": f"4{i // 4}7"}
        for i in range(16)
    ]
    rows[0]["code"] = "secretive"
    made = Dataset(tmp_path_factory.mktemp("page"), [rows], **SETTINGS)
    made.make("blocking_report")
    return made


@pytest.fixture
def page(made: Dataset) -> Iterator[Path]:
    (made.lake.folder / PAGE_FILE).unlink(missing_ok=True)
    path = keep(made)
    assert path
    yield path
    path.unlink(missing_ok=True)


def keep(made: Dataset) -> Path | None:
    lake, spec = made.lake, made.spec
    standing = standing_of(flow(spec), lake)
    figures = figures_of(spec, lake, standing)
    return keep_page(spec, lake, standing, figures, run_report(standing, lake, figures))


def test_a_page_has_all_sections_and_values_do_no_harm(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.count("<section ") == len(SECTIONS) + 1
    assert "<img" not in text.partition("<script")[0]
    assert "secretive" in text


def test_what_was_expected_is_shown_and_linked(made: Dataset, page: Path) -> None:
    assert "data_docs/" not in page.read_text("utf-8")
    index = made.lake.folder / "data_docs" / "index.html"
    index.parent.mkdir()
    index.write_text("pages")
    try:
        keep(made)
        link = '<a href="data_docs/index.html">Data Docs of Great Expectations</a>'
        assert link in page.read_text("utf-8")
    finally:
        index.unlink()
        index.parent.rmdir()


def test_the_same_lake_makes_the_same_page_and_one_that_fits_stays(
    made: Dataset, page: Path
) -> None:
    text, written = page.read_bytes(), page.stat().st_mtime_ns
    assert keep(made) == page
    assert page.stat().st_mtime_ns == written
    page.unlink()
    assert keep(made) == page
    assert page.read_bytes() == text


def test_values_are_left_out_where_the_declaration_says_so(made: Dataset, page: Path) -> None:
    assert "secretive" in page.read_text("utf-8")
    hidden = Dataset.of(made.spec.changed({"report": {"record_values": False}}), made.root)
    assert keep(hidden) == page
    text = page.read_text("utf-8")
    for value in ("secretive", "anna", "annb"):
        assert value not in text


def test_a_page_that_cannot_be_made_is_a_warning_and_none_is_left(
    made: Dataset, page: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> list[str]:
        raise FileNotFoundError("no vega")

    monkeypatch.setattr(run_page, "read_libraries", fail)
    page.write_text("of an earlier run")
    assert keep(made) is None
    assert not page.exists()
    assert "report.html was not written: FileNotFoundError: no vega" in caplog.text
