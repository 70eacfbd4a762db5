"""One row of codes per record, from which every pair follows."""

from collections.abc import Mapping, Sequence
from typing import TypedDict, cast

from er_pipeline.blocking.blocks.blocks import SizedBlocks
from er_pipeline.blocking.spec.learned import LearnedBlocksFacts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import RECORD_NO, SOURCE_NO, Column, Table


class CodesFacts(TypedDict):
    """What is noted beside record_codes.

    codes: how many columns code_<i> there are: the single-valued strategies, in order, then
    single_rules. names: theirs. rules: all learned rules, by their bits; listed_rules: the
    many-valued ones.
    """

    codes: int
    names: list[str]
    rules: list[str]
    single_rules: list[str]
    listed_rules: list[str]


def codes_facts(lake: Lake) -> CodesFacts:
    """Read what is noted beside record_codes."""
    return cast(CodesFacts, lake.facts("record_codes"))


CODES = Table(
    "record_codes",
    "The block of every record in every single-valued strategy and learned rule.",
    [RECORD_NO, SOURCE_NO],
    view=None,
    is_internal=True,
    # How many rules are learned is known only then.
    numbered=Column("code_", "INTEGER", "Block in the i-th of them; < 0 is none"),
)


def write_record_codes(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    sized: Mapping[str, SizedBlocks],
    learned: LearnedBlocksFacts | None,
) -> None:
    """Write record_codes (record_no, source_no, code_0, code_1, ... INTEGER), a row per record.

    Reads cleaned_records, the blocks of `size_strategies` and, of learned rules, learned_codes. A
    code is the number of the record's block, or one below 0 that no other record has. Nothing ever
    equals such a code, so plain = and <> are right where NULL would need `is not distinct from`,
    which costs 60% more in the join that makes the pairs.
    """
    single = [strategy.name for strategy in spec.strategy_conjunctions if not strategy.is_list]
    rules = learned["single"] if learned else []
    facts = CodesFacts(
        codes=len(single) + len(rules),
        names=[*single, *rules],
        rules=list(learned["rules"]) if learned else [],
        single_rules=rules,
        listed_rules=learned["listed"] if learned else [],
    )
    with lake.writing("record_codes", facts) as draft:
        engine.write(_codes_sql([sized[name] for name in single], len(rules)), draft.file())


def _codes_sql(single: Sequence[SizedBlocks], n_rules: int) -> str:
    columns = "".join(
        f", coalesce(c{i}.block_no, -r.record_no - 1) as code_{i}" for i in range(len(single))
    )
    joins = " ".join(
        f"left join (select m.record_no, s.block_no from {blocks.members} as m"
        f" join {blocks.sizes} as s on s.block_key = m.block_key where s.reason is null) as c{i}"
        f" on c{i}.record_no = r.record_no"
        for i, blocks in enumerate(single)
    )
    if n_rules:
        columns += "".join(f", w.code_{i} as code_{len(single) + i}" for i in range(n_rules))
        joins += " join learned_codes as w on w.record_no = r.record_no"
    return (
        f"select r.record_no, r.source_no{columns} from cleaned_records as r {joins}"
        " order by r.record_no"
    )
