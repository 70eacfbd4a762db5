"""Training rules, judged by what they cost, leave free and mix, before EM runs."""

from collections.abc import Iterator, Mapping
from typing import Literal

from er_pipeline.blocking.blocks.blocks import most_expensive
from er_pipeline.blocking.blocks.training_facts import TrainingFacts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict, unless

CHECKS = (
    Check(
        "training_within_budget",
        "Sessions share no pairs, so their costs add up.",
        limits=("checks.max_training_pairs",),
    ),
    Check("every_comparison_is_free", "EM learns nothing about a field its rule fixes."),
    Check("every_rule_makes_pairs", "A rule without pairs trains nothing.", stops=False),
)
MIX_CHECK = Check(
    "expected_mix_is_trainable",
    "EM needs matches and non-matches; known before it runs.",
    limits=("checks.match_share_warn", "checks.match_share_fail"),
)


def judge_training(facts: TrainingFacts, spec: PipelineSpec) -> Iterator[Verdict]:
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
            " raise checks: max_training_pairs, or have rules proposed: er-pipeline"
            " training-rules.",
        ),
        {"training_pairs": pairs, "max_training_pairs": budget},
    )
    free = facts["comparisons_free"]
    never = [name for name, rules in free.items() if not rules]
    text = f"Each of {len(free)} compared fields is free in at least one training rule."
    if not facts["rules"]:
        text = (
            "There is no training rule: no key makes a pair within checks: max_training_pairs, so"
            " no model can be trained. Declare training_rules, or leave matching out."
        )
    elif len(free) == 1 and never:
        text = (
            f"{never[0]} is the only compared field, and every training rule fixes it: a model"
            " needs a second field. Leave matching out, or declare more fields."
        )
    elif never:
        text = (
            f"No training rule leaves {', '.join(never)} free: EM cannot learn about a field that"
            " agrees in every pair. Add a rule on other fields."
        )
    yield Verdict(
        "every_comparison_is_free",
        not never,
        "error",
        text,
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


def judge_expected_mix(facts: TrainingFacts, spec: PipelineSpec) -> Verdict:
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
