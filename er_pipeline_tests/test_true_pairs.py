from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest

from er_pipeline.blocking.records import true_pairs
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.conftest import Dataset, Rows

FIVE: Rows = [
    {"id": "1", "last": "lee", "person_id": "p"},
    {"id": "2", "last": "lee", "person_id": "p"},
    {"id": "3", "last": "lee", "person_id": "q"},
    {"id": "4", "last": "may", "person_id": "p"},
    {"id": "5", "last": "may", "person_id": None},
]
STRATEGIES = {"last": "last"}


def true_pairs_of(people: Dataset) -> list[tuple[int, int]]:
    people.make("true_pairs")
    return [(left, right) for left, right in people.rows("true_pairs")]


def test_a_file_counts_unknown_ids_and_its_pairs_are_turned_round(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    (tmp_path / "truth.csv").write_text("left_id,right_id\n2,1\n1,2\n3,4\n3,99\n5,5\n")
    people = dataset(FIVE, strategies=STRATEGIES, truth={"path": "truth.csv"})
    assert true_pairs_of(people) == [(0, 1), (2, 3)]
    facts = people.lake.facts("true_pairs")
    assert (facts["true_pairs"], facts["pairs_with_unknown_ids"]) == (2, 1)


def test_records_of_one_cluster_are_pairs_and_those_without_are_none(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(FIVE, strategies=STRATEGIES, truth={"cluster_column": "person_id"})
    assert true_pairs_of(people) == list(combinations([0, 1, 3], 2))


@pytest.mark.parametrize("mark", ["nan", "NaN", "NULL", "None", r"\N", "  ", "<NA>", '"null"'])
def test_a_mark_of_no_value_names_no_cluster(dataset: Callable[..., Dataset], mark: str) -> None:
    marked = [
        {**row, "person_id": row["person_id"] if row["id"] in ("1", "2") else mark} for row in FIVE
    ]
    people = dataset(marked, strategies=STRATEGIES, truth={"cluster_column": "person_id"})
    assert true_pairs_of(people) == [(0, 1)]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("link", [(0, 2), (1, 2)]), ("link_and_dedupe", [(0, 1), (0, 2), (1, 2)])],
)
def test_linking_knows_pairs_between_the_sources_only(
    dataset: Callable[..., Dataset], mode: str, expected: list[tuple[int, int]]
) -> None:
    both = dataset(
        FIVE[:2],
        FIVE[3:4],
        strategies=STRATEGIES,
        mode=mode,
        truth={"cluster_column": "person_id"},
    )
    assert true_pairs_of(both) == expected


def test_an_id_that_both_sources_have_is_known_by_its_source(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    (tmp_path / "truth.csv").write_text(
        "left_id,right_id,l,r\n1,2,source1,source0\n1,1,source0,source1\n"
    )
    truth = {"path": "truth.csv", "left_source": "l", "right_source": "r"}
    both = dataset(FIVE[:2], FIVE[:2], strategies=STRATEGIES, truth=truth)
    assert true_pairs_of(both) == [(0, 2), (1, 2)]


def test_a_truth_without_one_pair_is_an_error(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    (tmp_path / "truth.csv").write_text("left_id,right_id\n01,02\n5,5\n")
    people = dataset(FIVE, strategies=STRATEGIES, truth={"path": "truth.csv"})
    with pytest.raises(InputError, match="not one pair is of two different records"):
        people.make("true_pairs")
    assert not people.lake.has("true_pairs")


def test_a_column_that_names_no_entity_is_refused_before_its_pairs_are_made(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(true_pairs, "MAX_TRUE_PAIRS", 2)
    people = dataset(FIVE, strategies=STRATEGIES, truth={"cluster_column": "person_id"})
    with pytest.raises(InputError, match=r"column 'person_id' makes 3 true pairs, more than\s+2;"):
        people.make("true_pairs")
