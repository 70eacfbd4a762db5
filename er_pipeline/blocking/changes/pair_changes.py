"""Pair changes: the candidate pairs gained and lost since the last good run, and why."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, cast

from er_pipeline.blocking.changes.both_nights import BOTH, Side, lay_out_nights
from er_pipeline.blocking.changes.cause_counts import (
    CauseCount,
    by_weight,
    count_causes,
    judge_sum,
    total_of,
)
from er_pipeline.blocking.changes.change_causes import CAUSES, EXPLAINED, explain_pairs
from er_pipeline.blocking.changes.changed_pairs import find_changed_pairs
from er_pipeline.blocking.changes.declared_night import (
    Declared,
    conjunctions_of,
    declared_night,
    tables_compared,
)
from er_pipeline.blocking.records.record_changes import (
    RECORDS,
    RecordCounts,
    count_record_changes,
    find_record_changes,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.outside import ABSENT
from er_pipeline.blocking.tables.pictures import Grid, Shown, numbers
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.stamps import digest, read_stamp
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Check, Column, Facts, Table, arrow_of
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.tables.views import all_columns

TABLE = "pair_changes"
# More are counted by cause and not listed: a night that changes a strategy changes most pairs, and
# who wants those reads unified_pairs. Ten million rows are some 300 MB.
MOST_LISTED = 10_000_000
# Blocks and strategies named of a cause, those with most pairs.
MOST_NAMED = 3
CHANGES = ("gained", "lost")

CHANGED_PAIR = (
    Column("change", "VARCHAR", "Gained or lost since the last good run", allowed=CHANGES),
    Column("cause", "VARCHAR", "The nearest cause, one of a closed list", allowed=CAUSES),
    Column("left_no", "INTEGER", "Number of the left record; NULL if gone", required=False),
    Column("right_no", "INTEGER", "Number of the right record; NULL if gone", required=False),
    Column("left_id", "VARCHAR", "Id of the left record, as its source wrote it"),
    Column("right_id", "VARCHAR", "Id of the right record"),
    Column("left_source", "VARCHAR", "Name of the source the left record is or was from"),
    Column("right_source", "VARCHAR", "Name of the source the right record is or was from"),
)
OF_BLOCK = (
    Column("strategy", "VARCHAR", "Strategy, rule or neighbours that found it", required=False),
    Column("block_key", "VARCHAR", "The block that held it, if any", required=False),
    Column("size_before", "BIGINT", "Records in that block then, if known", required=False),
    Column("size_now", "BIGINT", "Records in that block now, if known", required=False),
)
ADD_UP = Check(
    "pairs_add_up",
    "The pairs of the last good run, less those lost, with those gained, are the pairs there are.",
)


class PairChangesFacts(TypedDict):
    """What is noted beside pair_changes.

    since: version of the pairs that were compared with; empty if there is no good run to compare
    with. records: how many are new, changed and gone since; None where pairs were not compared.
    causes: most pairs first. night, before: what both nights proposed their pairs by.
    """

    since: str
    pairs: int
    pairs_before: int
    gained: int
    lost: int
    records: RecordCounts | None
    causes: list[CauseCount]
    night: Declared
    before: Declared | None


def pair_changes_facts(lake: Lake) -> PairChangesFacts:
    """Read what is noted beside pair_changes."""
    return cast(PairChangesFacts, lake.facts(TABLE))


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that compares the candidate pairs with those of the last good run."""
    table = Table(
        TABLE,
        "Candidate pairs gained and lost since the last good run, each with its cause.",
        [*CHANGED_PAIR, *OF_BLOCK],
        all_columns(TABLE),
        is_from_outside=True,  # the run before
    )
    return [
        Step(
            writes=[table],
            reads=tables_compared(spec),
            settings=[spec.proposers, spec.link_mode, spec.blocks.max_size, spec.embedding_fields],
            run=partial(compare_pairs, spec=spec),
            stage="pairs",
            checks=(ADD_UP,),
            judge=_judge,
            show=show_changes,
            outside=partial(last_listed, table=TABLE),
        )
    ]


def last_listed(lake: Lake, *, table: str) -> dict[str, str]:
    """Name the version of a table of changes that people were last shown changes by.

    Where that is the latest, its changes were of an earlier night: a night that changes nothing
    lists none, so it is made anew, and comes out empty. A latest one that is empty, or was never
    shown, stays as it is, and so does what it noted.
    """
    place = "the run that is compared with"
    if not lake.has(table):
        return {place: ABSENT}
    version, facts = lake.version(table), lake.facts(table)
    if facts.get("causes") and lake.published()["tables"].get(table) == version:
        return {place: version}
    noted = read_stamp(lake.path(table))
    return {place: noted.outside.get(place, ABSENT) if noted else ABSENT}


def compare_pairs(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Find the candidate pairs gained and lost since the last good run, and why.

    Reads the tables of `tables_compared` of this run, and of the last good run those that its
    pair_changes notes. Writes pair_changes (change, cause, left_no, right_no, left_id, right_id,
    left_source, right_source, strategy, block_key, size_before, size_now), a row per pair that one
    of both runs has, lost ones first. A lost pair's records are named as that run named them, and
    have a number if they are still there. Where there is no good run to compare with, it is empty.
    Causes with more pairs than fit into `MOST_LISTED` are counted and not listed.
    Returns the facts kept beside the table, see `PairChangesFacts`.
    """
    for table in tables_compared(spec):
        lake.check(table)
    night = declared_night(spec, lake)
    found = night_before(lake)
    causes: list[CauseCount] = []
    records: RecordCounts | None = None
    with lake.writing(TABLE) as draft:
        draft.content = digest(found["stamps"] if found else {})
        if found is None or found["stamps"]["unified_pairs"] == lake.stamp("unified_pairs"):
            write_none(engine, [*CHANGED_PAIR, *OF_BLOCK], draft.file())
        else:
            sides = find_both(engine, lake, spec, night, found, draft.folder)
            records = count_record_changes(engine)
            causes = list_pairs(engine, sides, draft.file())
            for side in sides:
                shutil.rmtree(draft.folder / side.table("changed"))
        facts = PairChangesFacts(
            since=found["since"] if found else "",
            pairs=night["pairs"],
            pairs_before=found["night"]["pairs"] if found else 0,
            gained=total_of("gained", causes),
            lost=total_of("lost", causes),
            records=records,
            causes=causes,
            night=night,
            before=found["night"] if found else None,
        )
        draft.facts.update(facts)
        return dict(draft.facts)


class NightBefore(TypedDict):
    """The last good run.

    since: version of its pairs. stamps: table -> stamp. folders: table -> where it lies.
    """

    since: str
    night: Declared
    folders: Mapping[str, Path]
    stamps: Mapping[str, str]


def night_before(lake: Lake) -> NightBefore | None:
    """Find the last good run that noted what it proposed its pairs by; None if there is none.

    Nor is there one where forgotten records were taken out of its tables: their pairs are gone.
    """
    shown = lake.published()["tables"]
    if TABLE not in shown:
        return None
    noted = cast(PairChangesFacts, lake.facts(TABLE, shown[TABLE]))["night"]
    folders = lake.before(*noted["tables"], TABLE)
    if folders is None:
        return None
    stamps = {table: read_stamp(folder) for table, folder in folders.items()}
    if any(stamp is None or stamp.thinned is not None for stamp in stamps.values()):
        return None
    return NightBefore(
        since=shown["unified_pairs"],
        night=noted,
        folders=folders,
        stamps={table: stamp.value for table, stamp in stamps.items() if stamp},
    )


def find_both(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    now: Declared,
    before: NightBefore,
    folder: Path,
) -> tuple[Side, Side]:
    """Make the views n_explained and o_explained: the pairs gained and lost, with their causes.

    now: of `declared_night`. folder: for pairs on their way, which the views read. Returns this
    night's side, and the other.
    """
    has_records = find_record_changes(engine, lake, *before["night"]["tables"])
    assert has_records, "the tables of the night before are there"
    sides = lay_out_nights(engine, lake, now, before["night"], before["folders"])
    keys = conjunctions_of(spec, lake)
    only_labels = only_labels_changed(lake, before)
    for own, other in (sides, sides[::-1]):
        scratch = folder / own.table("changed")
        scratch.mkdir()
        find_changed_pairs(engine, own, other, scratch)
        explain_pairs(engine, own, other, keys, spec.embedding_fields, only_labels)
    return sides


def only_labels_changed(lake: Lake, before: NightBefore) -> bool:
    """Say whether labels are others than the night before, and the records the same."""
    stamps = before["stamps"]
    return (
        "labels" in stamps
        and lake.has("labels")
        and stamps["labels"] != lake.stamp("labels")
        and stamps[RECORDS] == lake.stamp(RECORDS)
    )


def write_none(engine: Engine, columns: list[Column], file: Path) -> None:
    """Write a table of changes without a row."""
    engine.put("no_changes", arrow_of(columns))
    engine.write("from no_changes", file)


def list_pairs(engine: Engine, sides: tuple[Side, Side], file: Path) -> list[CauseCount]:
    """Write the rows of pair_changes from the views of `find_both`; count them by cause."""
    counted = []
    for own in sides:
        (n_pairs,) = engine.row(f"select count(*) from {own.table('changed')}")
        if n_pairs <= MOST_LISTED:  # else read anew each time, which takes no memory
            engine.make_table(own.table("kept"), f"from {own.table(EXPLAINED)}")
            engine.make_view(own.table(EXPLAINED), f"from {own.table('kept')}")
        counted += _count_causes(engine, own)
    room = MOST_LISTED
    for count in sorted(counted, key=lambda c: c["pairs"]):
        count["is_listed"] = count["pairs"] <= room
        room -= count["pairs"] if count["is_listed"] else 0
    # By numbers, which follow source and id: to sort by texts took a third of the time.
    rows = " union all ".join(f"from ({_rows_of(own, counted)})" for own in sides[::-1])
    engine.write(
        f"select * exclude (left_place, right_place) from ({rows})"
        " order by change desc, left_place, right_place",
        file,
    )
    return by_weight(counted)


def _change(own: Side) -> str:
    return "gained" if own.prefix == "n" else "lost"


def _count_causes(engine: Engine, own: Side) -> list[CauseCount]:
    names = [route["name"] for route in own.night["routes"]]
    change = _change(own)
    found = engine.rows(
        f"select cause, route, count(*) from {own.table(EXPLAINED)} group by 1, 2"
        " order by 3 desc, 2"
    )
    blocks = engine.rows(
        f"""
        select cause, route, block_key, own_size, other_size, count(*) as n
        from {own.table(EXPLAINED)} where cause like 'block_%'
        group by cause, route, block_key, own_size, other_size
        qualify row_number() over (partition by cause order by n desc, route, block_key)
            <= {MOST_NAMED}
        order by n desc, route, block_key
        """
    )
    return count_causes(
        [(change, cause, names[route], n) for cause, route, n in found],
        [
            (change, cause, names[route], key, *_then_and_now(own, own_size, other_size), n)
            for cause, route, key, own_size, other_size, n in blocks
        ],
    )


def _then_and_now(own: Side, of_own: Any, of_other: Any) -> tuple[Any, Any]:
    return (of_other, of_own) if own.prefix == "n" else (of_own, of_other)


def _rows_of(own: Side, counted: list[CauseCount]) -> str:
    """Write the query of one side's rows; records are named as that side's night named them."""
    change, p = _change(own), own.prefix
    listed = [literal(c["cause"]) for c in counted if c["change"] == change and c["is_listed"]]
    names = " ".join(
        f"when {i} then {literal(route['name'])}" for i, route in enumerate(own.night["routes"])
    )
    sizes = _then_and_now(own, "own_size", "other_size")
    records = RECORDS if p == "n" else f"old_{RECORDS}"
    return f"""
        with named as (
            select w.who, w.{p}_no as place, w.n_no, r.record_id, r.source
            from {BOTH} as w join {records} as r on r.record_no = w.{p}_no
            where w.who in (select lo from {own.table("changed")})
                or w.who in (select hi from {own.table("changed")})
        ),
        found as (
            select case when x.place < y.place then x else y end as l,
                case when x.place < y.place then y else x end as r,
                e.cause, e.block_key, e.{sizes[0]} as size_before, e.{sizes[1]} as size_now,
                case e.route {names} end as strategy
            from {own.table(EXPLAINED)} as e
            join named as x on x.who = e.lo join named as y on y.who = e.hi
            where e.cause in ({", ".join(listed) or "null"})
        )
        select '{change}' as change, cause, l.n_no as left_no, r.n_no as right_no,
            l.record_id as left_id, r.record_id as right_id, l.source as left_source,
            r.source as right_source, strategy, block_key, size_before, size_now,
            l.place as left_place, r.place as right_place
        from found
    """


def judge_changes(facts: PairChangesFacts) -> Iterator[Verdict]:
    """Judge whether the changes add up to the pairs there are."""
    verdict = judge_sum(ADD_UP, "pairs", facts)
    if not verdict.passed:
        text = " Read unified_pairs instead: pair_changes is not published. Please report this."
        verdict = replace(verdict, text=verdict.text + text)
    yield verdict


def _judge(engine: Engine, lake: Lake) -> Iterable[Verdict]:
    return judge_changes(pair_changes_facts(lake))


def show_changes(facts: Facts) -> Mapping[str, Shown]:
    """Show how many changed, and by which causes."""
    causes: list[dict[str, Any]] = facts["causes"]
    rows = [
        (c["change"], c["cause"].replace("_", " "), f"{c['pairs']:,}", ", ".join(c["strategies"]))
        for c in causes
    ]
    grid = {"causes": Grid(("change", "cause", "pairs", "found by"), rows)} if rows else {}
    return {**numbers(facts), **grid}
