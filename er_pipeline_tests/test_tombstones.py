from pathlib import Path

import pytest

from er_pipeline.blocking.records.tombstones import (
    FORGOTTEN,
    Tombstones,
    masked_line,
    read_tombstones,
)
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError

AT = "2026-11-27T02:00:00Z"


def stones(*records: tuple[str, int, str]) -> Tombstones:
    made = Tombstones()
    for source, place, record_id in records:
        made = made.with_records(source, place, [record_id], AT, is_erased=True)
    return made


def test_what_is_saved_is_read_and_nothing_was_forgotten_before(tmp_path: Path) -> None:
    assert read_tombstones(tmp_path).stones == ()
    made = stones(("crm", 0, "17"), ("shop", 1, "ä'1"))
    made.save(tmp_path)
    assert read_tombstones(tmp_path) == made
    assert "17" not in {stone.record for stone in made.stones}


def test_two_datasets_have_other_hashes_of_one_id() -> None:
    assert stones(("crm", 0, "17")).stones[0].record != stones(("crm", 0, "17")).stones[0].record


def test_a_file_that_cannot_be_read_stops_and_lets_nobody_back_in(tmp_path: Path) -> None:
    (tmp_path / FORGOTTEN).write_text("{")
    with pytest.raises(LakeError, match="must not come back"):
        read_tombstones(tmp_path)


def test_the_engine_hashes_as_python_does() -> None:
    made = stones(("crm", 0, "17"))
    with DuckDBEngine(threads=1) as engine:
        for record_id in ("17", "ä'1", ""):
            assert engine.rows(f"select {made.hash_sql('?')}", [record_id]) == [
                (made.hash_of(record_id),)
            ]


def test_a_record_has_one_tombstone_and_it_can_be_lifted() -> None:
    made = stones(("crm", 0, "17"), ("crm", 0, "17"), ("shop", 1, "17"))
    assert len(made.stones) == 2
    lifted = made.without("crm", ["17"])
    assert [stone.source for stone in lifted.stones] == ["shop"]
    assert lifted.of("crm", "17") is None
    assert lifted.of("shop", "17")


@pytest.mark.parametrize(
    ("sources", "places"),
    [
        (["crm", "shop"], [0]),
        (["shop", "crm"], [1]),
        (["renamed", "shop"], [0]),  # at the place of one that is there no more
        (["shop"], [0]),  # the only source that can be meant
    ],
)
def test_a_tombstone_follows_its_source(sources: list[str], places: list[int]) -> None:
    hashes = stones(("crm", 0, "17")).hashes_of_sources(sources)
    assert [place for place, found in enumerate(hashes) if found] == places


def test_a_source_with_tombstones_of_its_own_takes_no_others() -> None:
    made = stones(("crm", 0, "17"), ("shop", 1, "18"))
    assert [len(found) for found in made.hashes_of_sources(["shop"])] == [1]


@pytest.mark.parametrize(
    ("line", "is_masked"),
    [("17;ann", True), ('"17","ann"', True), ("ann\t17", True), ("170,ann", False), ("", False)],
)
def test_an_unreadable_line_is_masked_where_a_cell_is_the_id(line: str, is_masked: bool) -> None:
    made = stones(("crm", 0, "17"))
    sql = masked_line(made, "line", made.hashes_of_sources(["crm"])[0])
    with DuckDBEngine(threads=1) as engine:
        ((shown,),) = engine.rows(f"select {sql} from (select ? as line)", [line])
    assert (shown != line) == is_masked
