"""The report of a run that is kept beside its tables, also of a run that failed.

It begins with the verdict and the one thing to do next; then come the figures of all that is good.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from er_pipeline.blocking.changes.change_texts import pair_sentences
from er_pipeline.blocking.changes.pair_changes import pair_changes_facts
from er_pipeline.blocking.pairs.unified_pairs import LOSES_LITTLE
from er_pipeline.blocking.records.record_changes import record_sentence
from er_pipeline.blocking.records.snapshots import snapshot_in
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.files import write_whole
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import time_text
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.blocking.tables.standing import MADE_OF_WITHHELD, Found, Standing
from er_pipeline.evaluation.blocking_report import gather_figures
from er_pipeline.evaluation.in_force_report import in_force_lines
from er_pipeline.evaluation.report import report_lines
from er_pipeline.matching.match_changes import match_changes_facts, match_sentences

REPORT_FILE = "report.txt"
# What people came for; the verdict says how these stand.
PAIRS = "unified_pairs"
# Their checks judge by truth.
BY_TRUTH = ("missed_matches", "match_quality")
WIDTH = 98


def figures_of(spec: PipelineSpec, lake: Lake, standing: Standing) -> dict[str, Any]:
    """Return the figures of what is good: those of the table blocking_report, or as many of them.

    lake: with the plans of the flow.
    """
    if "blocking_report" in standing.good:
        return dict(lake.facts("blocking_report"))
    with DuckDBEngine(spec.threads, spec.memory_limit, lake.root / ".spill") as engine:
        return gather_figures(engine, lake, spec, standing.good)


def run_report(standing: Standing, lake: Lake, figures: Mapping[str, Any]) -> list[str]:
    """Write the report of a run for people, line by line."""
    body = list(report_lines(figures))
    created = body.pop(0) if "strategies" in figures else "[OK]"
    warned = f", with {count_of(len(standing.warnings), 'warning')}" if standing.warnings else ""
    verdict = _failure(standing, lake) if standing.withheld or standing.stale else created
    lines = [verdict + warned, f"Next:    {next_step(standing)}"]
    if day := snapshot_in(lake):
        lines.append(f"Sources: the snapshot of {day}")
    if standing.withheld and "strategies" in figures:
        lines += ["", created.removeprefix("[OK] ")]
    learned = list(in_force_lines(lake)) if "strategies" in figures else []
    if learned:
        body += ["", *learned]
    lines += [*_changes(standing, lake), *body]
    return [*lines, *_withheld(standing, lake), *_warnings(standing)]


def keep_report(lake: Lake, lines: Sequence[str]) -> Path:
    """Write the report beside the tables; return its path."""
    path = lake.folder / REPORT_FILE
    write_whole(path, "\n".join(lines) + "\n")
    return path


def _failure(standing: Standing, lake: Lake) -> str:
    pairs = "the candidate pairs are good"
    if PAIRS not in standing.good:
        published = PAIRS in lake.published()["tables"]
        pairs = "there are no new candidate pairs"
        pairs += "; those of the last good run stay" if published else ""
    return f"[FAILED] {len(standing.missed)} of {standing.n_seen} tables are withheld, {pairs}"


def next_step(standing: Standing) -> str:
    """Name the one thing to do next: mend what failed first, or look at the first warning."""
    for found in standing.errors:  # a step that found its input unusable failed because of these
        return f"{found.table}: {found.verdict.text}"
    for step, text in standing.failures.items():
        return f"{step}: {text}"
    for found in by_importance(standing.warnings):
        return f"{found.table}: {found.verdict.text}"
    return f"nothing to mend; read {PAIRS} in the catalog"


def by_importance(warnings: Sequence[Found]) -> list[Found]:
    """Put what hurts known completeness or precision before all estimates, those of budgets last.

    Within each the warnings stay in the order of the flow.
    """
    return sorted(warnings, key=lambda found: (found.table not in BY_TRUTH, _is_of_budget(found)))


def _is_of_budget(found: Found) -> bool:
    return found.verdict.check == LOSES_LITTLE.name


def _changes(standing: Standing, lake: Lake) -> Iterator[str]:
    """Say what changed since the last good run, if there is one to compare with."""
    if "pair_changes" not in standing.good:
        return
    of_pairs = pair_changes_facts(lake)
    of_matches = match_changes_facts(lake) if "match_changes" in standing.good else None
    since = max(of_pairs["since"], of_matches["since"] if of_matches else "")
    if not since:
        return
    yield ""
    yield f"SINCE THE LAST GOOD RUN ({time_text(since)})"
    yield "=" * 78
    # Pairs that the last runs left as they were were compared before that.
    listed = pair_sentences(of_pairs) if since == of_pairs["since"] else ()
    sentences = list(listed) or ["The candidate pairs are the same."]
    if since == of_pairs["since"] and (records := record_sentence(of_pairs.get("records"))):
        sentences.insert(0, records)
    if of_matches and of_matches["since"]:
        sentences += list(match_sentences(of_matches, of_pairs)) or ["The matches are the same."]
    for sentence in sentences:
        yield from wrap(sentence, WIDTH, subsequent_indent="  ")


def _withheld(standing: Standing, lake: Lake) -> Iterator[str]:
    if not standing.withheld:
        return
    yield ""
    missed = standing.missed
    hanging = [table for table, why in missed.items() if why.endswith(MADE_OF_WITHHELD)]
    causes = [table for table in missed if table not in hanging]
    if causes:
        yield from _wrapped("Withheld:   ", ", ".join(causes))
    if hanging:
        yield from _wrapped("Made of it: ", ", ".join(hanging))
    shown = lake.published()["tables"]
    kept = [table for table in missed if table in shown]
    if kept:
        time = time_text(max(shown[table] for table in kept))
        yield from _wrapped("Earlier:    ", f"the catalog shows {', '.join(kept)} of {time}")
    for step, text in standing.failures.items():
        yield f"[FAILED] {step}: {text}"
    for found in standing.errors:
        verdict = found.verdict
        yield f"[FAILED] {found.table}: {verdict.check}: {verdict.text}"


def _warnings(standing: Standing) -> Iterator[str]:
    """Repeat the warnings of a run, which progress has carried out of sight."""
    if standing.warnings:
        yield ""
    for found in standing.warnings:
        yield f"[warning] {found.table}: {found.verdict.check}: {found.verdict.text}"


def _wrapped(title: str, text: str) -> Iterator[str]:
    yield from wrap(
        " ".join(text.split()), WIDTH, initial_indent=title, subsequent_indent=" " * 12
    ) or [title]
