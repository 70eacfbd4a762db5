"""Scores of the night before: which pairs need none, and which are to be scored.

A pair's score follows from its two records and the model. So where the model is the same, what two
unchanged records scored is what they score. To be scored are the pairs gained: those with a record
that is new or changed, and those that were no candidates.

Records are numbered anew every night. Here each has the number of this night, or, where it is gone
or was changed, its old number beyond them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from er_pipeline.blocking.blocks.record_codes import CodesFacts
from er_pipeline.blocking.records.record_changes import (
    RECORD_CHANGES,
    RECORDS,
    find_record_changes,
    share_unchanged,
)
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.stamps import read_stamp
from er_pipeline.matching.term_frequencies import FREQUENCIES

CODES = "record_codes"
MODEL = ("em_model", FREQUENCIES.name)
# A step's notes on what it took over; a night that takes nothing over lacks them or has others.
TAKEN_OVER, DONE_IN_FULL = "taken_over", "done_in_full"
# Of pairs of fewer unchanged records, those gained and lost are half as many as all.
LEAST_UNCHANGED = 0.85


@dataclass(frozen=True)
class ScoresBefore:
    """What the last good run scored, as far as it is scored alike today.

    kept: query of its stored pairs that are taken over, renumbered. n_kept: pairs that it scored
    and that are candidates still, stored or not. gained: engine table of the others (left_no,
    right_no); n_gained: how many these are.
    """

    kept: str
    n_kept: int
    gained: str
    n_gained: int


def find_scores_before(
    engine: Engine, lake: Lake, pairs: str, table: str, first: str | None, scratch: Path
) -> ScoresBefore | str:
    """Find what the last good run scored alike; without it, say why all pairs are to be scored.

    pairs, table: the candidates and the table of their scores. first: a table that is taken over
    whole, with a file of its own, or None. scratch: a folder for the pairs gained and lost.
    Makes the engine's cleaned_records, old_cleaned_records and record_changes. The text is empty
    where there was no night before.
    """
    needed = [pairs, table, CODES, *([first] if first else [])]
    folders = lake.before(RECORDS, *needed)
    plan = lake.plans.get(table)
    if folders is None or plan is None or not lake.takes_over:
        return ""
    stamp = read_stamp(folders[table])
    assert stamp, "the lake has read it"
    if (stamp.code, stamp.settings) != (plan.code, plan.settings):
        return "scores are found or kept otherwise than by the last good run"
    if any(stamp.made_from.get(name) != lake.stamp(name) for name in MODEL):
        return "the model is another than that of the last good run"
    facts = lake.facts(table, folders[table].name)
    if facts.get("unscored"):
        return "the last good run had no model"
    find_record_changes(engine, lake, *needed)
    if _is_reordered(engine):
        return "records stand in another order than in the last good run"
    if (share := share_unchanged(engine)) < LEAST_UNCHANGED:
        return f"only {share:.0%} of the records are as in the last good run"
    n_scored = facts["scored"]
    if first:
        n_scored -= lake.facts(first, folders[first].name)["scored"]
    _number_records(engine)
    shared = _Shared.of(lake, folders, pairs)
    for side in (NOW, BEFORE):
        if side is BEFORE:
            engine.read_folder(folders[pairs], side.pairs)
            engine.read_folder(folders[CODES], side.codes)
        else:
            lake.open(engine, pairs, side.pairs)
            lake.open(engine, CODES, side.codes)
    for side, other in ((NOW, BEFORE), (BEFORE, NOW)):
        _find_open(engine, side, other, shared)
    gained, lost = scratch / "gained", scratch / "lost"
    for side, other, folder in ((NOW, BEFORE, gained), (BEFORE, NOW, lost)):
        folder.mkdir()
        engine.write(_changed_sql(side, other), folder / "pairs.parquet", bulk=True)
    engine.read_folder(gained, "gained_pairs")
    (n_gained,) = engine.row("select count(*) from gained_pairs")
    engine.read_folder(lost, "lost_pairs")
    (n_lost,) = engine.row("select count(*) from lost_pairs")
    return ScoresBefore(
        kept=_kept_sql(engine, sorted(folders[table].glob(f"{table}_*.parquet"))),
        n_kept=n_scored - n_lost,
        gained="gained_pairs",
        n_gained=n_gained,
    )


@dataclass(frozen=True)
class _Side:
    """One of the two nights. number: its numbers in the table `numbers`."""

    name: str
    number: str

    @property
    def pairs(self) -> str:
        return f"pairs_{self.name}"

    @property
    def codes(self) -> str:
        return f"codes_{self.name}"

    @property
    def open(self) -> str:
        return f"open_{self.name}"


NOW, BEFORE = _Side("now", "record_no"), _Side("before", "old_no")


@dataclass(frozen=True)
class _Shared:
    """By what two records are known to be candidates of a night, without looking the pair up.

    bits: of each night, the strategies in a mask that codes stand for; 0: pairs must be looked up,
    since a budget cut some. codes: how many columns of codes each night has. alike: of strategies
    that both nights have, their columns of codes in both. bits_alike: these in a mask.
    """

    bits: dict[str, int]
    codes: dict[str, int]
    alike: list[dict[str, int]]
    bits_alike: dict[str, int]

    @classmethod
    def of(cls, lake: Lake, folders: dict[str, Path], pairs: str) -> "_Shared":
        versions: dict[str, dict[str, str | None]] = {
            NOW.name: {pairs: None, CODES: None},
            BEFORE.name: {name: folders[name].name for name in (pairs, CODES)},
        }
        places: dict[str, dict[str, int]] = {}
        masks: dict[str, dict[str, int]] = {}
        is_cut = False
        for night, version in versions.items():
            of_pairs = lake.facts(pairs, version[pairs])
            names = cast(CodesFacts, lake.facts(CODES, version[CODES]))["names"]
            places[night] = {name: place for place, name in enumerate(names)}
            bits: dict[str, int] = of_pairs.get("strategy_bits", {})
            masks[night] = {name: 1 << bits[name] for name in names if name in bits}
            is_cut |= bool(of_pairs.get("pairs_cut")) or not masks[night]
        both = [] if is_cut else [name for name in masks[NOW.name] if name in masks[BEFORE.name]]
        return cls(
            bits={night: 0 if is_cut else sum(of.values()) for night, of in masks.items()},
            codes={night: len(of) for night, of in places.items()},
            alike=[{night: of[name] for night, of in places.items()} for name in both],
            bits_alike={night: sum(of[name] for name in both) for night, of in masks.items()},
        )


def _is_reordered(engine: Engine) -> bool:
    """Say whether records that both nights have follow each other in another order."""
    (n_moved,) = engine.row(
        f"""
        select count(*) from (
            select record_no < lag(record_no) over (order by old_no) as is_before
            from {RECORD_CHANGES} where old_no is not null and record_no is not null
        ) where is_before
        """
    )
    return bool(n_moved)


def _number_records(engine: Engine) -> None:
    """Make `numbers` (record_no, old_no, place, is_same): place is the number of either, here."""
    engine.make_table(
        "numbers",
        f"""
        select record_no, old_no, change = 'same' as is_same,
            cast(old_no + (select count(*) from {RECORDS}) as integer) as place
        from {RECORD_CHANGES}
        """,
    )


def _find_open(engine: Engine, side: _Side, other: _Side, shared: _Shared) -> None:
    """Make <side>.open (left_no, right_no, is_same): pairs that the codes do not settle.

    Two unchanged records that share a block in both nights were candidates both times. All others
    are open; is_same: both records are unchanged, so it must be looked up whether the other night
    had the pair. Most pairs share a block that is the same one in both nights, and are settled
    without a look at their codes.
    """
    place = "n.record_no" if side is NOW else "case when n.is_same then n.record_no else place end"
    codes = "".join(f", c.code_{i} as c{i}" for i in range(shared.codes[other.name]))
    engine.make_table(
        f"numbered_{side.name}",
        f"select n.{side.number} as no, {place} as place, n.is_same{codes} from numbers as n"
        f" left join {other.codes} as c on c.record_no = n.{other.number} and n.is_same"
        f" where n.{side.number} is not null order by 1",
    )
    _find_touched(engine, side, other, shared)
    same = "(l.is_same and r.is_same)"
    bits, alike = shared.bits[side.name], shared.bits_alike[side.name]
    touched = f"(select no from touched_{side.name})"
    is_settled = "false"
    if bits:
        equal = " or ".join(f"l.c{i} = r.c{i}" for i in range(shared.codes[other.name]))
        is_settled = f"p.strategy_mask & {bits} <> 0 and {same} and ({equal})"
    engine.make_table(
        side.open,
        f"select l.place as left_no, r.place as right_no, {same} as is_same"
        f" from (select * from {side.pairs} where strategy_mask & {alike} = 0"
        f" or left_no in {touched} or right_no in {touched}) as p"
        f" join numbered_{side.name} as l on l.no = p.left_no"
        f" join numbered_{side.name} as r on r.no = p.right_no where not ({is_settled})",
    )


def _find_touched(engine: Engine, side: _Side, other: _Side, shared: _Shared) -> None:
    """Make touched_<side> (no): records that are not the same, or in a block that is another.

    A block is the same one where those of its records that are the same shared a block of its
    strategy in the other night, too.
    """
    parts = [f"select no from numbered_{side.name} where not is_same"]
    for place in shared.alike:
        code, elsewhere = f"code_{place[side.name]}", f"n.c{place[other.name]}"
        parts.append(
            f"""
            select record_no from {side.codes} where {code} in (
                select c.{code} from {side.codes} as c
                join numbered_{side.name} as n on n.no = c.record_no and n.is_same
                where c.{code} >= 0 group by c.{code}
                having min({elsewhere}) <> max({elsewhere}) or min({elsewhere}) < 0
            )
            """
        )
    engine.make_table(f"touched_{side.name}", " union ".join(parts))


def _changed_sql(side: _Side, other: _Side) -> str:
    """Write the query of the pairs that the other night did not have, or had other records in."""
    return (
        f"select left_no, right_no from {side.open} where not is_same union all"
        f" select p.left_no, p.right_no from {side.open} as p anti join {other.open} as o"
        " on o.left_no = p.left_no and o.right_no = p.right_no where p.is_same"
    )


def _kept_sql(engine: Engine, files: list[Path]) -> str:
    """Write the query of the stored pairs that are candidates still, of unchanged records."""
    parts = []
    for i, file in enumerate(files):
        engine.read_file(file, f"stored_before_{i}")
        parts.append(f"select * from stored_before_{i}")
    return f"""
        select k.* from (
            select l.record_no as left_no, r.record_no as right_no, s.* exclude (left_no, right_no)
            from ({" union all ".join(parts)}) as s
            join numbers as l on l.old_no = s.left_no and l.is_same
            join numbers as r on r.old_no = s.right_no and r.is_same
        ) as k
        anti join lost_pairs as x on x.left_no = k.left_no and x.right_no = k.right_no
    """
