import pytest

from er_pipeline.matching.precision_doubts import (
    PrecisionDoubts,
    checks_of,
    doubts_grid,
    judge_precision,
)
from er_pipeline_tests.test_contested_matches import SOURCES, found
from er_pipeline_tests.test_entities import spec_with
from er_pipeline_tests.test_odd_levels import STRANGERS, odd_levels
from er_pipeline_tests.test_remedy_limits import DOUBT
from er_pipeline_tests.test_shared_values import NAMELESS, declared, homes, shared_values


@pytest.mark.parametrize("sources", [SOURCES[:1], SOURCES])
def test_what_was_looked_for_is_judged_by_the_checks_that_are_declared(
    sources: list[dict[str, str]],
) -> None:
    spec = declared(sources=sources)
    contested = found((0, 10, 9, 2), (0, 11, 5, 1)) if len(sources) == 2 else None
    doubts: PrecisionDoubts = {
        "doubts": [DOUBT],  # type: ignore[list-item]
        "contested": contested,
        "odd_levels": odd_levels(STRANGERS),
        "shared_values": shared_values(homes(40, ["Ann", "Bob", None]), {NAMELESS: 40}),
    }
    verdicts = list(judge_precision(doubts, 100, spec))
    assert [verdict.check for verdict in verdicts] == [check.name for check in checks_of(spec)]
    assert not any(verdict.passed for verdict in verdicts)
    with_truth = declared(sources=sources, truth={"cluster_column": "person_id"})
    by_truth = list(judge_precision(doubts, 100, with_truth))
    assert [verdict.check for verdict in by_truth] == [verdict.check for verdict in verdicts]
    assert by_truth[-1].passed
    assert "1 odd level; truth is known" in by_truth[-2].text
    assert "1 set of shared values; truth is known" in by_truth[-1].text


def test_nothing_is_judged_that_was_not_looked_for() -> None:
    assert list(judge_precision({}, 100, spec_with())) == []
    assert doubts_grid({}) is None
