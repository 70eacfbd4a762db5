"""What is in force: since when, learned from what, and whether it still fits the records."""

from collections.abc import Iterator
from datetime import UTC, datetime

from er_pipeline.blocking.labels.labels import LABELS
from er_pipeline.blocking.records.learned_from import find_drift, records_of
from er_pipeline.blocking.records.seen_values import NewValues, find_new_values, new_values
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.in_force import read_sets
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import made_at, time_text
from er_pipeline.blocking.tables.stamps import read_stamp
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.evaluation.run_drift import figures_now, figures_then, find_run_drift

FITS = Check(
    "what_was_learned_still_fits",
    "Rules, weights and a model stay in force while records change, until they no longer fit.",
    stops=False,
)
# Words for people of the tables that hold what was learned, in the order of the flow.
LEARNED = {
    "em_model": "the model",
    "learned_rules": "the rules",
    "pair_weights": "the weights",
}


def learned_tables(spec: PipelineSpec) -> list[str]:
    """List the tables that stay in force and say what they were learned from."""
    if not spec.keeps_learned:
        return []
    wanted = (spec.matching is not None, spec.learns is not None, spec.weights)
    return [table for table, is_wanted in zip(LEARNED, wanted, strict=True) if is_wanted]


def judge_in_force(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge whether what is in force was learned from records like those of this run."""
    learned = learned_tables(spec)
    if not learned:
        return
    lake.open(engine, "cleaned_records")
    now = records_of(engine, spec.field_kinds)
    found: dict[str, list[str]] = {}  # what differs -> of what
    new: dict[str, dict[str, NewValues]] = {}  # what was learned in one run has seen the same
    for table in learned:
        then = lake.facts(table).get("learned_from")
        if not then:
            continue
        seen = then.get("seen", {})
        if repr(seen) not in new:
            new[repr(seen)] = new_values(engine, seen)
        for difference in (*find_drift(then, now), *find_new_values(new[repr(seen)])):
            found.setdefault(difference, []).append(LEARNED[table])
    for difference in find_run_drift(figures_then(engine, lake), figures_now(lake)):
        found.setdefault(difference, []).extend(LEARNED[table] for table in learned)
    text = "The records are like those that was learned from."
    if found:
        text = "; ".join(f"{difference} ({', '.join(of)})" for difference, of in found.items())
        text += ". Compare with what would be learned now: er-pipeline learn."
    shares = [values.share for of_table in new.values() for values in of_table.values()]
    numbers = {"differences": len(found), "largest_share_of_new_values": max(shares, default=0.0)}
    yield Verdict(FITS.name, not found, "warn", text, numbers)


def in_force_lines(lake: Lake, now: datetime | None = None) -> Iterator[str]:
    """Say for people since when what is used has been in force, and what it was learned from.

    lake: with the plans of the flow; called after this run was published. now: in UTC.
    """
    title, answers = "Learned:", 0
    for table, words in LEARNED.items():
        plan = lake.plans.get(table)
        if plan is None or not plan.stays_in_force or not lake.has(table):
            continue
        facts = lake.facts(table)
        if "learned_from" not in facts:  # nothing could be learned
            continue
        why = _why_new(lake, table)
        age = why or f"in force {_age(lake.version(table), now or datetime.now(UTC))}"
        yield (
            f"{title:<22} {words} of {_day(lake.version(table))}, from"
            f" {facts['learned_from']['records']:,} records; {age}"
        )
        title = ""
        given = facts.get("labels") or {}  # of the weights; the rules name theirs otherwise
        answers = sum(given.values()) or sum(
            facts.get(name, 0) for name in ("labelled_matches", "labelled_non_matches")
        )
    if title or LABELS.name not in lake.plans or not lake.has(LABELS.name):
        return
    judged = lake.facts(LABELS.name)
    newer = judged["matches"] + judged["non_matches"] - answers
    if newer > 0:
        yield (
            f"{'':<22} {newer:,} labels are newer than what is in force: er-pipeline learn learns"
            " from them"
        )


def _why_new(lake: Lake, table: str) -> str:
    """Say why another version is in force than in the last good run; empty if none is."""
    published = lake.published()
    if table not in published["previous"]:
        return "" if published["previous"] else "learned in this first run"
    version, before = lake.version(table), published["previous"][table]
    if version == before:
        return ""
    new, old = (read_stamp(lake.path(table, name)) for name in (version, before))
    if new is None or old is None:
        return ""
    if new.settings != old.settings:
        return "learned anew in this run, as settings changed"
    if new.code != old.code:
        return "learned anew in this run, as er_pipeline changed"
    # What a run learned is noted as in force at its end; what was promoted, before.
    (newest,) = read_sets(lake.folder)[-1:] or (None,)
    if newest and newest["tables"].get(table) == version and newest["since"] < published["at"]:
        return "promoted since the last run"
    return "learned anew in this run, as what it was learned with changed"


def _day(version: str) -> str:
    """Write when a version was made: 20261127T020000.123-abc is 2026-11-27."""
    return time_text(version).partition(" ")[0]


def _age(version: str, now: datetime) -> str:
    days = max(0, (now - made_at(version)).days)
    return "since today" if days == 0 else f"for {days:,} {'day' if days == 1 else 'days'}"
