"""The keys that strategies and rules give single records, and the blocks that these stand for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from er_pipeline.blocking.blocks.blocks import blocks_table
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.evaluation.missed_keys import Proposer


@dataclass(frozen=True)
class KeyBlock:
    """The block of a key.

    records: how many it holds; None where nothing counts them, in the second pass. why: what keeps
    it from being compared, of `DROP_REASONS`; empty if nothing does.
    """

    key: str
    records: int | None
    why: str


def ask_records(engine: Engine, records: Sequence[int], asked: str) -> None:
    """Make the engine table `asked` of a few records, as cleaned_records, which is read once."""
    wanted = ", ".join(str(no) for no in records)
    engine.make_table(asked, f"select * from cleaned_records where record_no in ({wanted})")


def keys_of_records(
    engine: Engine, proposers: Iterable[Proposer], asked: str, records: Sequence[int]
) -> dict[str, dict[int, tuple[str, ...]]]:
    """Give the keys of a few records: strategy or rule -> record_no -> keys, in their order.

    asked: of `ask_records`.
    """
    found: dict[str, dict[int, tuple[str, ...]]] = {}
    for proposer in proposers:
        keys = engine.rows(
            "select distinct record_no, block_key from"
            f" ({proposer.conjunction.keyed_records(engine, asked)}) order by block_key"
        )
        found[proposer.name] = {
            no: tuple(key for record_no, key in keys if record_no == no) for no in records
        }
    return found


def blocks_of_keys(
    engine: Engine, lake: Lake, proposer: Proposer, keys: Sequence[str]
) -> tuple[KeyBlock, ...]:
    """Size the blocks of some keys of one strategy or rule, and say why any is not compared.

    Reads the engine's dropped_blocks and, of rules, learned_blocks; opens the strategy's blocks.
    """
    table = "learned_blocks" if proposer.rule else blocks_table(proposer.conjunction)
    if not keys:
        return ()
    if proposer.second or not lake.has(table):
        return tuple(KeyBlock(key, None, "") for key in keys)
    listed = ", ".join(map(literal, keys))
    dropped = {
        key: KeyBlock(key, int(size), str(reason))
        for key, size, reason in engine.rows(
            "select block_key, block_size, reason from dropped_blocks"
            f" where block_key in ({listed}) and strategy = {literal(proposer.name)}"
        )
    }
    left = [key for key in keys if key not in dropped]
    sizes: dict[str, int] = {}
    if left:
        if not proposer.rule:
            lake.open(engine, table)
        of_rule = f" and rule = {literal(proposer.name)}" if proposer.rule else ""
        sizes = dict(
            engine.rows(
                f"select block_key, count(*) from {quoted(table)}"
                f" where block_key in ({', '.join(map(literal, left))}){of_rule} group by block_key"
            )
        )
    # Of learned rules, blocks below min_size are in no ledger, and have no members either.
    return tuple(
        dropped.get(key) or KeyBlock(key, sizes.get(key), "" if key in sizes else "below_min_size")
        for key in keys
    )
