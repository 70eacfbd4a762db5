"""Agreeing pairs: how many pairs of records agree on some columns, counted without making one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted

# Kinds whose equal values mostly mean one entity, where chance agrees in at most so many pairs.
STRONG_KINDS = ("email", "phone", "identifier", "date")
MAX_CHANCE = 0.005
# What damage hides can be estimated, but not so exactly that nothing but matches would be left.
MOST_EXPECTED = 0.985
# Of more records, the values of a sample show what damage has left.
RECORDS_LOOKED_AT = 200_000


@dataclass(frozen=True)
class Identifier:
    """How far equal values of a field mean one entity.

    chance: share of all pairs that agree. kept: share of the matches that do, 1 where nothing
    shows it; damage takes the rest.
    """

    chance: float
    kept: float


def count_agreeing_pairs(
    engine: Engine,
    mode: str,
    table: str,
    columns: Sequence[str],
    known: Sequence[str] = (),
) -> float:
    """Count the pairs that the mode allows and that agree on all columns; of none, all pairs.

    table: of the engine, with source_no. columns, known: SQL expressions over it; a record with
    NULL in one of them makes no pair.
    """
    keys = [f"{column} as key_{i}" for i, column in enumerate(columns)]
    names = [f"key_{i}" for i in range(len(columns))]
    wanted = " and ".join(f"{column} is not null" for column in (*columns, *known)) or "true"
    keyed = f"select {', '.join([*keys, 'source_no'])} from {table} where {wanted}"
    if mode == "link":
        per_source = (
            f"select {', '.join([*names, 'count(*) as n'])} from ({keyed})"
            f" group by {', '.join([*names, 'source_no'])}"
        )
        pairs = "(cast(sum(n) as double) * sum(n) - sum(cast(n as double) * n)) / 2"
    else:
        per_source = keyed
        pairs = "cast(count(*) as double) * (count(*) - 1) / 2"
    by = f" group by {', '.join(names)}" if names else ""
    (counted,) = engine.row(
        f"select coalesce(sum(pairs), 0.0) from (select {pairs} as pairs from ({per_source}){by})"
    )
    return float(counted)


def strong_identifiers(engine: Engine, spec: PipelineSpec) -> dict[str, Identifier]:
    """Give the fields that identify an entity; if no kind is strong, those whose values are rare.

    Reads the engine's cleaned_records. Pairs that agree on another of these fields, and on the
    rarest besides, are nearly all matches; so the share of them that agrees on this one, too, is
    what damage has left.
    """
    chances = {
        name: share_agreeing(engine, spec, "cleaned_records", [], name)[0]
        for name in spec.field_kinds
    }
    rare = [name for name, chance in chances.items() if 0 < chance <= MAX_CHANCE]
    strong = [name for name in rare if spec.field_kinds[name] in STRONG_KINDS] or rare
    rarest_first = sorted(chances, key=lambda name: (chances[name] or 1.0, name))
    (n_records,) = engine.row("select count(*) from cleaned_records")
    step = max(1, n_records // RECORDS_LOOKED_AT)
    identifiers = {}
    for name in strong:
        kept = 0.0
        for other in strong:
            besides = [field for field in rarest_first if field not in (name, other)][:1]
            if other != name:
                within = [quoted(field) for field in (other, *besides)]
                # All records of a value, or none: pairs within values are not torn apart.
                some = f"{engine.row_hash(within[0])} % {step} = 0"
                share, _ = share_agreeing(
                    engine, spec, f"(select * from cleaned_records where {some})", within, name
                )
                kept = max(kept, share)
        identifiers[name] = Identifier(chances[name], kept or 1.0)
    return identifiers


def expected_match_share(
    engine: Engine,
    spec: PipelineSpec,
    members: str,
    identifiers: Mapping[str, Identifier],
) -> float | None:
    """Estimate which share of the pairs within blocks are matches.

    By each identifier it is the share that agree, of the pairs that have both values, less what
    agrees by chance, over the share of matches that do. The median is taken; None without one. Half
    a pair is added to either side, so that a few pairs never mean that there is no match at all.
    members: engine table with _block_no, source_no and the fields. identifiers: those to look at,
    of `strong_identifiers`, without what the blocks are made of.
    """
    shares = []
    for name, identifier in identifiers.items():
        agree, n_pairs = share_agreeing(engine, spec, members, ["_block_no"], name)
        if n_pairs:
            least = 0.5 / (n_pairs + 1)
            seen = agree * n_pairs / (n_pairs + 1) + least
            kept = max(identifier.kept, 2 * identifier.chance)
            share = (seen - identifier.chance) / (kept - identifier.chance)
            shares.append(max(least, min(share, max(seen, MOST_EXPECTED))))
    return median(shares) if shares else None


def share_agreeing(
    engine: Engine, spec: PipelineSpec, table: str, within: Sequence[str], field: str
) -> tuple[float, float]:
    """Give the share of pairs that agree on a field, of those that have both values; and these.

    table: of the engine, with source_no. within: SQL expressions that the pairs agree on anyway.
    """
    column, mode = quoted(field), spec.link_mode
    both = count_agreeing_pairs(engine, mode, table, within, [column])
    agree = count_agreeing_pairs(engine, mode, table, [*within, column])
    return (agree / both if both else 0.0), both
