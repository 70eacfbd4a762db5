"""Step 4: training rules -> the blocks that feed one EM session each, counted exactly.

A training rule is a conjunction like a strategy, with a budget of its own: sessions do not share
pairs, so the cost of training is the plain sum over the rules. Coverage does not matter here; a
rule only has to bring matches and non-matches together.
"""

from collections.abc import Mapping
from typing import Any

from er_pipeline.blocking.blocks.blocks import size_blocks, sum_blocks
from er_pipeline.blocking.records.cleaned_records import read_records
from er_pipeline.blocking.records.match_share import (
    Identifier,
    expected_match_share,
    strong_identifiers,
)
from er_pipeline.blocking.records.true_pairs import read_true_pairs
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal, quoted
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.keys import Conjunction


def build_em_training_blocks(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec
) -> dict[str, Any]:
    """Block the records by every training rule; list the rules with their exact cost.

    Reads cleaned_records, and true_pairs where there are any. Writes em_training_blocks
    (rule, block_key, record_id, source, record_no), one row per membership of a kept block, one
    file per rule; and em_training_rules (rule, expression, source_columns VARCHAR[], pairs,
    match_share, largest_block, expected_match_share), one row per rule. match_share is the share
    of the rule's pairs that are true, NULL while no truth is known; see `expected_match_share`.
    Returns the facts kept beside em_training_rules; see `sum_training_rules`.
    """
    fingerprint = read_records(engine, lake)
    facts = {"fingerprint": fingerprint, **sum_training_rules(engine, spec)}
    has_truth = spec.truth is not None and read_true_pairs(engine, lake, fingerprint)
    with lake.writing("em_training_blocks", {"fingerprint": fingerprint}) as draft:
        for rule in facts["rules"]:
            engine.write(
                f"""
                select {literal(rule)} as rule, s.block_key, m.record_id, m.source, m.record_no
                from keyed_{rule} as m join rule_sizes_{rule} as s on s.block_key = m.block_key
                where s.reason is null
                """,
                draft.file(rule),
            )
    if has_truth:
        for rule, counts in facts["rules"].items():
            counts["true_pairs"] = _count_true_pairs(engine, rule)
    with lake.writing("em_training_rules", facts) as draft:
        engine.write(
            " union all ".join(_rule_row(*item) for item in facts["rules"].items()), draft.file()
        )
    return facts


def sum_training_rules(engine: DuckDBEngine, spec: PipelineSpec) -> dict[str, Any]:
    """Count what every training rule would compare, from block sizes alone.

    Reads the engine's cleaned_records; leaves keyed_<rule> and rule_sizes_<rule> behind.
    Returns "rules" (see `sum_blocks`; with expression and source_columns), "pairs", their plain
    sum, and "comparisons_free": for every compared field the rules that leave it free. A rule that
    reads a field fixes it: EM cannot learn about a field that agrees in every pair.
    """
    rules: dict[str, dict[str, Any]] = {}
    strong = strong_identifiers(engine, spec)
    for rule in spec.training_conjunctions:
        engine.make_table(f"keyed_{rule.name}", rule.keyed_records(engine, "cleaned_records"))
        sizes = f"rule_sizes_{rule.name}"
        size_blocks(engine, f"keyed_{rule.name}", sizes, spec.link_mode, spec.blocks)
        rules[rule.name] = {
            "expression": rule.expression,
            "source_columns": list(rule.source_columns),
            **sum_blocks(engine, sizes, spec.blocks),
            "expected_match_share": _expected_match_share(engine, spec, rule, strong),
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
    return {"rules": rules, "pairs": pairs, "comparisons_free": free}


def _expected_match_share(
    engine: DuckDBEngine, spec: PipelineSpec, rule: Conjunction, strong: Mapping[str, Identifier]
) -> float | None:
    free = {name: known for name, known in strong.items() if name not in rule.source_columns}
    if not free:
        return None
    columns = ", ".join(f"r.{quoted(name)}" for name in free)
    engine.make_table(
        "rule_members",
        f"""
        select s.block_no as _block_no, m.source_no, {columns} -- no field begins with _
        from keyed_{rule.name} as m join rule_sizes_{rule.name} as s on s.block_key = m.block_key
        join cleaned_records as r on r.record_no = m.record_no
        where s.reason is null
        """,
    )
    return expected_match_share(engine, spec, "rule_members", free)


def _count_true_pairs(engine: DuckDBEngine, rule: str) -> int:
    (n_true,) = engine.row(
        f"""
        with kept as (
            select m.record_no, s.block_no
            from keyed_{rule} as m join rule_sizes_{rule} as s on s.block_key = m.block_key
            where s.reason is null
        )
        select count(*) from true_pairs as t
        join kept as l on l.record_no = t.left_no join kept as r on r.record_no = t.right_no
        where l.block_no = r.block_no
        """
    )
    return int(n_true)


def _rule_row(rule: str, counts: dict[str, Any]) -> str:
    columns = ", ".join(literal(column) for column in counts["source_columns"])
    share = "null"
    if counts.get("true_pairs") is not None and counts["pairs"]:
        share = repr(counts["true_pairs"] / counts["pairs"])
    expected = counts["expected_match_share"]
    expected = "null" if expected is None else repr(expected)
    return (
        f"select {literal(rule)} as rule, {literal(counts['expression'])} as expression,"
        f" [{columns}]::varchar[] as source_columns, {counts['pairs']}::bigint as pairs,"
        f" {share}::double as match_share, {counts['largest_block']}::bigint as largest_block,"
        f" {expected}::double as expected_match_share"
    )
