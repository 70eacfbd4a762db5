"""Agreeing pairs: how many pairs of records agree on some columns, counted without making one."""

from collections.abc import Mapping, Sequence

from er_pipeline.blocking.engine_duckdb import DuckDBEngine, quoted
from er_pipeline.blocking.spec import PipelineSpec

# Kinds whose equal values mostly mean one entity, where chance agrees in at most so many pairs.
STRONG_KINDS = ("email", "phone", "identifier", "date")
MAX_CHANCE = 0.002


def count_agreeing_pairs(
    engine: DuckDBEngine,
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


def strong_identifiers(engine: DuckDBEngine, spec: PipelineSpec) -> dict[str, float]:
    """Give the fields that tell one entity, with the share of all pairs that agree by chance.

    Reads the engine's cleaned_records.
    """
    chances = {}
    for name, kind in spec.field_kinds.items():
        if kind in STRONG_KINDS:
            chance = _share(engine, spec, "cleaned_records", [], name)
            if chance is not None and chance <= MAX_CHANCE:
                chances[name] = chance
    return chances


def expected_match_share(
    engine: DuckDBEngine,
    spec: PipelineSpec,
    members: str,
    identifiers: Mapping[str, float],
) -> float | None:
    """Estimate which share of the pairs within blocks are matches.

    It is the share that agree on a strong identifier, of those that have both, less what agrees by
    chance; of several, the one of most agreement, since damage only takes away. None without one.
    members: engine table with block_no, source_no and the fields. identifiers: those to look at,
    of `strong_identifiers`, without what the blocks are made of.
    """
    shares = []
    for name, chance in identifiers.items():
        agree = _share(engine, spec, members, ["block_no"], name)
        if agree is not None:
            shares.append(max(0.0, (agree - chance) / (1 - chance)))
    return max(shares, default=None)


def _share(
    engine: DuckDBEngine, spec: PipelineSpec, table: str, within: list[str], field: str
) -> float | None:
    column, mode = quoted(field), spec.link_mode
    both = count_agreeing_pairs(engine, mode, table, within, [column])
    return count_agreeing_pairs(engine, mode, table, [*within, column]) / both if both else None
