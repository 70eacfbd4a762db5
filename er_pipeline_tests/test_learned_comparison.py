from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation.learned_comparison import (
    comparison_lines,
    entity_moves,
    side_figures,
)


def entities(folder: Path, engine: DuckDBEngine, *members: str) -> Lake:
    """Give a lake of entities of one-letter records: "abc", "d" are two."""
    lake = Lake(folder, "people")
    order = sorted("".join(members))
    rows = ", ".join(
        f"({order.index(letter)}, {min(map(order.index, of))})" for of in members for letter in of
    )
    with lake.writing("entities", {"entities": len(members)}) as draft:
        engine.write(f"select * from (values {rows}) as t(record_no, entity_no)", draft.file())
    return lake


@pytest.mark.parametrize(
    ("before", "after", "changed", "records", "moved"),
    [
        (["abc", "d"], ["abc", "d"], 0, 0, 0),
        (["abc", "d"], ["abcd"], 2, 4, 1),  # d takes the id of abc
        (["abcd"], ["abc", "d"], 1, 4, 1),
        (["abcd", "ef"], ["ab", "cd", "ef"], 1, 4, 2),
        (["ab", "cd"], ["ac", "bd"], 2, 4, 3),  # both ids go to ac, and one of them ends
        (["a", "b", "c"], ["abc"], 3, 3, 2),
        (["ade", "bc"], ["abde", "c"], 2, 5, 1),  # c keeps the id, as b meets one with more records
    ],
)
def test_entities_that_differ_are_counted_and_ids_follow_as_at_night(
    tmp_path: Path,
    engine: DuckDBEngine,
    before: list[str],
    after: list[str],
    changed: int,
    records: int,
    moved: int,
) -> None:
    sides = [entities(tmp_path / str(i), engine, *of) for i, of in enumerate((before, after))]
    assert entity_moves(engine, *sides) == {
        "entities_changed": changed,
        "records_in_changed_entities": records,
        "ids_moved": moved,
    }


def test_figures_are_those_of_the_tables_that_are_there(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    lake = entities(tmp_path, engine, "ab", "c")
    for table, pairs in (("unified_pairs", "(0, 1), (1, 2)"), ("true_pairs", "(0, 1), (0, 2)")):
        with lake.writing(table, {"pairs": 2}) as draft:
            engine.write(f"select * from (values {pairs}) as t(left_no, right_no)", draft.file())
    assert side_figures(engine, lake) == {"pairs": 2, "entities": 2, "true_pairs_found": 0.5}


def test_people_see_both_sides() -> None:
    lines = "\n".join(
        comparison_lines(
            {
                "records": 1_000,
                "share": 0.1,
                "in_force": {"pairs": 1_200, "cpu_seconds": 3.25},
                "candidate": {
                    "pairs": 800,
                    "cpu_seconds": 2.0,
                    "recall": 0.9,
                    "recall_low": 0.85,
                    "recall_high": 0.95,
                },
                "moves": None,
            }
        )
    )
    assert "1,000 records, those of 10% of the entities" in lines
    assert "1,200" in lines
    assert "90.0% (85%-95%)" in lines
    assert "another id" not in lines
