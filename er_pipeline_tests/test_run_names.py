from datetime import UTC, datetime
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.publications import Publication, Retention, new_note
from er_pipeline.blocking.tables.run_metrics import RUN_METRICS
from er_pipeline.terminal.exit_codes import UsageError
from er_pipeline.terminal.run_names import NamedRuns
from er_pipeline_tests.test_lake import write

RUNS = {"aaaaaa1111": 1, "aaaaaa2222": 2}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", "people")


def publish(lake: Lake, report: str, day: int) -> None:
    """Show a report at two o'clock of a day of 2026-11."""
    note = new_note({"blocking_report": report}, {"a": "b"}, {}, {})
    note["at"] = f"202611{day:02}T020000.000000"
    publication = Publication(lake.folder, note, Retention(versions=9), {})
    publication.prepare()
    publication.commit()


def named(lake: Lake, runs: dict[str, int]) -> NamedRuns:
    """Give the runs their figures: each made a report at one o'clock of its day."""
    rows = [
        (run_id, datetime(2026, 11, day, 1, tzinfo=UTC), "blocking_report", "records", float(day))
        for run_id, day in runs.items()
    ]
    with DuckDBEngine(1) as engine:
        engine.put("rows", RUN_METRICS.arrow(rows))
        with lake.writing("run_metrics") as draft:
            engine.write("from rows", draft.file())
        return NamedRuns(engine, lake)


def report_of(lake: Lake, day: int) -> str:
    """Write a report; give it the name of a version of midnight."""
    version = write(lake, "blocking_report", "{}")
    path = lake.path("blocking_report", version)
    (path / "facts.json").write_text('{"run": {"records": 7}}')
    name = f"202611{day:02}T000000.000000-{day:06}"
    path.rename(path.with_name(name))
    return name


def test_without_names_the_last_two_publications_are_compared(lake: Lake) -> None:
    for day in (1, 2, 3):
        publish(lake, report_of(lake, day), day)
    before, now = named(lake, {}).both(None, None)
    assert (before.name, now.name) == ("2026-11-02 02:00:00", "2026-11-03 02:00:00")
    assert now.figures == {"records": 7}


def test_a_moment_is_compared_with_now(lake: Lake) -> None:
    for day in (1, 2, 3):
        publish(lake, report_of(lake, day), day)
    runs = named(lake, {})
    before, now = runs.both("2026-11-01", None)
    assert [shown["at"][:8] for shown in runs.between(before, now)] == [
        *("20261101", "20261102", "20261103")
    ]
    with pytest.raises(UsageError, match="name the older one first"):
        runs.between(now, before)


def test_a_run_is_named_by_its_id_and_has_the_tables_it_published(lake: Lake) -> None:
    for day in (1, 2):
        publish(lake, report_of(lake, day), day)
    runs = named(lake, RUNS)
    side = runs.side("AAAAAA2222")
    assert side.name == "aaaaaa22 of 2026-11-02 01:00:00"
    assert side.figures == {"records": 2}
    assert side.shown is not None
    assert side.shown["at"].startswith("20261102")
    with pytest.raises(UsageError, match="several runs begin with 'aaaaaa'"):
        runs.side("aaaaaa")
    with pytest.raises(UsageError, match="no run that made a report has such an id"):
        runs.side("bbbbbb")


def test_a_run_whose_publication_is_gone_has_figures_alone(lake: Lake) -> None:
    publish(lake, report_of(lake, 2), 2)
    before, now = named(lake, RUNS).both(None, None)
    assert (before.shown, before.figures) == (None, {"records": 1})
    assert now.shown is not None


def test_one_run_has_nothing_to_be_compared_with(lake: Lake) -> None:
    with pytest.raises(LakeError, match="nothing is published"):
        named(lake, {})
    publish(lake, report_of(lake, 1), 1)
    with pytest.raises(LakeError, match="nothing to compare it with yet"):
        named(lake, {"aaaaaa1111": 1}).both(None, None)
