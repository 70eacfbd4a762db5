import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.entity_merges import count_merged, joins_of
from er_pipeline.evaluation.remedy_settings import change_of
from er_pipeline.matching.entity_facts import entities_facts
from er_pipeline_tests.conftest import Dataset


@pytest.mark.parametrize(
    ("links", "joined"), [([], 0), ([(1, 2), (2, 1)], 1), ([(1, 2), (2, 3), (3, 1), (4, 5)], 3)]
)
def test_links_that_close_a_circle_join_nothing(links: list[tuple[int, int]], joined: int) -> None:
    assert joins_of(links) == joined


@pytest.mark.parametrize(
    "remedy",
    [
        "add strategy birth_date: costs 150 pairs",
        "raise blocks: max_size to 12 (+200 pairs)",
        "matching: threshold 0.2 (+3 matches)",
    ],
)
def test_so_many_entities_are_fewer_when_the_change_is_made(
    lossy_people: Dataset, remedy: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    change = change_of(lossy_people.spec, remedy)
    assert change
    with DuckDBEngine(threads=2) as engine:
        for table in ("cleaned_records", "entities", "matches", "dropped_blocks"):
            lossy_people.lake.open(engine, table)
        merged = count_merged(engine, lossy_people.lake, lossy_people.spec, change)
    mended = Dataset.of(lossy_people.spec.changed(change.settings), tmp_path_factory.mktemp("m"))
    mended.make("entities")
    before, after = (entities_facts(people.lake)["entities"] for people in (lossy_people, mended))
    assert before - after == merged


def test_nothing_is_said_of_what_is_not_foreseen(lossy_people: Dataset) -> None:
    budgeted = lossy_people.spec.changed({"budget": {"pairs_per_record": 1}})
    change = change_of(budgeted, "add strategy birth_date: costs 150 pairs")
    assert change
    with DuckDBEngine(threads=2) as engine:
        assert count_merged(engine, lossy_people.lake, budgeted, change) is None
