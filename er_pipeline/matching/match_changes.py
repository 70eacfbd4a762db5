"""Match changes: the matches gained and lost since the last good run, each with its cause.

A match that was gained or lost with its candidate pair has the cause of that. One whose pair was a
candidate on both nights has another threshold, if that alone would have made or ended it; else
another score: since one of its records was changed in what is compared, or the model is another.
Causes: see `change_causes`.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypedDict, cast

from er_pipeline.blocking.changes.cause_counts import (
    CauseCount,
    by_weight,
    count_causes,
    judge_sum,
    total_of,
)
from er_pipeline.blocking.changes.change_texts import change_sentences
from er_pipeline.blocking.changes.pair_changes import (
    CHANGED_PAIR,
    CHANGES,
    MOST_NAMED,
    OF_BLOCK,
    PairChangesFacts,
    last_listed,
    pair_changes_facts,
    show_changes,
    write_none,
)
from er_pipeline.blocking.records.record_changes import (
    RECORD_CHANGES,
    RECORDS,
    find_record_changes,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.stamps import digest, read_stamp
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Check, Column, Facts, Table
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.tables.views import all_columns
from er_pipeline.matching.matches import matches_facts

TABLE = "match_changes"
COMPARED = (RECORDS, "unified_pairs", "matches")
PROBABILITIES = (
    Column(
        "probability_before",
        "DOUBLE",
        "Probability of a match then; NULL: no candidate, or too low to be kept",
        required=False,
    ),
    Column("probability_now", "DOUBLE", "The same now", required=False),
)
COLUMNS = [*CHANGED_PAIR, *PROBABILITIES, *OF_BLOCK]
ADD_UP = Check(
    "matches_add_up",
    "The matches of the last good run, less those lost, with those gained, are those there are.",
)


class MatchChangesFacts(TypedDict):
    """What is noted beside match_changes; as of pair_changes, and the thresholds of both nights.

    In causes, pairs counts matches.
    """

    since: str
    matches: int
    matches_before: int
    gained: int
    lost: int
    causes: list[CauseCount]
    threshold: float
    threshold_before: float | None


def match_changes_facts(lake: Lake) -> MatchChangesFacts:
    """Read what is noted beside match_changes."""
    return cast(MatchChangesFacts, lake.facts(TABLE))


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that compares the matches with those of the last good run."""
    if spec.matching is None:
        return []
    return [
        Step(
            writes=[
                Table(
                    TABLE,
                    "Matches gained and lost since the last good run, each with its cause.",
                    COLUMNS,
                    all_columns(TABLE),
                    is_from_outside=True,  # the run before
                )
            ],
            reads=[*COMPARED, "pair_changes"],
            settings=[spec.matching.threshold, spec.compared_columns],
            run=partial(compare_matches, spec=spec),
            stage="matching",
            checks=(ADD_UP,),
            judge=_judge,
            show=show_changes,
            outside=partial(last_listed, table=TABLE),
        )
    ]


def compare_matches(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Find the matches gained and lost since the last good run, and why.

    Reads cleaned_records, matches and pair_changes, unified_pairs where pair_changes does not list
    every pair, and these tables of the last good run. Writes match_changes: as pair_changes, with
    probability_before and probability_now DOUBLE. Where there is no good run to compare with, it is
    empty. Returns the facts kept beside the table, see `MatchChangesFacts`.
    """
    assert spec.matching is not None, "matching is on"
    for table in (*COMPARED, "pair_changes"):
        lake.check(table)
    of_pairs = pair_changes_facts(lake)
    threshold = spec.matching.threshold
    folders = _folders_before(lake, of_pairs)
    noted: MatchChangesFacts | None = None
    if folders:
        noted = cast(MatchChangesFacts, lake.facts(TABLE, folders[TABLE].name))
    causes: list[CauseCount] = []
    with lake.writing(TABLE) as draft:
        stamps = {table: read_stamp(folder) for table, folder in (folders or {}).items()}
        draft.content = digest({table: stamp.value for table, stamp in stamps.items() if stamp})
        same = stamps.get("matches")
        is_same = same is not None and same.value == lake.stamp("matches")
        if folders is None or noted is None or (is_same and noted["threshold"] == threshold):
            write_none(engine, COLUMNS, draft.file())
        else:
            _find_changes(engine, lake, spec, folders, noted["threshold"])
            _find_causes(engine, lake, spec, folders, of_pairs)
            engine.write(_rows(), draft.file())
            causes = _count_causes(engine)
        facts = MatchChangesFacts(
            since=folders["unified_pairs"].name if folders else "",
            matches=matches_facts(lake)["matches"],
            matches_before=noted["matches"] if noted else 0,
            gained=total_of("gained", causes),
            lost=total_of("lost", causes),
            causes=causes,
            threshold=threshold,
            threshold_before=noted["threshold"] if noted else None,
        )
        draft.facts.update(facts)
        return dict(draft.facts)


def _folders_before(lake: Lake, of_pairs: PairChangesFacts) -> Mapping[str, Path] | None:
    """Find the tables of the last good run, if its pairs were compared with or are still these.

    Where the pairs are as it left them, pair_changes is not always made anew: it may be empty since
    an earlier run, or, if this step runs alone, list what an earlier run found.
    """
    folders = lake.before(*COMPARED, TABLE)
    known = (of_pairs["since"], lake.version("unified_pairs"))
    return folders if folders and folders["unified_pairs"].name in known else None


def _are_same(lake: Lake, folders: Mapping[str, Path]) -> bool:
    """Say whether the pairs are as the last good run left them, see `_folders_before`."""
    return folders["unified_pairs"].name == lake.version("unified_pairs")


def _find_changes(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    folders: Mapping[str, Path],
    threshold_before: float,
) -> None:
    """Make changed_matches (lo, hi, change, before, now, is_new, is_gone, is_changed, is_crossed).

    lo, hi: numbers of both nights, see `numbered`. is_changed: whether one of the records has other
    values in what is compared. is_crossed: whether the threshold moved across the score of then; or
    across that of now, where that of then was too low to be kept.
    """
    assert spec.matching is not None, "matching is on"
    find_record_changes(engine, lake, *COMPARED)
    lake.open(engine, "matches")
    engine.read_folder(folders["matches"], "old_matches")
    columns = {column for read in spec.compared_columns.values() for column in read}
    old = {name for name, _ in engine.described(f"from old_{RECORDS}")}
    differs = [f"n.{quoted(c)} is distinct from o.{quoted(c)}" for c in sorted(columns & old)]
    if columns - old:  # a field that was not there
        differs = ["true"]
    engine.make_table(
        "numbered",
        f"""
        select cast(coalesce(c.record_no, c.old_no + (select count(*) from {RECORDS})) as integer)
            as who, c.record_no, c.old_no,
            c.change = 'changed' and ({" or ".join(differs) or "false"}) as is_changed
        from {RECORD_CHANGES} as c left join {RECORDS} as n on n.record_no = c.record_no
        left join old_{RECORDS} as o on o.record_no = c.old_no
        """,
    )
    sides = [
        f"select least(l.who, r.who) as lo, greatest(l.who, r.who) as hi, p.match_probability as p"
        f" from {matches} as p join numbered as l on l.{number} = p.left_no"
        f" join numbered as r on r.{number} = p.right_no"
        for matches, number in (("matches", "record_no"), ("old_matches", "old_no"))
    ]
    now, before = spec.matching.threshold, threshold_before
    engine.make_table(
        "changed_matches",
        f"""
        with moved as (
            select coalesce(n.lo, o.lo) as lo, coalesce(n.hi, o.hi) as hi, o.p as before,
                n.p as now, coalesce(n.p >= {now!r}, false) as is_match,
                coalesce(o.p >= {before!r}, false) as was_match
            from ({sides[0]}) as n full join ({sides[1]}) as o on o.lo = n.lo and o.hi = n.hi
        )
        select m.lo, m.hi, case when is_match then 'gained' else 'lost' end as change, m.before,
            m.now, l.old_no is null or r.old_no is null as is_new,
            l.record_no is null or r.record_no is null as is_gone,
            l.is_changed or r.is_changed as is_changed,
            case when is_match
                then {now!r} < {before!r} and coalesce(m.before >= {now!r}, m.now < {before!r})
                else m.before < {now!r} end as is_crossed
        from moved as m join numbered as l on l.who = m.lo join numbered as r on r.who = m.hi
        where is_match <> was_match
        """,
    )


def _find_causes(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    folders: Mapping[str, Path],
    of_pairs: PairChangesFacts,
) -> None:
    """Make explained_matches: changed_matches with cause, strategy, block_key and its sizes."""
    lake.open(engine, "pair_changes")
    columns = "strategy, block_key, size_before, size_now"
    engine.make_table(
        "listed_causes",
        f"select least(left_no, right_no) as lo, greatest(left_no, right_no) as hi, change, cause,"
        f" {columns} from pair_changes where left_no is not null and right_no is not null"
        f" and {'false' if _are_same(lake, folders) else 'true'}",
    )
    unlisted = {change: _unlisted(of_pairs, change) for change in CHANGES}
    if _are_same(lake, folders):
        unlisted = {}
    if any(unlisted.values()):
        _add_unlisted(engine, lake, folders, unlisted)
    engine.make_table(
        "explained_matches",
        f"""
        select m.*, case when is_new then 'record_new' when is_gone then 'record_gone'
            when p.cause is not null then p.cause when is_crossed then 'threshold_changed'
            when is_changed then 'record_changed' else 'model_changed' end as cause, {columns}
        from changed_matches as m left join listed_causes as p
            on p.lo = m.lo and p.hi = m.hi and p.change = m.change
        """,
    )


def _unlisted(of_pairs: PairChangesFacts, change: str) -> str | None:
    """Name the cause of most pairs that pair_changes counts and does not list, if there is one."""
    counts = [c for c in of_pairs["causes"] if c["change"] == change and not c["is_listed"]]
    return counts[0]["cause"] if counts else None


def _add_unlisted(
    engine: Engine, lake: Lake, folders: Mapping[str, Path], unlisted: Mapping[str, str | None]
) -> None:
    """Add to listed_causes the matches whose pair was gained or lost without being listed.

    Which ones these are is found among the pairs of the night that has none of them.
    """
    lake.open(engine, "unified_pairs")
    engine.read_folder(folders["unified_pairs"], "old_unified_pairs")
    for change, pairs, number in (
        ("lost", "unified_pairs", "record_no"),
        ("gained", "old_unified_pairs", "old_no"),
    ):
        cause = unlisted[change]
        if cause is None:
            continue
        engine.make_table(
            "asked",
            f"""
            select m.lo, m.hi, least(l.{number}, r.{number}) as left_no,
                greatest(l.{number}, r.{number}) as right_no
            from changed_matches as m join numbered as l on l.who = m.lo
            join numbered as r on r.who = m.hi
            anti join listed_causes as p on p.lo = m.lo and p.hi = m.hi and p.change = m.change
            where m.change = '{change}' and not is_new and not is_gone
            """,
        )
        engine.append(
            "listed_causes",
            f"""
            select lo, hi, '{change}', {literal(cause)}, null, null, null, null
            from asked anti join (select p.left_no, p.right_no from {pairs} as p
                semi join asked as a on a.left_no = p.left_no and a.right_no = p.right_no) as x
            using (left_no, right_no)
            """,
        )


def _rows() -> str:
    """Write the query of the rows of match_changes; lost ones are named as they were."""
    sides = []
    for change, number, records in (
        ("lost", "old_no", f"old_{RECORDS}"),
        ("gained", "record_no", RECORDS),
    ):
        sides.append(
            f"""
            select m.change, m.cause, a.record_no as left_no, b.record_no as right_no,
                l.record_id as left_id, r.record_id as right_id, l.source as left_source,
                r.source as right_source, m.before as probability_before,
                m.now as probability_now, m.strategy, m.block_key, m.size_before, m.size_now
            from explained_matches as m
            join numbered as x on x.who = m.lo join numbered as y on y.who = m.hi
            join numbered as a on a.{number} = least(x.{number}, y.{number})
            join numbered as b on b.{number} = greatest(x.{number}, y.{number})
            join {records} as l on l.record_no = a.{number}
            join {records} as r on r.record_no = b.{number}
            where m.change = '{change}'
            """
        )
    return (
        " union all ".join(sides)
        + " order by change desc, left_source, left_id, right_source, right_id"
    )


def _count_causes(engine: Engine) -> list[CauseCount]:
    found = engine.rows(
        "select change, cause, strategy, count(*) from explained_matches group by all"
        " order by 4 desc, 3"
    )
    blocks = engine.rows(
        f"""
        select change, cause, strategy, block_key, size_before, size_now, count(*) as n
        from explained_matches where cause like 'block_%' and block_key is not null
        group by change, cause, strategy, block_key, size_before, size_now
        qualify row_number() over (
            partition by change, cause order by n desc, strategy, block_key) <= {MOST_NAMED}
        order by n desc, strategy, block_key
        """
    )
    return by_weight(count_causes(found, blocks))


def match_sentences(facts: MatchChangesFacts, of_pairs: PairChangesFacts) -> Iterator[str]:
    """Write what became of the matches, as `pair_sentences` does of the pairs."""
    if not facts["since"]:
        return
    before = of_pairs["before"] or of_pairs["night"]  # the pairs are the same
    moved = "the model scores them otherwise"
    threshold = f"the threshold is {facts['threshold']:g}, {facts['threshold_before']:g} before"
    yield from change_sentences(
        facts["causes"], "match", of_pairs["night"], before, moved, threshold
    )


def judge_changes(facts: MatchChangesFacts) -> Iterator[Verdict]:
    """Judge whether the changes add up to the matches there are."""
    yield judge_sum(ADD_UP, "matches", facts)


def _judge(engine: Engine, lake: Lake) -> Iterable[Verdict]:
    return judge_changes(match_changes_facts(lake))
