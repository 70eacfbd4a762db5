"""er-pipeline run: one run, a dry run, or one run after another for all snapshots of some dates."""

import sys
from itertools import chain
from pathlib import Path
from typing import Any

from er_pipeline.blocking.records.snapshots import (
    check_order,
    chosen_snapshots,
    is_by_date,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.terminal.exit_codes import OK, UsageError


def run_command(
    defs: Path,
    *,
    date: str | None,
    dates: str | None,
    select: str | None,
    dry_run: bool,
    full: bool,
    notify: bool,
    lake: Path | None,
    executor: str,
    as_json: bool,
) -> int:
    """Run a declared dataset, see the command; return the exit code.

    Raises UsageError if options do not fit each other, or the dataset.
    """
    if date is not None and dates is not None:
        raise UsageError("--date is one snapshot, --dates are several; leave one of them out")
    option = "--date" if date is not None else "--dates"
    if date is not None or dates is not None:
        _check_has_dates(read_spec(defs), option)
    if dry_run:
        for given, name, why in (
            (select is not None, "--select", "--dry-run counts every strategy"),
            (full, "--full", "--dry-run makes no table"),
            (dates is not None, "--dates", "--dry-run counts one snapshot: write --date"),
        ):
            if given:
                raise UsageError(f"{why}; leave {name} out")
        return _dry_run(defs, date, as_json=as_json)

    from er_pipeline.terminal.run_answer import run_and_report

    options: dict[str, Any] = {
        "lake": lake,
        "executor": executor,
        "selection": select,
        "as_json": as_json,
        "full": full,
        "notify": notify,
    }
    if dates is not None:
        return _run_all(defs, dates, options)
    return run_and_report(defs, {}, snapshot=date, **options)


def _run_all(defs: Path, dates: str, options: dict[str, Any]) -> int:
    """Run the snapshots of some dates in their order; the first that fails ends it.

    What came after a night that failed could not be made again before it.
    """
    from er_pipeline.terminal.answer import print_json
    from er_pipeline.terminal.lakes import open_lake
    from er_pipeline.terminal.run_answer import run_and_report

    first, dots, last = dates.partition("..")
    if not dots:
        raise UsageError(f"--dates {dates}: write FROM..TO, such as 2026-11-01..2026-11-30")
    spec = read_spec(defs)
    days = chosen_snapshots(spec, first, last)
    check_order(open_lake(spec, options["lake"]), days[0])
    answers: list[Any] = []
    for i, day in enumerate(days, 1):
        print(f"run {i} of {len(days)}, {day}", file=sys.stderr)
        code = run_and_report(defs, {}, snapshot=day, answer=answers.append, **options)
        if code != OK:
            break
    if options["as_json"]:
        print_json({"runs": answers, "left": days[len(answers) :]})
    if code != OK and i < len(days):
        print(
            f"{day} did not go well, so the {len(days) - i} dates after it were not begun; mend it,"
            f" then run --dates {day}..{last}",
            file=sys.stderr,
        )
    return code


def _check_has_dates(spec: PipelineSpec, option: str) -> None:
    if not is_by_date(spec):
        raise UsageError(
            f"{option}: no source of {spec.dataset} has a snapshot for every date; write {{date}}"
            " in its path, such as path: people_{date}.parquet"
        )


def _dry_run(defs: Path, date: str | None, *, as_json: bool) -> int:
    """Clean the records in a place that is thrown away, then count; no pair is made."""
    from er_pipeline.blocking.tables.files import scratch_folder
    from er_pipeline.evaluation.dry_run import count_dataset, untaught
    from er_pipeline.flow import flow, open_lake
    from er_pipeline.terminal.declared_places import check_declared_places, would_publish
    from er_pipeline.terminal.verdict_lines import show_judged

    spec = read_spec(defs)
    check_declared_places(defs, spec, flow(spec))
    counted = untaught(spec)
    with scratch_folder() as scratch:
        lake = open_lake(scratch, counted).at_snapshot(date)
        items = count_dataset(spec, flow(counted), lake)
        return show_judged(chain(items, would_publish(spec)), "counting pairs", as_json=as_json)
