import random
from collections.abc import Callable
from typing import Any

import pytest

from er_pipeline.blocking.blocks import membership_limit
from er_pipeline.blocking.tables.errors import BudgetError
from er_pipeline_tests.conftest import Dataset

ROWS = [{"id": str(i), "text": f"alpha beta w{i} gamma{i % 7} delta"} for i in range(50)]
SETTINGS: dict[str, Any] = {"fields": {"text": "text"}, "strategies": {"words": "tokens(text)"}}


def words(*counts: int) -> list[dict[str, str]]:
    """Write a record of so many words for each count, in an order of its own."""
    rows = [" ".join(f"w{i}n{k}" for k in range(n)) or "-" for i, n in enumerate(counts)]
    return [{"id": f"{i:05}", "text": text} for i, text in enumerate(rows)]


def test_a_strategy_of_too_many_keys_is_stopped_before_its_blocks_are_made(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(ROWS, **SETTINGS, checks={"max_memberships": 249})
    with pytest.raises(BudgetError) as caught:
        people.make("blocks_words")
    for part in ("strategy 'words'", "tokens(text)", "5 keys", "250 memberships", "allows 249"):
        assert part in str(caught.value)
    assert not people.lake.has("blocks_words")
    people = dataset(ROWS, **SETTINGS, checks={"max_memberships": 250})
    people.make("blocks_words")
    assert len(people.rows("blocks_words")) == 250


def test_a_sample_stops_what_is_far_over_the_limit_and_never_what_is_within(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership_limit, "SAMPLED", 20)
    rows = words(*random.Random(3).choices(range(4, 9), k=300))
    n_words = sum(len(row["text"].split()) for row in rows)
    for limit, stopped in ((n_words // 10, "about"), (n_words - 1, "about"), (n_words, "")):
        people = dataset(rows, **SETTINGS, checks={"max_memberships": limit})
        if stopped:
            with pytest.raises(BudgetError, match=stopped):
                people.make("blocks_words")
            assert not people.lake.has("blocks_words")
        else:
            people.make("blocks_words")
            assert len(people.rows("blocks_words")) == n_words


@pytest.mark.parametrize("n_long", [0, 1, 5])
def test_few_records_of_very_many_keys_are_counted_before_they_stop_a_run(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch, n_long: int
) -> None:
    monkeypatch.setattr(membership_limit, "SAMPLED", 20)
    rows = words(*[1] * 300, *[200] * n_long)
    n_words = 300 + 200 * n_long
    people = dataset(rows, **SETTINGS, checks={"max_memberships": n_words - 1})
    with pytest.raises(BudgetError):
        people.make("blocks_words")
    assert not people.lake.has("blocks_words")
    people = dataset(rows, **SETTINGS, checks={"max_memberships": n_words})
    people.make("blocks_words")
    assert len(people.rows("blocks_words")) == n_words


def test_a_strategy_of_one_key_per_record_needs_no_limit(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        ROWS, fields={"text": "text"}, strategies={"t": "text"}, checks={"max_memberships": 1}
    )
    people.make("blocks_t")
    assert len(people.rows("blocks_t")) == 50
