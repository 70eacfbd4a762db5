import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.in_force import note_in_force
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import moment
from er_pipeline.blocking.tables.run_metrics import INBOX, collect_run_metrics
from er_pipeline.evaluation.run_drift import figures_then, find_run_drift

THEN = {"records": 100, "potential_comparisons": 400, "recall_low": 0.9, "recall_high": 0.95}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"records": 200, "potential_comparisons": 900}, []),
        (
            {"potential_comparisons": 700},
            ["blocks hold 7.0 pairs per record, 4.0 when it was first used: they have grown"],
        ),
        ({"recall_low": 0.85, "recall_high": 0.91}, []),
        (
            {"recall_low": 0.7, "recall_high": 0.8},
            [
                "at most 80.0% of the likely matches are candidates, at least 90.0% when it was"
                " first used"
            ],
        ),
        ({"recall_low": 0.0, "recall_high": 1.0}, []),
    ],
)
def test_grown_blocks_and_fallen_recall_are_said(change: dict[str, float], said: list[str]) -> None:
    assert list(find_run_drift(THEN, {**THEN, **change})) == said


def test_without_figures_of_the_past_nothing_is_said() -> None:
    assert list(find_run_drift({}, THEN)) == []
    assert list(find_run_drift(THEN, {})) == []


def test_then_is_the_first_run_with_what_is_in_force(engine: Engine, tmp_path: Path) -> None:
    lake = Lake(tmp_path, "people")
    assert figures_then(engine, lake) == {}
    inbox = lake.folder / INBOX
    inbox.mkdir(parents=True)
    for day, records in ((1, 10), (3, 30), (4, 40)):
        note = {
            "run_id": str(day),
            "at": datetime(2026, 11, day, 2, tzinfo=UTC).isoformat(),
            "table_name": "blocking_report",
            "figures": {"records": records},
        }
        (inbox / f"{day}.json").write_text(json.dumps(note))
    collect_run_metrics(engine, lake)
    assert figures_then(engine, lake) == {}
    since = moment(datetime(2026, 11, 2, tzinfo=UTC))
    note_in_force(lake.folder, {"pair_weights": f"{since}-a"}, since, 5)
    assert figures_then(engine, lake) == {"records": 30.0}
