from collections.abc import Callable

import pytest

from er_pipeline.evaluation import neighbour_remedies
from er_pipeline.evaluation.remedy_settings import change_of
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.explained_matches import TRUTH, explained

NAMES = ("katherine", "kathryn", "catherine", "kate", "robert", "roberto", "rupert", "rob", "bert")
DECLARED = {
    "strategies": {"no": "no"},
    "embedding": {"k": 1, "min_similarity": 0.2, "min_share_of_best": 0.9, "fields": ["name"]},
    **TRUTH,
}


def alike() -> Rows:
    return [
        {"id": f"{i}", "name": name, "no": f"{i}", "person_id": f"p{name[-1] == 't'}"}
        for i, name in enumerate(NAMES)
    ]


def test_what_longer_lists_are_said_to_hold_is_what_they_hold(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbour_remedies, "CHANGES_SEARCHED", 50)
    people = dataset(alike(), **DECLARED)
    _, missed = explained(people)
    made = people.lake.facts("embedding_blocks")["pairs"]
    changes = {
        pair: change
        for pair, (_, _, text) in missed.items()
        if (change := change_of(people.spec, text)) and change.adds == "neighbours"
    }
    assert changes
    for nth, (pair, change) in enumerate(changes.items()):
        mended = Dataset.of(people.spec.changed(change.settings), people.folder / f"mended{nth}")
        assert mended.neighbours()["pairs"] - made == change.number
        assert pair in set(mended.rows("embedding_blocks", "left_no, right_no"))


def test_where_there_are_many_changes_it_is_a_bound(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbour_remedies, "CHANGES_SEARCHED", 0)
    _, missed = explained(dataset(alike(), **DECLARED))
    offered = [text for _, _, text in missed.values() if text.startswith("embedding: ")]
    assert offered
    assert all(" (at most +" in text for text in offered)
