"""What must hold of the trained model, with the numbers behind it."""

from collections.abc import Iterator, Sequence

from er_pipeline.blocking.blocks.training_verdicts import judge_mix
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.matching.model_facts import ModelFacts, SessionFacts

CHECKS = (
    Check("model_is_trained", "Without a model nothing is scored, and there are no matches."),
    Check(
        "trained_mix_is_sound",
        "Where nearly all or no pairs match, EM finds no classes.",
        limits=("checks.match_share_warn", "checks.match_share_fail"),
    ),
    Check(
        "sessions_agree",
        "Sessions that find different m have learned different things.",
        stops=False,
        limits=("checks.max_m_difference",),
    ),
    Check("sessions_converge", "What has not converged is not yet an estimate.", stops=False),
    Check("every_level_is_trained", "What no pair taught has a usual value only.", stops=False),
)


def judge_model(facts: ModelFacts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge the model from the facts of `train_model`."""
    sessions = facts["sessions"]
    yield Verdict(
        "model_is_trained",
        bool(sessions),
        "error",
        f"{len(sessions)} sessions have trained the model."
        if sessions
        else f"No model is trained: {facts['unusable']}",
        {"sessions": len(sessions)},
    )
    yield judge_trained_mix(facts, spec)
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


def judge_trained_mix(facts: ModelFacts, spec: PipelineSpec) -> Verdict:
    """Judge whether the sessions saw both matches and others, as EM finds them."""
    shares = {session["rule"]: session["match_share"] for session in facts["sessions"]}
    if not shares:
        return Verdict("trained_mix_is_sound", True, "warn", "Nothing was trained.")
    return judge_mix("trained_mix_is_sound", shares, spec, "As EM finds, ")


def _judge_agreement(sessions: Sequence[SessionFacts], spec: PipelineSpec) -> Verdict:
    """Compare what several sessions found of one comparison, level by level."""
    tolerance = spec.checks.max_m_difference
    apart: dict[str, float] = {}
    text = ""
    for name in spec.comparison_fields:
        found = [(s["rule"], s["m"][name]) for s in sessions if name in s["m"]]
        for i in range(min((len(m) for _, m in found), default=0)):
            shares = sorted((share, rule) for rule, m in found if (share := m[i]) is not None)
            difference = shares[-1][0] - shares[0][0] if len(shares) > 1 else 0.0
            if difference > apart.get(name, -1.0):
                apart[name] = difference
                if difference > tolerance and difference == max(apart.values()):
                    level = "equal values" if i == 0 else f"level {len(found[0][1]) - 1 - i}"
                    text = (
                        f"m of {name}, {level}, is {shares[0][0]:.3f} on {shares[0][1]} and"
                        f" {shares[-1][0]:.3f} on {shares[-1][1]}"
                    )
    wide = [name for name, difference in apart.items() if difference > tolerance]
    return Verdict(
        "sessions_agree",
        not wide,
        "warn",
        f"{text} (at most {tolerance:g} apart wanted; too far: {', '.join(wide)}). One of the rules"
        " fixes a field that the other does not, or brings too few matches: change it."
        if wide
        else f"Sessions differ by at most {max(apart.values(), default=0.0):.3f} in an m.",
        {f"m_difference_{name}": float(difference) for name, difference in apart.items()},
    )
