from pathlib import Path

import pytest

from er_pipeline.blocking.records import cleaned_records
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation.entity_share import draw_share
from er_pipeline_tests.small_spec import small_spec

N = 300


@pytest.fixture
def whole(tmp_path: Path, engine: DuckDBEngine) -> Lake:
    """Give 300 records, of which every three that follow each other are one entity."""
    lake = Lake(tmp_path / "whole", "people")
    with lake.writing("cleaned_records", {"records": N}) as draft:
        engine.write(
            "select n::integer as record_no, concat('id ', n) as record_id, 'people' as source"
            f" from range({N}) as t(n)",
            draft.file(),
        )
    with lake.writing("rejected_records") as draft:
        engine.write("select 'people' as source, 7 as line", draft.file())
    with lake.writing("record_contents") as draft:
        engine.write(
            f"select n::integer as record_no, n * 7 as content from range({N}) as t(n)",
            draft.file(),
        )
    with lake.writing("entities") as draft:
        engine.write(
            "select n::integer as record_no, (n - n % 3)::integer as entity_no"
            f" from range({N}) as t(n)",
            draft.file(),
        )
    return lake


def drawn(engine: DuckDBEngine, whole: Lake, folder: Path, share: float) -> tuple[int, list[int]]:
    (records,) = cleaned_records.steps(small_spec())
    part = Lake(folder, "people")
    n = draw_share(engine, records, whole, part, whole.path("entities"), share, seed=20)
    assert part.facts("cleaned_records")["records"] == n
    engine.read_folder(part.path("cleaned_records"), "part")
    engine.read_folder(part.path("rejected_records"), "part_rejected")
    assert engine.rows("from part_rejected") == [("people", 7)]
    rows = engine.rows("select record_no, record_id from part")
    engine.read_folder(part.path("record_contents"), "part_contents")
    assert engine.rows("select record_no, content from part_contents") == [
        (no, int(name.removeprefix("id ")) * 7) for no, name in rows
    ]
    assert [no for no, _ in rows] == list(range(n))
    return n, [int(name.removeprefix("id ")) for _, name in rows]


def test_entities_are_drawn_whole_and_records_numbered_anew(
    tmp_path: Path, engine: DuckDBEngine, whole: Lake
) -> None:
    n, ids = drawn(engine, whole, tmp_path / "part", 0.3)
    assert 0.15 * N < n < 0.45 * N
    assert ids == sorted(ids)
    assert {i - i % 3 + j for i in ids for j in range(3)} == set(ids)


def test_a_larger_share_holds_the_smaller_one_and_all_is_all(
    tmp_path: Path, engine: DuckDBEngine, whole: Lake
) -> None:
    small, large, every = (
        set(drawn(engine, whole, tmp_path / f"{share}", share)[1]) for share in (0.2, 0.5, 1.0)
    )
    assert small < large < every
    assert len(every) == N


def test_a_share_without_a_record_is_refused(
    tmp_path: Path, engine: DuckDBEngine, whole: Lake
) -> None:
    with pytest.raises(InputError, match="holds no record: take a larger one"):
        drawn(engine, whole, tmp_path / "part", 1e-9)
