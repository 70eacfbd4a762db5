"""What training rules would compare, counted exactly from block sizes, without a pair made."""

from collections.abc import Mapping, Sequence
from typing import TypedDict, cast

from er_pipeline.blocking.blocks.blocks import (
    BlockCounts,
    SizedBlocks,
    size_blocks,
    sum_blocks,
)
from er_pipeline.blocking.records.match_share import (
    Identifier,
    expected_match_share,
    strong_identifiers,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.values.key_failures import named_failures
from er_pipeline.blocking.values.keys import Conjunction


class RuleCounts(BlockCounts):
    """What one training rule holds, and the share of matches to expect among its pairs."""

    keys: list[str]
    expression: str
    source_columns: list[str]
    expected_match_share: float | None


class TrainingFacts(TypedDict):
    """What is noted beside em_training_rules; see `sum_training_rules`."""

    rules: dict[str, RuleCounts]
    pairs: int
    comparisons_free: dict[str, list[str]]


def training_facts(lake: Lake) -> TrainingFacts:
    """Read what is noted beside em_training_rules."""
    return cast(TrainingFacts, lake.facts("em_training_rules"))


def with_chosen_rules(spec: PipelineSpec, lake: Lake) -> PipelineSpec:
    """Return the spec with the training rules that the data chose, where none are declared.

    lake: holds em_training_rules.
    """
    if spec.training_rules is not None:
        return spec
    rules = {name: counts["keys"] for name, counts in training_facts(lake)["rules"].items()}
    return with_training_rules(spec, rules)


def with_training_rules(
    spec: PipelineSpec, rules: Mapping[str, str | Sequence[str]]
) -> PipelineSpec:
    """Return the declaration with other training rules, name: keys; they may be none."""
    # Keys that were proposed or counted are valid, and none at all is no mistake of the user's.
    return spec.model_copy(
        update={
            "training_rules": {
                name: [keys] if isinstance(keys, str) else list(keys)
                for name, keys in rules.items()
            }
        }
    ).located_in(spec.folder)


def sum_training_rules(
    engine: Engine, spec: PipelineSpec
) -> tuple[dict[str, SizedBlocks], TrainingFacts]:
    """Count what every training rule would compare, from block sizes alone.

    Reads the engine's cleaned_records. Returns the rules' blocks, and as facts "rules" (see
    `sum_blocks`; with expression and source_columns), "pairs", their plain sum, and
    "comparisons_free": for every compared field the rules that leave it free. A rule that reads a
    field fixes it: EM cannot learn about a field that agrees in every pair.
    """
    sized: dict[str, SizedBlocks] = {}
    rules: dict[str, RuleCounts] = {}
    strong = strong_identifiers(engine, spec)
    for rule in spec.training_conjunctions:
        blocks = SizedBlocks(f"keyed_{rule.name}", f"rule_sizes_{rule.name}")
        with named_failures(engine, "cleaned_records", [rule], "training rule"):
            keyed = rule.keyed_records(engine, "cleaned_records")
            engine.make_table(blocks.members, keyed)
        size_blocks(engine, blocks.members, blocks.sizes, spec.link_mode, spec.blocks)
        sized[rule.name] = blocks
        rules[rule.name] = {
            **sum_blocks(engine, blocks.sizes, spec.blocks),
            "keys": [key.expression for key in rule.keys],
            "expression": rule.expression,
            "source_columns": list(rule.source_columns),
            "expected_match_share": _expected_match_share(engine, spec, rule, blocks, strong),
        }
    free = {
        field: [
            name
            for name, counts in rules.items()
            if not set(columns).intersection(counts["source_columns"])
        ]
        for field, columns in spec.compared_columns.items()
    }
    pairs = sum(counts["pairs"] for counts in rules.values())
    return sized, TrainingFacts(rules=rules, pairs=pairs, comparisons_free=free)


def _expected_match_share(
    engine: Engine,
    spec: PipelineSpec,
    rule: Conjunction,
    blocks: SizedBlocks,
    strong: Mapping[str, Identifier],
) -> float | None:
    free = {name: known for name, known in strong.items() if name not in rule.source_columns}
    if not free:
        return None
    columns = ", ".join(f"r.{quoted(name)}" for name in free)
    engine.make_table(
        "rule_members",
        f"""
        select s.block_no as _block_no, m.source_no, {columns} -- no field begins with _
        from {blocks.members} as m join {blocks.sizes} as s on s.block_key = m.block_key
        join cleaned_records as r on r.record_no = m.record_no
        where s.reason is null
        """,
    )
    return expected_match_share(engine, spec, "rule_members", free)
