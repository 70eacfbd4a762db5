from collections.abc import Callable

import pytest

from er_pipeline.blocking.tables.errors import BudgetError
from er_pipeline_tests.conftest import Dataset

ROWS = [{"id": str(i), "text": f"alpha beta w{i} gamma{i % 7} delta"} for i in range(50)]


def test_a_strategy_of_too_many_keys_is_stopped_before_its_blocks_are_made(
    dataset: Callable[..., Dataset],
) -> None:
    settings = {"fields": {"text": "text"}, "strategies": {"words": "tokens(text)"}}
    people = dataset(ROWS, **settings, checks={"max_memberships": 249})
    with pytest.raises(BudgetError) as caught:
        people.make("blocks_words")
    for part in ("strategy 'words'", "tokens(text)", "5 keys", "about 250", "allows 249"):
        assert part in str(caught.value)
    assert not people.lake.has("blocks_words")
    people = dataset(ROWS, **settings, checks={"max_memberships": 250})
    people.make("blocks_words")
    assert len(people.rows("blocks_words")) == 250


def test_a_strategy_of_one_key_per_record_needs_no_limit(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        ROWS, fields={"text": "text"}, strategies={"t": "text"}, checks={"max_memberships": 1}
    )
    people.make("blocks_t")
    assert len(people.rows("blocks_t")) == 50
