import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from er_pipeline.blocking.labels.labels import Journal, Label, RecordName
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.evaluation.explained_pair import ExplainedPair, explain_pair
from er_pipeline.evaluation.parted_pair import PairLabel
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.lossy_people import MATCHED


def name(record_id: str) -> RecordName:
    return RecordName("people", record_id)


def explained(people: Dataset, left: str, right: str) -> ExplainedPair:
    with DuckDBEngine(threads=2) as engine:
        return explain_pair(engine, people.lake, people.spec, name(left), name(right))


def rows(people: Dataset, sql: str) -> list[tuple[object, ...]]:
    with DuckDBEngine(threads=2) as engine:
        for table in ("cleaned_records", "missed_matches", "matches", "unified_pairs", "entities"):
            people.lake.open(engine, table)
        return engine.rows(sql)


IDS = (
    "(select l.record_id as left_id, r.record_id as right_id, p.* from {} as p"
    " join cleaned_records as l on l.record_no = p.left_no"
    " join cleaned_records as r on r.record_no = p.right_no)"
)


def test_a_pair_is_missed_for_the_cause_that_missed_matches_gives(lossy_people: Dataset) -> None:
    listed = rows(
        lossy_people,
        "select left_id, right_id, cause, detail from (select *, row_number() over"
        " (partition by cause order by left_no, right_no) as nth from"
        f" {IDS.format('missed_matches')}) where nth <= 3 order by cause, nth",
    )
    assert len({cause for _, _, cause, _ in listed}) >= 3
    for left, right, cause, detail in listed:
        found = explained(
            lossy_people, str(right), str(left)
        )  # the order of the two does not count
        assert found.missed is not None
        assert (found.missed.cause, found.missed.detail) == (cause, detail)
        assert found.left == name(str(right))


def test_a_match_is_found_with_its_score_and_what_proposed_it(lossy_people: Dataset) -> None:
    ((left, right, probability),) = rows(
        lossy_people,
        f"select left_id, right_id, match_probability from {IDS.format('matches')}"
        " where match_probability > 0.99 order by left_no, right_no limit 1",
    )
    found = explained(lossy_people, str(left), str(right))
    assert found.missed is None
    assert found.is_candidate
    assert found.score
    assert found.proposed_by
    assert found.score.probability == pytest.approx(probability, rel=1e-9)
    assert found.entities
    assert found.entities[0] == found.entities[1]
    assert f"{left} and {right} are one entity: they match" in found.sentence
    shared = {keys.strategy for keys in found.keys if keys.blocks and not keys.blocks[0].why}
    assert shared == set(found.proposed_by)


def test_records_that_no_match_of_their_own_joins_are_joined_by_a_chain(
    lossy_people: Dataset,
) -> None:
    apart = rows(
        lossy_people,
        """
        select l.record_id, r.record_id from entities as a join entities as b
            on a.entity_no = b.entity_no and a.record_no < b.record_no
        anti join unified_pairs as u on u.left_no = a.record_no and u.right_no = b.record_no
        join cleaned_records as l on l.record_no = a.record_no
        join cleaned_records as r on r.record_no = b.record_no
        order by a.record_no, b.record_no limit 1
        """,
    )
    assert apart, "the made-up people hold such an entity"
    found = explained(lossy_people, *map(str, apart[0]))
    assert len(found.chain) >= 2
    assert {found.chain[0].left, found.chain[-1].right} == set(apart[0])
    assert "one entity by a chain of" in found.sentence


def test_every_stored_score_is_the_sum_of_its_terms(lossy_people: Dataset) -> None:
    stored = rows(
        lossy_people,
        f"select left_id, right_id, match_probability from {IDS.format('matches')}"
        " order by md5(concat(left_id, right_id)) limit 12",
    )
    for left, right, probability in stored:
        score = explained(lossy_people, str(left), str(right)).score
        assert score
        assert score.probability == pytest.approx(probability, rel=1e-6)


def test_of_a_pair_that_scores_too_little_it_is_said_what_speaks_against_it(
    lossy_people: Dataset,
) -> None:
    listed = rows(
        lossy_people,
        f"select left_id, right_id from {IDS.format('missed_matches')}"
        " where cause = 'below_threshold' order by left_no, right_no limit 1",
    )
    listed += rows(  # one that is not even kept
        lossy_people,
        f"select left_id, right_id from {IDS.format('unified_pairs')} anti join matches as m"
        " using (left_no, right_no) order by left_no, right_no limit 1",
    )
    for left, right in listed:
        found = explained(lossy_people, str(left), str(right))
        assert found.score
        assert found.missed
        worst = min(found.score.terms, key=lambda term: term.weight)
        assert f"Most against it: {worst.comparison} ({worst.weight:+.2f} bits)" in found.sentence
    assert found.score
    assert found.missed
    assert found.score.probability < 0.01
    assert "less than 0.01, the least that matches keeps" in found.missed.detail
    assert "label it" in found.missed.remedy


def test_what_people_said_of_a_pair_comes_first(lossy_people: Dataset, tmp_path: Path) -> None:
    ((joined_left, joined_right), (parted_left, parted_right)) = rows(
        lossy_people,
        f"(select left_id, right_id from {IDS.format('matches')} where match_probability < 0.5"
        " order by match_probability, left_no, right_no limit 1) union all"
        f" (select left_id, right_id from {IDS.format('matches')} join"
        " (select entity_no from entities group by 1 having count(*) = 2) as e"
        " on e.entity_no = left_no where match_probability > 0.99"
        " order by left_no, right_no limit 1)",
    )
    Journal(tmp_path / "labels.jsonl").append(
        [
            Label(name(str(left)), name(str(right)), answer, "max", "2026-01-02")
            for left, right, answer in (
                (joined_left, joined_right, "match"),
                (parted_left, parted_right, "no_match"),
            )
        ]
    )
    labels = {"labels": {"path": str(tmp_path / "labels.jsonl")}}
    judged = Dataset.of(lossy_people.spec.changed(labels), tmp_path / "judged")
    judged.make("missed_matches")
    joined = explained(judged, str(joined_left), str(joined_right))
    assert joined.is_together
    assert joined.label == PairLabel("match", "max", "2026-01-02", "human", "imported")
    assert "are one entity: a label calls them a match (max, 2026-01-02)" in joined.sentence
    parted = explained(judged, str(parted_left), str(parted_right))
    assert not parted.is_together
    assert parted.sentence.endswith(
        "and are kept apart: a label calls them no match (max, 2026-01-02)."
    )


def test_a_dropped_block_is_shown_with_its_size(lossy_people: Dataset) -> None:
    ((left, right),) = rows(
        lossy_people,
        f"select left_id, right_id from {IDS.format('missed_matches')}"
        " where cause = 'block_dropped' order by left_no, right_no limit 1",
    )
    found = explained(lossy_people, str(left), str(right))
    (block,) = [b for keys in found.keys for b in keys.blocks if b.why == "oversized"]
    assert block.records is not None
    assert block.records > 6
    assert found.missed
    assert str(block.records) in found.missed.detail
    assert "Cheapest change: " in found.sentence


def test_a_proposed_strategy_unites_the_pair_at_the_cost_that_was_named(
    lossy_people: Dataset,
) -> None:
    listed = rows(
        lossy_people,
        f"select left_id, right_id, remedy from {IDS.format('missed_matches')}"
        " where remedy like 'add strategy%' order by left_no, right_no limit 3",
    )
    assert listed
    for nth, (left, right, remedy) in enumerate(listed):
        found = re.fullmatch(r"add strategy (.*): costs ([\d,]+) pairs", str(remedy))
        assert found
        declared = {**MATCHED["strategies"], "new": yaml.safe_load(found[1])}
        spec = lossy_people.spec.changed({"strategies": declared})
        mended = Dataset.of(spec, lossy_people.folder / f"mended{nth}")
        mended.make("missed_matches")
        assert "new" in explained(mended, str(left), str(right)).proposed_by
        pairs = mended.lake.facts("unified_pairs")["proposed_pairs"]["new"]
        assert pairs == int(found[2].replace(",", ""))


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [("p0000001", "p0000001", "is one record"), ("p0000001", "nobody", "has no record 'nobody'")],
)
def test_what_is_no_pair_is_refused(
    lossy_people: Dataset, left: str, right: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        explained(lossy_people, left, right)


def test_records_of_one_source_are_never_linked(dataset: Callable[..., Dataset]) -> None:
    few = [{"id": "1", "name": "ann"}, {"id": "2", "name": "ann"}]
    linked = dataset(few, few, mode="link", strategies={"name": "name"})
    linked.make("unified_pairs")
    one, two = RecordName("source0", "1"), RecordName("source0", "2")
    with DuckDBEngine(threads=2) as engine, pytest.raises(InputError, match="never compares"):
        explain_pair(engine, linked.lake, linked.spec, one, two)
