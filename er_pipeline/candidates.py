"""Candidates: what a dataset would learn now, held against what is in force on the same records.

    <lake>/<dataset>/.candidates/<version>/<table>/<version>/    what was learned, as in the lake
    <lake>/<dataset>/.candidates/<version>/candidate.json        the set, and the comparison

Nothing that is published, or that the next run uses, changes until a candidate is promoted.
"""

import json
import logging
import shutil
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TypedDict

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.engine_of_step import engine_of
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.files import link_file, made_folder, point, write_whole
from er_pipeline.blocking.tables.in_force import LATEST, LearnedSet, promote, read_sets
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.locks import run_lock
from er_pipeline.blocking.tables.moments import moment
from er_pipeline.blocking.tables.runs import run_step, steps_for
from er_pipeline.blocking.tables.stamps import first_stale, read_stamp
from er_pipeline.blocking.tables.step import Step
from er_pipeline.evaluation.entity_share import draw_share
from er_pipeline.evaluation.learned_comparison import Moves, entity_moves, side_figures
from er_pipeline.flow import flow, open_lake

logger = logging.getLogger(__name__)

CANDIDATES, NOTE = ".candidates", "candidate.json"
# In a scratch lake: the entities that a share is drawn by.
DRAWN_BY = "drawn_by"
# What a comparison looks at, as far as the dataset has it.
COMPARED = ("unified_pairs", "matches", "entities", "match_quality", "recall_sample")


class Comparison(TypedDict):
    """Two sides on the same records.

    records: how many. share: of the entities, 1 for all. in_force, candidate: figures of the sides,
    see `side_figures`, and "cpu_seconds": of all steps that hang on what was learned, evaluation
    aside. moves: where there are entities.
    """

    records: int
    share: float
    in_force: dict[str, float]
    candidate: dict[str, float]
    moves: Moves | None


class Candidate(TypedDict):
    """A set that was learned and is not in force. tables: table -> version."""

    version: str
    tables: dict[str, str]
    learning_cpu_seconds: float
    comparison: Comparison


def learned_steps(steps: Sequence[Step]) -> list[Step]:
    """List the steps that learn; what they make stays in force."""
    return [step for step in steps if any(table.stays_in_force for table in step.writes)]


def check_something_stays(spec: PipelineSpec) -> None:
    """Raise LakeError where there is nothing that could be learned beside, or promoted."""
    if not spec.keeps_learned:
        raise LakeError(
            f"dataset {spec.dataset!r} learns anew in every run, since learning: {{promote:"
            " always}; write by_hand, or leave it out, to decide by hand"
        )
    if not learned_steps(flow(spec)):
        raise LakeError(
            f"dataset {spec.dataset!r} learns nothing: it has no learned rules, no weights and no"
            " matching"
        )


def _check_there(lake: Lake) -> None:
    if not lake.folder.is_dir():
        raise LakeError(f"{lake.root} holds nothing of {lake.dataset}: is --lake right?")


def learn(spec: PipelineSpec, lake: Lake, share: float = 1.0) -> Candidate:
    """Learn anew from the records of the last run, and compare with what is in force.

    lake: of the dataset. Labels are read anew; the records, and what else does not hang on what is
    learned, are those that lie in the lake. share: of the entities that both sides are run on, all
    records of each; to learn takes all in any case. Wait for a run that is at work.
    Raises LakeError if nothing is in force yet, or not under the settings as they are now.
    """
    check_something_stays(spec)
    _check_there(lake)
    steps = flow(spec)
    version = moment()
    home = lake.folder / CANDIDATES / version
    scratch = home.with_name(f"{version}.tmp")
    with made_folder(scratch):
        try:
            mine = open_lake(scratch / "all", spec)
            theirs = open_lake(scratch / "in_force", spec)
            with run_lock(lake.folder, logger.warning):
                learned = _link_what_stands(lake, mine, theirs, steps, share)
            clock = _Clock(steps)
            for step in learned:
                clock.run(steps_for(steps, step.name), mine, spec)
            if share < 1:
                mine = _cut(spec, mine, open_lake(scratch / "share", spec), steps, share)
                clock.forget(learned)
            comparison = _compare(spec, steps, mine, theirs, clock, share)
            tables = {table.name: mine.version(table.name) for s in learned for table in s.writes}
            home.mkdir()
            for table in tables:
                (mine.folder / table).rename(home / table)
            candidate = Candidate(
                version=version,
                tables=tables,
                learning_cpu_seconds=round(clock.of(learned), 1),
                comparison=comparison,
            )
            write_whole(home / NOTE, json.dumps(candidate, indent=1))
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    for old in sorted(home.parent.glob(f"*/{NOTE}"))[: -spec.lake.keep_learned]:
        shutil.rmtree(old.parent, ignore_errors=True)
    return candidate


def candidates(lake: Lake) -> list[Candidate]:
    """List what was learned and is not in force, oldest first."""
    found = []
    for path in sorted((lake.folder / CANDIDATES).glob(f"*/{NOTE}")):
        try:
            noted = json.loads(path.read_text("utf-8"))
            found.append(
                Candidate(
                    version=str(noted["version"]),
                    tables=dict(noted["tables"]),
                    learning_cpu_seconds=float(noted["learning_cpu_seconds"]),
                    comparison=noted["comparison"],
                )
            )
        except (OSError, ValueError, TypeError, KeyError) as error:
            logger.warning("%s cannot be read (%s): left out; delete its folder", path, error)
    return found


def promote_version(spec: PipelineSpec, lake: Lake, version: str) -> LearnedSet:
    """Put a candidate, or a set that was in force before, in force; the next run uses it.

    version: its name, or the beginning of it if no other begins so. Wait for a run that is at work.
    Raises LakeError if there is no such version, or it was learned under other settings.
    """
    check_something_stays(spec)
    _check_there(lake)
    with run_lock(lake.folder, logger.warning):
        homes = {
            one["version"]: lake.folder / CANDIDATES / one["version"] for one in candidates(lake)
        }
        known = {
            one["version"]: one["tables"] for one in (*read_sets(lake.folder), *candidates(lake))
        }
        fitting = [name for name in known if name == version] or [
            name for name in known if name.startswith(version)
        ]
        if len(fitting) != 1:
            raise LakeError(
                f"there is no version {version!r} of {spec.dataset} to promote"
                if not fitting
                else f"several versions begin with {version!r}: {', '.join(fitting)}"
            )
        (name,) = fitting
        home = homes.get(name, lake.folder)
        _check_fits(lake, name, {t: home / t / v for t, v in known[name].items()})
        if home != lake.folder:
            for table, of_table in known[name].items():
                _link(home / table / of_table, lake.folder / table / of_table)
        promoted = LearnedSet(version=name, since=moment(), tables=known[name])
        promote(lake.folder, promoted, spec.lake.keep_learned)
        if home != lake.folder:
            shutil.rmtree(home, ignore_errors=True)
    return promoted


def _check_fits(lake: Lake, version: str, folders: dict[str, Path]) -> None:
    """Refuse a set that the settings as they are now, or this version, would not use."""
    needed = [name for name, plan in lake.plans.items() if plan.stays_in_force]
    stamps = {table: read_stamp(folder) for table, folder in folders.items() if folder.is_dir()}
    for table in needed:
        stale = first_stale(table, lake.plans, stamps)
        if stale:
            raise LakeError(
                f"version {version} of {lake.dataset} cannot be promoted, since its {stale[0]}"
                f" {stale[1]}: er-pipeline learn makes one that fits"
            )


def _link_what_stands(
    lake: Lake, mine: Lake, theirs: Lake, steps: Sequence[Step], share: float
) -> list[Step]:
    """Give both sides what they begin with; return the steps that learn.

    Mine: what neither hangs on what is learned nor is read anew. Theirs: what is in force.
    """
    learned = learned_steps(steps)
    in_force = [table.name for step in learned for table in step.writes]
    try:
        for table in in_force:
            lake.check(table)
    except LakeError as error:
        raise LakeError(
            f"nothing is in force that a candidate could be held against: {error}; a run learns"
        ) from error
    anew = {
        table.name for step in steps if step.reads for table in step.writes if table.is_from_outside
    }
    fixed = [step for step in steps if not _hangs_on(step, steps, {*in_force, *anew})]
    for step in fixed:
        names = [table.name for table in step.writes]
        if all(_is_current(lake, name) for name in names):
            for name in names:
                _take(lake, mine, name)
    for table in in_force:
        _take(lake, theirs, table)
    if share < 1:
        if not _is_current(lake, "entities"):
            raise LakeError(
                "a share is drawn by entities, and there are none of the records as they are now:"
                " run the dataset first, or leave --share out"
            )
        _link(lake.path("entities"), mine.root / DRAWN_BY)
    return learned


def _hangs_on(step: Step, steps: Sequence[Step], tables: Collection[str]) -> bool:
    """Say whether a step makes, or needs at any remove, one of some tables."""
    needed = steps_for(steps, step.name)
    return any(table.name in tables for one in needed for table in one.writes)


def _is_current(lake: Lake, table: str) -> bool:
    try:
        lake.check(table)
    except (LakeError, KeyError):
        return False
    return True


def _take(source: Lake, target: Lake, table: str) -> None:
    """Let a lake have a table of another one, in the same version, without copying it."""
    version = source.version(table)
    if not (target.folder / table / version).exists():
        _link(source.path(table), target.folder / table / version)
        point(target.folder / table / LATEST, version)


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    draft = target.with_name(f"{target.name}.tmp")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(source, draft, copy_function=link_file)
    draft.rename(target)


class _Clock:
    """Runs steps that are not yet there, and knows what each has cost in CPU."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._in_force = {table.name for step in learned_steps(steps) for table in step.writes}
        self._steps = steps
        self._spent: dict[str, float] = {}

    def run(self, steps: Iterable[Step], lake: Lake, spec: PipelineSpec) -> None:
        for step in steps:
            if all(lake.has(table.name) for table in step.writes):
                continue
            logger.info("%s", step.name)
            began = time.process_time()
            with engine_of(step, lake, spec.threads, spec.memory_limit) as engine:
                run_step(step, engine, lake)
            self._spent[step.name] = time.process_time() - began

    def forget(self, but: Sequence[Step]) -> None:
        self._spent = {step.name: self.of([step]) for step in but}

    def of(self, steps: Iterable[Step]) -> float:
        return sum(self._spent.get(step.name, 0.0) for step in steps)

    def of_run(self) -> float:
        """Return the cost of a run with what was learned, of all that hangs on it."""
        return self.of(
            step
            for step in self._steps
            if step.stage != "evaluation"
            and not any(table.stays_in_force for table in step.writes)
            and _hangs_on(step, self._steps, self._in_force)
        )


def _compare(
    spec: PipelineSpec, steps: Sequence[Step], mine: Lake, theirs: Lake, clock: _Clock, share: float
) -> Comparison:
    """Run both sides to their ends, and hold them against each other."""
    compared = [step for table in COMPARED for step in steps if step.name == table]
    their_clock = _Clock(steps)
    in_force = {table.name for step in learned_steps(steps) for table in step.writes}
    for step in steps:
        if not _hangs_on(step, steps, in_force):
            for table in step.writes:
                if mine.has(table.name):
                    _take(mine, theirs, table.name)
    for step in compared:
        their_clock.run(steps_for(steps, step.name), theirs, spec)
        clock.run(steps_for(steps, step.name), mine, spec)
    with DuckDBEngine(spec.threads, spec.memory_limit, mine.spill) as engine:
        before, after = (side_figures(engine, lake) for lake in (theirs, mine))
        moves = entity_moves(engine, theirs, mine) if mine.has("entities") else None
    before["cpu_seconds"] = round(their_clock.of_run(), 1)
    after["cpu_seconds"] = round(clock.of_run(), 1)
    return Comparison(
        records=int(mine.facts("cleaned_records")["records"]),
        share=share,
        in_force=before,
        candidate=after,
        moves=moves,
    )


def _cut(spec: PipelineSpec, whole: Lake, part: Lake, steps: Sequence[Step], share: float) -> Lake:
    """Make a lake of a share of the entities, with what was learned from all records."""
    for step in learned_steps(steps):
        for table in step.writes:
            _take(whole, part, table.name)
    (records,) = (step for step in steps if step.name == "cleaned_records")
    with DuckDBEngine(spec.threads, spec.memory_limit, whole.spill) as engine:
        draw_share(engine, records, whole, part, whole.root / DRAWN_BY, share, spec.seed)
    return part
