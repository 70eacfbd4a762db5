from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation.remedy_limits import remedy_limits
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.explained_matches import TRUTH, explained, many
from er_pipeline_tests.test_entities import spec_with

DOUBT = {
    "field": "born",
    "known": 100,
    "checked": 8,
    "conflicts": 8,
    "doubtful": 8.0,
    "doubtful_high": 8.0,
    "example": ["a", "b"],
    "half_above": 0.97,
}


def lake_of(folder: Path, **facts: Mapping[str, Any]) -> Lake:
    lake = Lake(folder, "people")
    made: dict[str, Mapping[str, Any]] = {
        "filtered_blocks": {"pairs": 900},
        "unified_pairs": {},
        "matches": {"matches": 100, "doubts": []},
        "entities": {"largest_entity": 3},
        **facts,
    }
    for table, of_table in made.items():
        with lake.writing(table, dict(of_table)):
            pass
    return lake


def least_precision(lake: Lake, spec: PipelineSpec) -> float | None:
    return remedy_limits(lake, spec).least_precision


def test_pairs_are_left_as_far_as_the_checks_and_the_budget_reach(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, unified_pairs={"budget_pairs": 50})
    spec = spec_with(checks={"max_pairs": 1_000, "max_pairs_per_strategy": 70})
    limits = remedy_limits(lake, spec)
    assert (limits.block_pairs, limits.strategy_pairs, limits.pairs) == (100, 70, 50)
    full = remedy_limits(lake, spec_with(checks={"max_pairs": 800}))
    assert (full.block_pairs, full.strategy_pairs) == (0, None)


def test_a_lower_threshold_keeps_the_precision_that_doubts_may_leave(tmp_path: Path) -> None:
    lake = lake_of(tmp_path)
    assert least_precision(lake, spec_with()) == 0.95
    assert least_precision(lake, spec_with(checks={"max_doubtful_matches": 0.25})) == 0.75


def test_no_lower_threshold_where_matches_are_in_doubt_or_an_entity_is_giant(
    tmp_path: Path,
) -> None:
    doubted = lake_of(tmp_path / "doubted", matches={"matches": 100, "doubts": [DOUBT]})
    assert least_precision(doubted, spec_with()) is None
    assert least_precision(doubted, spec_with(checks={"max_doubtful_matches": 0.1})) == 0.9
    giant = lake_of(tmp_path / "giant", entities={"largest_entity": 101})
    assert least_precision(giant, spec_with()) is None
    assert least_precision(giant, spec_with(checks={"max_entity_size": 101})) == 0.95


@pytest.mark.parametrize(("most", "offers"), [(15, False), (16, True)])
def test_no_remedy_makes_more_pairs_than_the_check_allows(
    dataset: Callable[..., Dataset], most: int, offers: bool
) -> None:
    # The block of six is over the cap; its 15 pairs would come to the one pair there is.
    rows = many(*["may"] * 6, "ray", "ray")
    people = dataset(
        rows,
        strategies={"name": "name"},
        blocks={"max_size": 5},
        checks={"max_pairs": most},
        **TRUTH,
    )
    facts, _ = explained(people)
    remedies = [remedy["remedy"] for remedy in facts["remedies"]]
    assert any("max_size to 6 (+15 pairs)" in remedy for remedy in remedies) == offers
