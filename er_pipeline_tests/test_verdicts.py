from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from er_pipeline.blocking.tables.verdicts import Verdict, share_of, unless


def test_a_verdict_stands_as_it_was_found() -> None:
    verdict = Verdict("pairs_fit", False, "error", "6 pairs, at most 5 may be; raise max_pairs")
    with pytest.raises(FrozenInstanceError):
        verdict.passed = True  # type: ignore[misc]
    assert verdict == Verdict("pairs_fit", False, "error", verdict.text, {})
    assert verdict != Verdict("pairs_fit", False, "warn", verdict.text)


def test_the_numbers_of_one_verdict_are_not_those_of_another() -> None:
    one, other = (Verdict("pairs_fit", True, "warn", "5 pairs") for _ in range(2))
    assert one.numbers == {}
    assert one.numbers is not other.numbers


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_the_share_of_a_part_is_from_0_to_1_and_gives_the_part_back(one: int, other: int) -> None:
    part, whole = sorted((one, other))
    share = share_of(part, whole)
    assert 0 <= share <= 1
    assert share * whole == pytest.approx(part)


@pytest.mark.parametrize("part", [0, 0.0, 3])
def test_of_nothing_every_share_is_0(part: float) -> None:
    assert share_of(part, 0) == 0


def test_what_to_do_is_said_only_where_something_failed() -> None:
    assert unless(False, "; raise max_pairs") == "; raise max_pairs"
    assert unless(True, "; raise max_pairs") == ""
