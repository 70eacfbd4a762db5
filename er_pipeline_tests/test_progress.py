import logging
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from er_pipeline.orchestration.progress import (
    event_line,
    progress_logger,
    show_steps_of_assets,
    watched_by,
)


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    logger = logging.getLogger("er_pipeline")
    before = logger.level, logger.handlers, logger.propagate
    yield
    logger.level, logger.handlers, logger.propagate = before


def run() -> dg.ExecuteInProcessResult:
    """Make one table and check it twice."""

    @dg.asset(key=["people", "pairs"])
    def pairs(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        context.log.info("not for people")
        context.log.warning("half a row")
        return dg.MaterializeResult(
            metadata={"dagster/row_count": 1234, "wall_seconds": 1.25, "cpu_seconds": 0.5}
        )

    @dg.multi_asset_check(
        name="people__pairs__checks",
        specs=[dg.AssetCheckSpec(name, asset=["people", "pairs"]) for name in ("good", "bad")],
    )
    def checks() -> Iterator[dg.AssetCheckResult]:
        key = dg.AssetKey(["people", "pairs"])
        yield dg.AssetCheckResult(asset_key=key, check_name="good", passed=True)
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name="bad",
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description="too few",
        )

    job = dg.Definitions(
        assets=[pairs],
        asset_checks=[checks],
        jobs=[dg.define_asset_job("all", selection="*")],
        loggers={"progress": progress_logger},
    ).resolve_job_def("all")
    return job.execute_in_process(run_config={"loggers": {"progress": {}}})


def test_a_run_is_a_line_per_table_and_per_check_that_failed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run().success
    assert capfd.readouterr().err.splitlines() == [
        "pairs ...",
        "  warning: half a row",
        "  pairs                    1,234 rows  1.2 s wall, 0.5 s CPU",
        "  [warning] pairs: bad: too few",
    ]


def test_a_watcher_sees_every_event_and_shows_itself_what_begins(
    capfd: pytest.CaptureFixture[str],
) -> None:
    seen: list[dg.DagsterEvent] = []
    with watched_by(seen.append):
        run()
    lines = capfd.readouterr().err
    assert " ..." not in lines
    assert "1,234 rows" in lines
    started = [event for event in seen if event.event_type == dg.DagsterEventType.STEP_START]
    assert [event.step_key for event in started] == ["people__pairs", "people__pairs__checks"]
    n_seen = len(seen)
    run()
    assert len(seen) == n_seen


def test_what_is_no_event_has_no_line() -> None:
    assert event_line(None) is None


def test_steps_show_their_own_progress_indented(capsys: pytest.CaptureFixture[str]) -> None:
    show_steps_of_assets()
    logging.getLogger("er_pipeline.blocking.any").info("cleaning %s", "email")
    logging.getLogger("er_pipeline.blocking.any").debug("not this")
    assert capsys.readouterr().err == "    cleaning email\n"
