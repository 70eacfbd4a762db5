import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from er_pipeline.blocking.labels.label_queue import QUEUE, QUEUED, queue_pairs
from er_pipeline.blocking.labels.labels import Journal, Label, RecordName
from er_pipeline.blocking.tables.contract import judge_contract
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, parquet_files
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline_tests.conftest import Dataset, Rows

Row = tuple[Any, ...]
COLUMNS = "queue_no, left_no, right_no, reason, weight, rules"


def people(n: int, seed: int) -> list[dict[str, str | None]]:
    """Make persons up, each with two records; every other one has moved and married between."""
    draw = Random(seed)
    rows: list[dict[str, str | None]] = []
    for i in range(n):
        born = f"19{draw.randrange(40, 99)}-0{draw.randrange(1, 9)}-{draw.randrange(10, 28)}"
        person: dict[str, str | None] = {
            "first_name": draw.choice(["ann", "bob", "carla", "dan", "eve", "fred", "gwen"]),
            "last_name": draw.choice(["lee", "may", "ford", "hill", "stone", "wood", "reed"]),
            "town": draw.choice(["york", "ulm", "bath", "lyon"]),
            "born": born,
        }
        rows.append({"id": f"{i:03}a", **person})
        changes = {"last_name": f"x{i}", "town": None} if i % 2 else {"town": None}
        rows.append({"id": f"{i:03}b", **person, **changes})
    return rows


def queued(data: Dataset, threads: int = 2) -> list[Row]:
    with DuckDBEngine(threads=threads) as engine:
        queue_pairs(engine, data.lake, data.spec)
    return data.rows("label_queue", COLUMNS, "queue_no")


SETTINGS: dict[str, Any] = {
    "fields": {
        "first_name": "person_name",
        "last_name": "person_name",
        "town": "text",
        "born": "date",
    },
    "strategies": {"names": ["first_name", "last_name"], "town": ["town", "left(first_name, 1)"]},
    "labels": {},
}
N_PERSONS = 120
PERSONS = people(N_PERSONS, 1)


def judge(data: Dataset, pairs: list[tuple[int, int]], answer: str = "match") -> None:
    """Answer pairs, on top of what is answered already, and make all that follows from it."""
    ids = sorted(str(row["id"]) for row in PERSONS)
    labels = [
        Label(
            RecordName("people", ids[a]),
            RecordName("people", ids[b]),
            answer,
            "ann",
            "2026-11-03T10:15:00Z",
        )
        for a, b in pairs
    ]
    Journal(data.folder / "labels.jsonl").append(labels)
    data.pair()


@pytest.fixture(scope="module")
def lake_of_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = Dataset(tmp_path_factory.mktemp("paired"), [PERSONS], **SETTINGS)
    data.pair()
    return data.lake.root


@pytest.fixture
def paired(dataset: Callable[..., Dataset], lake_of_pairs: Path) -> Dataset:
    """Give a dataset of its own, with its pairs, to every test."""
    data = dataset(PERSONS, **SETTINGS)
    shutil.copytree(lake_of_pairs, data.lake.root, symlinks=True)
    return data


def test_the_queue_mixes_the_three_kinds(paired: Dataset) -> None:
    queue = queued(paired)
    assert [row[0] for row in queue] == list(range(len(queue)))
    counts = Counter(row[3] for row in queue)
    assert counts == QUEUE  # there are enough of each kind
    # Whoever judges a few has judged some of each kind, in their shares.
    first = Counter(row[3] for row in queue[:20])
    assert min(first[reason] for reason in QUEUE) >= 3
    facts = paired.lake.facts("label_queue")
    assert {reason: facts[reason] for reason in QUEUE} == counts


def test_no_pair_is_queued_twice(paired: Dataset) -> None:
    pairs = [row[1:3] for row in queued(paired)]
    assert len(set(pairs)) == len(pairs)
    assert all(left < right for left, right in pairs)


def test_likely_pairs_are_no_candidates_and_the_others_are(paired: Dataset) -> None:
    candidates = paired.weights()
    for _, left, right, reason, weight, rules in queued(paired):
        if reason == "likely_uncovered":
            assert (left, right) not in candidates
            assert rules == []
        else:
            assert weight == candidates[left, right]
            assert rules


def test_likely_pairs_are_the_weightiest_that_share_a_key(paired: Dataset) -> None:
    likely = [row for row in queued(paired) if row[3] == "likely_uncovered"]
    weights = [row[4] for row in likely]
    assert weights == sorted(weights, reverse=True)
    # Who married shares the first name and the birthday with herself, and no strategy says so.
    married = {(2 * i, 2 * i + 1) for i in range(1, N_PERSONS, 2)}
    assert len(married & {row[1:3] for row in likely[: len(married)]}) >= 0.9 * len(married)


def test_pairs_of_the_most_expensive_strategy_are_its_alone(paired: Dataset) -> None:
    queue = queued(paired)
    alone = paired.lake.facts("unified_pairs")["pairs_of_one_strategy_only"]
    assert alone["names"] > alone["town"]
    assert paired.lake.facts("label_queue")["dearest_strategy"] == "names"
    assert [row[5] for row in queue if row[3] == "dearest_rule"] == [["names"]] * 40


def test_what_has_been_judged_is_not_asked_again(paired: Dataset) -> None:
    asked: set[tuple[int, int]] = set()
    for answer in ("match", "no_match", "unsure"):
        pairs = [row[1:3] for row in queued(paired)[:40]]
        assert len(pairs) == 40
        assert not asked & set(pairs)
        judge(paired, pairs, answer)
        asked |= set(pairs)
    assert not asked & {row[1:3] for row in queued(paired)}


def test_the_same_labels_give_the_same_queue_with_any_number_of_threads(paired: Dataset) -> None:
    first = queued(paired, threads=1)
    assert first == queued(paired, threads=2)
    judge(paired, [first[0][1:3]])
    assert [row[1:3] for row in first[1:]] != [row[1:3] for row in queued(paired)]


def test_everything_judged_leaves_an_empty_queue(dataset: Callable[..., Dataset]) -> None:
    data = dataset(PERSONS[:8], **SETTINGS)
    data.pair()
    judge(data, [(a, b) for b in range(8) for a in range(b)], "no_match")
    assert queued(data) == []
    assert data.lake.facts("label_queue")["audit"] == 0


def test_a_table_without_a_pair_has_an_empty_queue(dataset: Callable[..., Dataset]) -> None:
    rows: Rows = [
        {"id": "1", "first_name": "ann", "last_name": "lee"},
        {"id": "2", "first_name": "bob", "last_name": "may"},
    ]
    for settings in ({"strategies": {"name": "last_name"}}, {"strategies": "auto"}):
        data = dataset(rows, **settings, labels={})
        data.pair()
        assert queued(data) == []


def test_unweighed_pairs_are_queued_without_likely_ones(dataset: Callable[..., Dataset]) -> None:
    data = dataset(PERSONS, **SETTINGS, weights=False)
    data.pair()
    queue = queued(data)
    assert {row[3] for row in queue} == {"dearest_rule", "audit"}
    assert {row[4] for row in queue} == {None}


def test_pairs_within_a_source_are_not_asked_when_linking(
    dataset: Callable[..., Dataset],
) -> None:
    data = dataset(PERSONS[::2], PERSONS[1::2], **SETTINGS)
    data.pair()
    queue = queued(data)
    assert queue
    assert all(left < N_PERSONS <= right for _, left, right, *_ in queue)


def test_pairs_of_learned_rules_list_their_rules(dataset: Callable[..., Dataset]) -> None:
    data = dataset(PERSONS, **{**SETTINGS, "strategies": "auto"})
    data.pair()
    queue = queued(data)
    rules = {rule["rule"] for rule in data.lake.facts("learned_rules")["rules"]}
    listed = {rule for row in queue for rule in row[5]}
    assert listed
    assert listed <= rules


def test_the_catalog_shows_ids(paired: Dataset) -> None:
    queue = queued(paired)
    relations = {
        table: parquet_files(paired.lake.path(table))
        for table in ("label_queue", "cleaned_records")
    }
    with DuckDBEngine() as engine:
        assert QUEUED.view
        view = QUEUED.view(relations)
        shown = engine.rows(f"select left_id, right_id from ({view}) order by queue_no")
        assert judge_contract(engine, paired.lake, [QUEUED]).passed
    ids = sorted(str(row["id"]) for row in PERSONS)
    assert shown == [(ids[row[1]], ids[row[2]]) for row in queue]


def test_a_queue_of_other_records_is_refused(paired: Dataset) -> None:
    (paired.folder / "people.csv").write_text("id,first_name,last_name,town,born\n1,ann,lee,,\n")
    paired.clean()
    with pytest.raises(LakeError, match="made from an older cleaned_records"):
        queued(paired)
