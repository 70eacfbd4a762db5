from collections.abc import Callable

import pytest

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.evaluation.explained_record import ExplainedRecord, explain_record
from er_pipeline_tests.conftest import Dataset, Rows

# 1 and 2 share a name, three share a town that is over the cap, 5 has a name of its own, 6 nothing.
FEW: Rows = [
    {"id": "1", "name": "ann", "town": "york"},
    {"id": "2", "name": "ann", "town": "york"},
    {"id": "3", "name": "bob", "town": "york"},
    {"id": "4", "name": None, "town": "york"},
    {"id": "5", "name": "eve", "town": None},
    {"id": "6", "name": None, "town": None},
]
DECLARED = {"strategies": {"name": "name", "town": "town"}, "blocks": {"max_size": 3}}


def explained(people: Dataset, record_id: str, source: str = "people") -> ExplainedRecord:
    with DuckDBEngine(threads=2) as engine:
        name = RecordName(source, record_id)
        return explain_record(engine, people.lake, people.spec, name, most=10)


@pytest.mark.parametrize(
    ("record_id", "n_candidates", "said"),
    [
        ("1", 1, "1 has 1 candidate, with 1 of its 2 blocks compared."),
        ("3", 0, "3 has no candidate: no block that it shares is compared (town 'york' of 4"),
        ("5", 0, "5 has no candidate: no other record shares any of its 1 key."),
        ("6", 0, "6 has no candidate: no strategy gives it a key."),
    ],
)
def test_a_record_has_candidates_or_a_reason_why_not(
    dataset: Callable[..., Dataset], record_id: str, n_candidates: int, said: str
) -> None:
    people = dataset(FEW, **DECLARED)
    people.make("unified_pairs")
    found = explained(people, record_id)
    assert found.n_candidates == len(found.candidates) == n_candidates
    assert found.sentence.startswith(said)
    assert bool(found.why_none) == (n_candidates == 0)


def test_each_key_has_its_block_with_its_size_and_what_became_of_it(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(FEW, **DECLARED)
    people.make("unified_pairs")
    blocks = {
        keys.strategy: [(block.key, block.records, block.why) for block in keys.blocks]
        for keys in explained(people, "3").keys
    }
    assert blocks == {
        "name": [("bob", 1, "below_min_size")],
        "town": [("york", 4, "oversized")],
    }


def test_what_a_budget_cut_is_said(dataset: Callable[..., Dataset]) -> None:
    rows = [{"id": str(i), "name": f"n{i // 2}", "town": "york"} for i in range(8)]
    rows[7]["name"] = "alone"
    people = dataset(
        rows, strategies={"name": "name", "town": "town"}, budget={"max_pairs": 3}, weights=True
    )
    people.make("unified_pairs")
    assert [explained(people, str(i)).n_candidates for i in range(8)] == [1] * 6 + [0, 0]
    assert "the budget cut all pairs of its 1 compared block" in explained(people, "7").sentence


def test_the_best_candidates_come_first_and_all_are_counted(lossy_people: Dataset) -> None:
    with DuckDBEngine(threads=2) as engine:
        for table in ("cleaned_records", "unified_pairs", "matches", "entities"):
            lossy_people.lake.open(engine, table)
        (record_no, record_id, n), *_ = engine.rows(
            "select record_no, record_id, count(*) from (select left_no as record_no from"
            " unified_pairs union all select right_no from unified_pairs) join cleaned_records"
            " using (record_no) group by all order by 3 desc, 1 limit 1"
        )
        likely = engine.rows(
            "select match_probability from matches where match_probability >= 0.01 and"
            f" (left_no = {record_no} or right_no = {record_no}) order by 1 desc limit 10"
        )
        name = RecordName("people", record_id)
        found = explain_record(engine, lossy_people.lake, lossy_people.spec, name, most=10)
        all_of_them = explain_record(engine, lossy_people.lake, lossy_people.spec, name, most=n)
    assert found.n_candidates == n == len(all_of_them.candidates)
    assert found.candidates == all_of_them.candidates[:10]
    scores = [one.score for one in all_of_them.candidates if one.score is not None]
    assert scores == sorted(scores, reverse=True)
    assert scores[: len(likely)] == pytest.approx([score for (score,) in likely], rel=1e-6)
    assert all(one.proposed_by and one.weight is not None for one in found.candidates)


def test_a_record_of_an_entity_has_its_members_and_its_past(lossy_people: Dataset) -> None:
    with DuckDBEngine(threads=2) as engine:
        for table in ("cleaned_records", "entities"):
            lossy_people.lake.open(engine, table)
        entity_no, n = engine.rows(
            "select entity_no, count(*) from entities group by 1 order by 2 desc, 1 limit 1"
        )[0]
        members = engine.rows(
            "select source, record_id from entities join cleaned_records using (record_no)"
            f" where entity_no = {entity_no} order by record_no"
        )
    assert n > 1
    found = explained(lossy_people, members[1][1])
    assert found.entity
    assert [tuple(member) for member in found.entity.members] == members
    assert found.entity.events[0]["event"] == "minted"
    assert f"it is in entity {found.entity.entity_id}, of {n} records." in found.sentence


def test_records_are_explained_when_linking_too(dataset: Callable[..., Dataset]) -> None:
    one: Rows = [{"id": "1", "name": "ann"}, {"id": "2", "name": "bob"}, {"id": "3", "name": "bob"}]
    other: Rows = [{"id": "1", "name": "ann"}]
    linked = dataset(one, other, mode="link", strategies={"name": "name"})
    linked.make("unified_pairs")
    (candidate,) = explained(linked, "1", "source1").candidates
    assert candidate.partner == RecordName("source0", "1")
    assert (
        "name 'bob' of 2 records is of one source alone"
        in explained(linked, "2", "source0").why_none
    )


def test_an_unknown_record_is_refused(lossy_people: Dataset) -> None:
    with pytest.raises(InputError, match="has no record 'nobody'"):
        explained(lossy_people, "nobody")
