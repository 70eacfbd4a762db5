"""Short runs of the programs that break a lake on purpose."""

from pathlib import Path

import pytest

from er_pipeline_tests.faults.huge_blocks import Huge, cases, stop
from er_pipeline_tests.faults.kills import WRONG, Kills
from er_pipeline_tests.faults.reader_nights import nights

SHORT = ("equal records", "200 strategies", "q-grams of long texts")


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> Kills:
    return Kills(tmp_path_factory.mktemp("kills"), executor="in_process", seed=1, weights=False)


@pytest.mark.parametrize(("kill", "n_trials"), [("aimed", 3), ("at_random", 1)])
def test_a_run_that_is_killed_leaves_nothing_wrong(kills: Kills, kill: str, n_trials: int) -> None:
    for _ in range(n_trials):
        kills.trial(getattr(kills, kill))
    assert {kind: kills.counts[kind] for kind in WRONG} == dict.fromkeys(WRONG, 0), kills.notes


def test_a_reader_that_never_closes_never_fails(tmp_path: Path) -> None:
    counts = nights(tmp_path / "nights", n_nights=2, n_broken=1)
    assert counts["nights"] == 2
    assert counts["nights with a broken neighbour"] == 1
    assert (counts["failed queries"], counts["failed runs"], counts["wrong after a night"]) == (
        0,
        0,
        0,
    )


@pytest.mark.parametrize(
    "huge",
    [case for case in cases(n_records=3_000, n_texts=300) if case.name in SHORT],
    ids=lambda case: case.name,
)
def test_pairs_that_would_never_end_are_stopped_and_their_culprit_named(
    huge: Huge, tmp_path: Path
) -> None:
    assert stop(huge, tmp_path).fault == ""
