from collections.abc import Mapping
from typing import Any

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.matching.model_verdicts import judge_model


def spec_with(**checks: Any) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": [{"path": "people.csv"}],
            "fields": {"name": "text", "city": "text"},
            "strategies": {"name": "name"},
            "training_rules": {"name": "name"},
            "matching": True,
            "checks": checks,
        }
    )


def session(rule: str, share: float = 0.3, **changes: Any) -> dict[str, Any]:
    return {
        "rule": rule,
        "pairs": 1_000,
        "match_share": share,
        "iterations": 5,
        "converged": True,
        "m": {"name": [0.8, 0.1, 0.1]},
        **changes,
    }


def judged(*sessions: Mapping[str, Any], untrained: Any = (), **checks: Any) -> dict[str, Verdict]:
    facts: Any = {"sessions": list(sessions), "untrained": list(untrained)}
    return {verdict.check: verdict for verdict in judge_model(facts, spec_with(**checks))}


@pytest.mark.parametrize(
    ("share", "outcome"),
    [
        (0.3, "ok"),
        (0.01, "ok"),
        (0.99, "ok"),
        (0.0099, "warn"),
        (0.9901, "warn"),
        (0.001, "warn"),
        (0.999, "warn"),
        (0.0009, "error"),
        (0.9991, "error"),
    ],
)
def test_a_mix_without_two_classes_warns_then_stops(share: float, outcome: str) -> None:
    verdict = judged(session("good"), session("odd", share))["trained_mix_is_sound"]
    assert verdict.passed is (outcome == "ok")
    if outcome != "ok":
        assert verdict.severity == outcome
        assert "pairs of odd are matches" in verdict.text
        assert "good" not in verdict.text
    assert verdict.numbers == {"match_share_good": 0.3, "match_share_odd": share}


def test_limits_of_the_mix_are_settings() -> None:
    strict = {"match_share_warn": [0.2, 0.5], "match_share_fail": [0.1, 0.6]}
    mix = {
        share: judged(session("rule", share), **strict)["trained_mix_is_sound"]
        for share in (0.3, 0.15, 0.7)
    }
    assert mix[0.3].passed
    assert (mix[0.15].passed, mix[0.15].severity) == (False, "warn")
    assert (mix[0.7].passed, mix[0.7].severity) == (False, "error")
    assert "10.0% to 60.0% wanted" in mix[0.7].text


def test_sessions_that_disagree_are_told_with_both_values() -> None:
    one, other = session("one"), session("other", m={"name": [0.5, 0.2, 0.3]})
    verdict = judged(one, other)["sessions_agree"]
    assert (verdict.passed, verdict.severity) == (False, "warn")
    assert "m of name, equal values, is 0.500 on other and 0.800 on one" in verdict.text
    assert verdict.numbers == {"m_difference_name": pytest.approx(0.3)}
    assert judged(one, other, max_m_difference=0.31)["sessions_agree"].passed
    assert judged(one)["sessions_agree"].passed


def test_a_level_without_a_pair_in_one_session_is_not_compared() -> None:
    one, other = session("one"), session("other", m={"name": [0.8, None, 0.2]})
    verdict = judged(one, other)["sessions_agree"]
    assert verdict.passed
    assert verdict.numbers == {"m_difference_name": pytest.approx(0.1)}


def test_sessions_without_end_and_levels_without_a_pair_warn() -> None:
    verdicts = judged(
        session("slow", converged=False, iterations=50),
        untrained=["city: no session left it free"],
    )
    for check, told in (("sessions_converge", "slow"), ("every_level_is_trained", "city")):
        assert (verdicts[check].passed, verdicts[check].severity) == (False, "warn")
        assert told in verdicts[check].text
    assert verdicts["sessions_converge"].numbers == {"iterations_slow": 50}
    assert verdicts["every_level_is_trained"].numbers == {"untrained_levels": 1}
