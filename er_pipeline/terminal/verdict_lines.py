"""What is judged without a run: lines and figures as they come, verdicts at the end."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.terminal.answer import print_json, print_lines
from er_pipeline.terminal.exit_codes import FAILED, OK
from er_pipeline.terminal.progress_bar import waited_for

Judged = Iterator[str | Mapping[str, Any] | Verdict]


def show_judged(items: Judged, doing: str, *, as_json: bool) -> int:
    """Print what was found and the verdicts; return 1 if a verdict that stops a run failed.

    items: lines for people, figures for programs, verdicts. as_json: print one object of figures
    and verdicts instead of lines. doing: what is shown on a terminal while the next item is made.
    """
    began = time.perf_counter()
    figures: dict[str, Any] = {}
    verdicts: list[Verdict] = []
    for item in waited_for(items, doing):
        if isinstance(item, Verdict):
            verdicts.append(item)
        elif isinstance(item, Mapping):
            figures.update(item)
        elif not as_json:
            print_lines([item])
    failed = any(not verdict.passed and verdict.severity == "error" for verdict in verdicts)
    if as_json:
        print_json(
            {
                "verdict": "failed" if failed else "ok",
                "figures": figures,
                "checks": [asdict(verdict) for verdict in verdicts],
                "seconds": round(time.perf_counter() - began, 3),
            }
        )
    else:
        print_lines(["", *(f"[{_mark(v)}] {v.check}: {v.text}" for v in verdicts)])
    return FAILED if failed else OK


def _mark(verdict: Verdict) -> str:
    if verdict.passed:
        return "ok"
    return "FAILED" if verdict.severity == "error" else "warning"
