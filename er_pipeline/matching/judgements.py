"""What must hold of the model, the matches and the entities, with the numbers behind it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict


def judge_expected_mix(facts: Mapping[str, Any], spec: PipelineSpec) -> Verdict:
    """Judge, before training, the share of matches that each rule will bring."""
    shares = {
        rule: counts["expected_match_share"]
        for rule, counts in facts["rules"].items()
        if counts.get("expected_match_share") is not None
    }
    return _judge_mix("expected_mix_is_trainable", shares, spec, "By strong identifiers, ")


def judge_model(facts: Mapping[str, Any], spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge the model from the facts of `train_model`."""
    sessions = facts["sessions"]
    shares = {session["rule"]: session["match_share"] for session in sessions}
    yield _judge_mix("trained_mix_is_sound", shares, spec, "As EM finds, ")
    yield _judge_agreement(sessions, spec)
    slow = [session["rule"] for session in sessions if not session["converged"]]
    yield Verdict(
        "sessions_converge",
        not slow,
        "warn",
        f"EM has not converged on {', '.join(slow)}: raise matching: max_iterations."
        if slow
        else f"All {len(sessions)} sessions converged.",
        {f"iterations_{session['rule']}": session["iterations"] for session in sessions},
    )
    untrained = facts["untrained"]
    yield Verdict(
        "every_level_is_trained",
        not untrained,
        "warn",
        f"{len(untrained)} levels have a value that no pair taught: {'; '.join(untrained[:5])}."
        " Give their fields fewer levels, or add a training rule that leaves them free."
        if untrained
        else "Every level of every comparison was trained.",
        {"untrained_levels": len(untrained)},
    )


def judge_matches(facts: Mapping[str, Any]) -> Iterator[Verdict]:
    """Judge the scores from the facts of `score_pairs`."""
    candidates, scored = facts["candidates"], facts["scored"]
    yield Verdict(
        "every_candidate_is_scored",
        candidates == scored,
        "error",
        f"{scored:,} of {candidates:,} candidate pairs are scored."
        + ("" if candidates == scored else " Materialize unified_pairs and matches again."),
        {"candidates": candidates, "scored": scored},
    )


def judge_entities(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, facts: Mapping[str, Any]
) -> Iterator[Verdict]:
    """Judge the entities, by reading them and from the facts of `join_matches`."""
    fingerprint = read_records(engine, lake)
    read_numbered(engine, lake, "entities", fingerprint)
    (n_records,) = engine.row("select count(*) from cleaned_records")
    rows, distinct, known = engine.row(
        "select count(*), count(distinct e.record_no), count(r.record_no)"
        " from entities as e left join cleaned_records as r on r.record_no = e.record_no"
    )
    whole = rows == distinct == known == n_records
    yield Verdict(
        "every_record_in_one_entity",
        whole,
        "error",
        f"{distinct:,} of {n_records:,} records stand in {rows:,} rows."
        + ("" if whole else " Materialize entities again."),
        {"records": n_records, "rows": rows, "records_in_entities": distinct},
    )
    largest, most = facts["largest_entity"], spec.checks.max_entity_size
    yield Verdict(
        "no_entity_is_giant",
        largest <= most,
        "error",
        f"The largest entity has {largest:,} records (at most {most:,} wanted)."
        + (
            ""
            if largest <= most
            else " Chains of matches joined what does not belong together: raise matching:"
            " threshold, or checks: max_entity_size if such entities are real."
        ),
        {"largest_entity": largest, "max_entity_size": most},
    )


def _judge_mix(check: str, shares: Mapping[str, float], spec: PipelineSpec, begins: str) -> Verdict:
    warn, fail = spec.checks.match_share_warn, spec.checks.match_share_fail
    bad = {rule: share for rule, share in shares.items() if not fail[0] <= share <= fail[1]}
    odd = {rule: share for rule, share in shares.items() if not warn[0] <= share <= warn[1]}
    severity: Literal["error", "warn"] = "error" if bad else "warn"
    told = ", ".join(f"{share:.2%} of the pairs of {rule}" for rule, share in (bad or odd).items())
    limits = fail if bad else warn
    if not shares:
        text = "No training rule leaves a strong identifier free to tell the share of matches."
    elif odd:
        text = (
            f"{begins}{told} are matches ({limits[0]:.1%} to {limits[1]:.1%} wanted): EM needs"
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


def _judge_agreement(sessions: Sequence[Mapping[str, Any]], spec: PipelineSpec) -> Verdict:
    """Compare what several sessions found of one comparison, level by level."""
    tolerance = spec.checks.max_m_difference
    apart: dict[str, float] = {}
    told = ""
    for name in spec.comparison_fields:
        found = [(s["rule"], s["m"][name]) for s in sessions if name in s["m"]]
        for i in range(min((len(m) for _, m in found), default=0)):
            shares = sorted((m[i], rule) for rule, m in found if m[i] is not None)
            difference = shares[-1][0] - shares[0][0] if len(shares) > 1 else 0.0
            if difference > apart.get(name, -1.0):
                apart[name] = difference
                if difference > tolerance and difference == max(apart.values()):
                    level = "equal values" if i == 0 else f"level {len(found[0][1]) - 1 - i}"
                    told = (
                        f"m of {name}, {level}, is {shares[0][0]:.3f} on {shares[0][1]} and"
                        f" {shares[-1][0]:.3f} on {shares[-1][1]}"
                    )
    wide = [name for name, difference in apart.items() if difference > tolerance]
    return Verdict(
        "sessions_agree",
        not wide,
        "warn",
        f"{told} (at most {tolerance:g} apart wanted; too far: {', '.join(wide)}). One of the rules"
        " fixes a field that the other does not, or brings too few matches: change it."
        if wide
        else f"Sessions differ by at most {max(apart.values(), default=0.0):.3f} in an m.",
        {f"m_difference_{name}": float(difference) for name, difference in apart.items()},
    )
