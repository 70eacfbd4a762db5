"""A notice: what a run that has ended is worth saying, from what the lake notes of its tables."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from er_pipeline.blocking.spec.notify_section import Occasion
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import examine
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import time_text
from er_pipeline.blocking.tables.printable import printable, without_password
from er_pipeline.blocking.tables.standing import Standing
from er_pipeline.evaluation.kept_report import REPORT_FILE
from er_pipeline.notices.hidden_values import declared_names, without_values

# Findings that are written out, and characters of each: a message is read on a telephone.
MOST_FINDINGS, MOST_CHARACTERS = 5, 400
# How an error that nobody expected is noted: its class, then a text that may hold anything.
UNEXPECTED = re.compile(r"(\w*(?:Error|Exception|Interrupt|Exit))(?::|$)")


@dataclass(frozen=True)
class Notice:
    """A message. kind: what it is about. title: one line. text: the title and what follows it."""

    dataset: str
    kind: Occasion | Literal["test"]
    title: str
    text: str


def run_notice(
    spec: PipelineSpec,
    lake: Lake,
    standing: Standing,
    *,
    failed: bool,
    reasons: Sequence[str] = (),
    job: str = "run",
    has_published: bool = True,
) -> Notice:
    """Say how a run went.

    lake: with the plans of the flow. standing: of the tables as the run left them. failed: whether
    it did. reasons: why, where the lake may not say it: "step: sentence". job: what ran, as people
    call it. has_published: whether the run meant to move the catalog.
    """
    findings = list(_findings(standing, reasons)) if failed else []
    warnings = [f"{found.table}: {found.verdict.text}" for found in standing.warnings]
    if failed:
        kind: Occasion = "failure"
        title = f"er_pipeline: the {job} of {spec.dataset} has failed"
        parts = [("What failed", findings or ["no reason was noted; the log of the run has it"])]
        parts.append(("What is shown", [sentence(what_is_left(lake, standing))]))
        parts.append(("Next", [_remedy(standing, findings)]))
    elif warnings:
        kind = "warning"
        n = f"{len(warnings):,} warning{'s' * (len(warnings) > 1)}"
        title = f"er_pipeline: the {job} of {spec.dataset} went through, with {n}"
        parts = [("Warned", warnings), ("What is shown", [_shown(lake, has_published)])]
        parts.append(("Next", ["read each warning: it ends with what to change."]))
    else:
        kind = "success"
        title = f"er_pipeline: the {job} of {spec.dataset} went well"
        parts = [("Made", [made]) for made in _made(lake, standing)]
        parts.append(("What is shown", [_shown(lake, has_published)]))
    if (lake.folder / REPORT_FILE).is_file() and has_published:
        parts.append(("Report", [str(lake.folder / REPORT_FILE)]))
    names = declared_names(spec, lake.plans)
    return notice(spec.dataset, kind, title, parts, names)


def notice(
    dataset: str,
    kind: Occasion | Literal["test"],
    title: str,
    parts: Sequence[tuple[str, Sequence[str]]],
    names: frozenset[str] | None = frozenset(),
) -> Notice:
    """Put a message together; what may be a value of a record, or a password, is hidden.

    parts: (heading, findings) in their order; of many findings, some are written out. names: of
    `declared_names`; None where no finding comes from records.
    """
    lines = [f"{title}."]
    for heading, findings in parts:
        safe = [_safe(finding, names) for finding in findings[:MOST_FINDINGS]]
        more = len(findings) - len(safe)
        if more:
            safe.append(f"and {more:,} more, in the report")
        if len(safe) == 1:
            lines.append(f"{heading}: {safe[0]}")
        else:
            lines += [f"{heading}:", *(f"- {finding}" for finding in safe)]
    return Notice(dataset, kind, title, "\n".join(lines))


def trial_notice(spec: PipelineSpec) -> Notice:
    """Make the message that only shows that messages arrive."""
    title = f"er_pipeline: a test message of {spec.dataset}"
    occasions = ", ".join(spec.notify.on) if spec.notify else "nothing"
    about = f"nothing has happened; real messages come on {occasions}"
    return notice(spec.dataset, "test", title, [("About it", [about])])


def declaration_notice(dataset: str, problem: str) -> Notice:
    """Say that nothing could run, since the declaration is wrong.

    problem: for its author, several in as many lines; the lines of the file that it shows are left
    out. Nothing of it comes from records.
    """
    problems = [line for line in problem.split("\n") if line and not line.startswith(" ")]
    parts = [
        ("What failed", problems),
        ("What is shown", ["The catalog still shows the tables of the last good run."]),
        ("Next", ["mend the file; er-pipeline check lists all that is wrong with it."]),
    ]
    title = f"er_pipeline: the run of {dataset} has failed"
    return notice(dataset, "failure", title, parts, names=None)


def spec_to_notify(path: Path, overrides: Mapping[str, Any] | None = None) -> PipelineSpec | None:
    """Read of a wrong declaration what is right, if it says whom to notify; None if it does not."""
    try:
        examined = examine(path, overrides)
    except SpecError:
        return None
    if examined.spec is None or any(place[:1] == ("notify",) for place in examined.places):
        return None
    return examined.spec if examined.spec.notify else None


def what_is_left(tables: Lake, standing: Standing) -> str:
    """Say what the catalog shows after a run that failed."""
    published = tables.published()
    shown = published["tables"]
    new = [name for name in standing.good if shown.get(name) == tables.version(name)]
    if standing.withheld and new:
        return (
            f"the catalog in {tables.root} shows the {len(new)} tables that do not hang on what"
            f" failed; {len(standing.missed)} are withheld"
        )
    if any(name in tables.plans for name in shown):  # the numbers of runs are always there
        return f"the catalog in {tables.root} still shows the tables of the last good run"
    return f"no run of {tables.dataset} has succeeded yet, so the catalog shows none of its tables"


def sentence(text: str) -> str:
    """Write a text as a sentence: a capital first, a full stop last."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def _findings(standing: Standing, reasons: Sequence[str]) -> Iterator[str]:
    noted = {f"{found.table}: {found.verdict.text}": None for found in standing.errors}
    noted |= {f"{step}: {text}": None for step, text in standing.failures.items()}
    yield from noted
    known = set(noted.values()) | {text.partition(": ")[2] for text in noted}
    for reason in reasons:
        if reason not in noted and reason.partition(": ")[2] not in known:
            yield reason


def _remedy(standing: Standing, findings: Sequence[str]) -> str:
    if not findings:
        return "look into the log of the run, then run the dataset again."
    return (
        "do what the first of these says, then run the dataset again; steps that are done are not"
        " repeated."
    )


def _shown(lake: Lake, has_published: bool) -> str:
    published = lake.published()
    if not published["tables"]:
        return "The catalog shows none of its tables yet."
    at = time_text(published["at"])
    if has_published:
        return f"The catalog in {lake.root} shows the tables as this run left them ({at})."
    return f"The catalog in {lake.root} shows what it showed before ({at})."


def _made(lake: Lake, standing: Standing) -> Iterator[str]:
    """Count what came of a run, as far as it is noted."""
    if "blocking_report" not in standing.good:
        return
    figures: Mapping[str, Any] = lake.facts("blocking_report")
    run = figures.get("run", {})
    counts = [
        f"{number:,} {noun}"
        for number, noun in (
            (run.get("records"), "records"),
            (run.get("pairs"), "candidate pairs"),
            (figures.get("matching", {}).get("matches"), "matches"),
        )
        if isinstance(number, int)
    ]
    if counts:
        yield f"{', '.join(counts)}."


def _safe(text: str, names: frozenset[str] | None) -> str:
    """Write a finding on one line, without what may be of a record, and not too long."""
    step, _, rest = text.partition(": ")
    found = UNEXPECTED.match(rest) or UNEXPECTED.match(text)
    if found:
        where = f"{step}: " if UNEXPECTED.match(rest) else ""
        text = f"{where}an error that nobody expected ({found[1]}); the log of the run has it"
    text = without_password(text)
    line = " ".join(printable(text if names is None else without_values(text, names)).split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]}…"
