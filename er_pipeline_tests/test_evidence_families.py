from collections.abc import Callable

import pytest

from er_pipeline.evaluation.evidence_families import evidence_families
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.model_by_hand import RECORDS, estimated, put_model


def test_families_read_different_fields(dataset: Callable[..., Dataset]) -> None:
    data = dataset(
        [{"id": "1", "a": "x", "b": "x", "c": "x", "d": "x"}],
        strategies={"a": "a", "c": "c", "ab": ["a", "b"], "b": "b", "d": "d", "cd": ["c", "d"]},
    )
    assert evidence_families(data.spec, data.lake) == {
        "a and b": ("a", "ab", "b"),
        "c and d": ("c", "d", "cd"),
    }


def test_two_families_show_what_both_miss(dataset: Callable[..., Dataset]) -> None:
    data = dataset(RECORDS, strategies={"name": "name", "town": "town"})
    # 01 by both; 02 and 12 by the name alone, 23 by the town alone.
    put_model(data, {(0, 1): 1.0, (0, 2): 1.0, (1, 2): 1.0, (2, 3): 1.0})
    facts, _ = estimated(data.spec, data.lake, max_records=4)
    families = facts["families"]
    assert families["found_by_families"] == {"1": 3.0, "2": 1.0}
    # (2 - 1) / 2 * 3 * (3 - 1) / (2 * (1 + 1))
    assert families["likely_matches_unseen"] == pytest.approx(0.75)
    assert families["recall"] == pytest.approx(4 / 4.75)
