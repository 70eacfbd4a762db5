"""Run drift: whether runs still come out as the first one did that used what is in force.

What was learned says of how many records, and how full they were (`learned_from`). How blocks have
grown since, and whether fewer matches are found, shows in the figures of the runs.
"""

from collections.abc import Iterator, Mapping

import duckdb

from er_pipeline.blocking.records.learned_from import MOST_GROWTH
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.in_force import read_sets
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import made_at
from er_pipeline.blocking.tables.run_metrics import RUN_METRICS

REPORT = "blocking_report"
PROPOSED, RECORDS, LOW, HIGH = "potential_comparisons", "records", "recall_low", "recall_high"


def figures_then(engine: Engine, lake: Lake) -> dict[str, float]:
    """Return the figures of the first run since the set in force was put in force; maybe none.

    Figures of the past that cannot be read are none.
    """
    (newest,) = read_sets(lake.folder)[-1:] or (None,)
    if newest is None or not lake.has(RUN_METRICS.name):
        return {}
    try:
        lake.open(engine, RUN_METRICS.name, "past_metrics")
        rows = engine.rows(
            'select metric, arg_min(value, "at") from past_metrics where table_name = ?'
            ' and "at" >= ? group by metric',
            [REPORT, made_at(newest["since"])],
        )
    except (duckdb.Error, LakeError, ValueError):
        return {}
    return dict(rows)


def figures_now(lake: Lake) -> dict[str, float]:
    """Return the same figures of this run, from the facts of its report."""
    if not lake.has(REPORT):
        return {}
    facts = lake.facts(REPORT)
    return {**facts["run"], **facts.get("recall_interval", {})}


def find_run_drift(then: Mapping[str, float], now: Mapping[str, float]) -> Iterator[str]:
    """Say in what a run differs from the first one with what is in force, if it does.

    Blocks have grown where a record has 1.5 times the proposals it had. Recall has fallen where the
    95% intervals of both estimates do not even touch; where it is not known, one is all of 0 to 1.
    """
    before, after = _proposals(then), _proposals(now)
    if before and after and after > MOST_GROWTH * before:
        yield (
            f"blocks hold {after:,.1f} pairs per record, {before:,.1f} when it was first used: they"
            " have grown"
        )
    if LOW in then and HIGH in now and now[HIGH] < then[LOW]:
        yield (
            f"at most {now[HIGH]:.1%} of the likely matches are candidates, at least"
            f" {then[LOW]:.1%} when it was first used"
        )


def _proposals(figures: Mapping[str, float]) -> float:
    records = figures.get(RECORDS, 0)
    return figures.get(PROPOSED, 0) / records if records else 0.0
