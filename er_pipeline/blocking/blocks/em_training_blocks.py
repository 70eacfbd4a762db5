"""Training rules -> the blocks that feed one EM session each, counted exactly.

A training rule is a conjunction like a strategy, with a budget of its own: sessions do not share
pairs, so the cost of training is the plain sum over the rules. Coverage does not matter here; a
rule only has to bring matches and non-matches together.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, TypedDict

from er_pipeline.blocking.blocks.blocks import BlockCounts, most_expensive, size_blocks, sum_blocks
from er_pipeline.blocking.records.cleaned_records import read_records
from er_pipeline.blocking.records.match_share import (
    Identifier,
    expected_match_share,
    strong_identifiers,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal, quoted
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict, unless
from er_pipeline.blocking.values.keys import Conjunction


class TrainingRule(BlockCounts):
    """What one training rule trains on, counted exactly.

    source_columns: fields it reads, and so fixes. expected_match_share: as strong identifiers show
    it, None where it leaves none of them free.
    """

    expression: str
    source_columns: list[str]
    expected_match_share: float | None


class TrainingCosts(TypedDict):
    """What all training rules train on, as `sum_training_rules` counts it."""

    rules: dict[str, TrainingRule]
    pairs: int
    comparisons_free: dict[str, list[str]]


class TrainingFacts(TrainingCosts):
    """The facts kept beside em_training_rules."""

    fingerprint: str


def build_em_training_blocks(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> TrainingFacts:
    """Block the records by every training rule; list the rules with their exact cost.

    Reads cleaned_records. Writes em_training_blocks (rule, block_key, record_id, source,
    record_no), one row per membership of a kept block, one file per rule; and em_training_rules
    (rule, expression, source_columns VARCHAR[], pairs, largest_block, expected_match_share), one
    row per rule; see `expected_match_share`. Truth is not looked at: it never shapes a model.
    Returns the facts kept beside em_training_rules; see `sum_training_rules`.
    """
    fingerprint = read_records(engine, lake)
    facts: TrainingFacts = {"fingerprint": fingerprint, **sum_training_rules(engine, spec)}
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
    with lake.writing("em_training_rules", facts) as draft:
        engine.write(
            " union all ".join(_rule_row(*item) for item in facts["rules"].items()), draft.file()
        )
    return facts


def sum_training_rules(engine: DuckDBEngine, spec: PipelineSpec) -> TrainingCosts:
    """Count what every training rule would compare, from block sizes alone.

    Reads the engine's cleaned_records; leaves keyed_<rule> and rule_sizes_<rule> behind.
    Returns "rules" (see `sum_blocks`; with expression and source_columns), "pairs", their plain
    sum, and "comparisons_free": for every compared field the rules that leave it free. A rule that
    reads a field fixes it: EM cannot learn about a field that agrees in every pair.
    """
    rules: dict[str, TrainingRule] = {}
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


def judge_training(facts: TrainingCosts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge the training rules from the facts of `sum_training_rules`."""
    pairs, budget = facts["pairs"], spec.checks.max_training_pairs
    yield Verdict(
        "training_within_budget",
        pairs <= budget,
        "error",
        f"The {len(facts['rules'])} training rules make {pairs:,} pairs together"
        f" (at most {budget:,} wanted)."
        + unless(
            pairs <= budget,
            f" The most expensive is {most_expensive(facts['rules'])}; join another key to it,"
            " raise checks: max_training_pairs, or have rules proposed:"
            " er-pipeline training-rules.",
        ),
        {"training_pairs": pairs, "max_training_pairs": budget},
    )
    free = facts["comparisons_free"]
    never = [name for name, rules in free.items() if not rules]
    yield Verdict(
        "every_comparison_is_free",
        not never,
        "error",
        f"No training rule leaves {', '.join(never)} free: EM cannot learn about a field that"
        " agrees in every pair. Add a rule on other fields."
        if never
        else f"Each of {len(free)} compared fields is free in at least one training rule.",
        {f"rules_leaving_{name}_free": len(rules) for name, rules in free.items()},
    )
    empty = [name for name, counts in facts["rules"].items() if counts["pairs"] == 0]
    yield Verdict(
        "every_rule_makes_pairs",
        not empty,
        "warn",
        f"Training rules without a pair: {', '.join(empty)}."
        if empty
        else "Every training rule makes pairs.",
        {f"training_pairs_{name}": counts["pairs"] for name, counts in facts["rules"].items()},
    )


def judge_expected_mix(facts: TrainingCosts, spec: PipelineSpec) -> Verdict:
    """Judge, before training, the share of matches that each rule will bring."""
    shares = {
        rule: share
        for rule, counts in facts["rules"].items()
        if (share := counts["expected_match_share"]) is not None
    }
    return judge_mix("expected_mix_is_trainable", shares, spec, "By strong identifiers, ")


def judge_mix(check: str, shares: Mapping[str, float], spec: PipelineSpec, begins: str) -> Verdict:
    """Judge whether the pairs of every training rule hold both matches and others.

    shares: share of matches by rule. begins: what the text of the verdict begins with.
    """
    warn, fail = spec.checks.match_share_warn, spec.checks.match_share_fail
    bad = {rule: share for rule, share in shares.items() if not fail[0] <= share <= fail[1]}
    odd = {rule: share for rule, share in shares.items() if not warn[0] <= share <= warn[1]}
    severity: Literal["error", "warn"] = "error" if bad else "warn"
    outside, limits = (bad, fail) if bad else (odd, warn)
    listed = ", ".join(f"{share:.2%} of the pairs of {rule}" for rule, share in outside.items())
    if not shares:
        text = "No rule leaves a strong identifier free, which would show the share of matches."
    elif odd:
        text = (
            f"{begins}{listed} are matches ({limits[0]:.1%} to {limits[1]:.1%} wanted): EM needs"
            " both matches and others. Join another key to a rule with too few, take one from a"
            " rule with too many; er-pipeline training-rules proposes some."
        )
    else:
        text = (
            f"{begins}{min(shares.values()):.2%} to {max(shares.values()):.2%} of the pairs of"
            " every rule are matches."
        )
    return Verdict(
        check,
        not odd,
        severity,
        text,
        {f"match_share_{rule}": float(share) for rule, share in shares.items()},
    )


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
        select s.block_no, m.source_no, {columns}
        from keyed_{rule.name} as m join rule_sizes_{rule.name} as s on s.block_key = m.block_key
        join cleaned_records as r on r.record_no = m.record_no
        where s.reason is null
        """,
    )
    return expected_match_share(engine, spec, "rule_members", free)


def _rule_row(rule: str, counts: TrainingRule) -> str:
    columns = ", ".join(literal(column) for column in counts["source_columns"])
    share = counts["expected_match_share"]
    expected = "null" if share is None else repr(share)
    return (
        f"select {literal(rule)} as rule, {literal(counts['expression'])} as expression,"
        f" [{columns}]::varchar[] as source_columns, {counts['pairs']}::bigint as pairs,"
        f" {counts['largest_block']}::bigint as largest_block,"
        f" {expected}::double as expected_match_share"
    )
