from pathlib import Path

from er_pipeline_tests.nights import Nights
from er_pipeline_tests.rebuilt_nights import Person

ONE = {
    "sources": [{"path": "0.csv", "record_id": "id"}],
    "fields": {"name": "text"},
    "strategies": {"name": "name"},
    "truth": {"cluster_column": "who"},
}


def clusters(nights: Nights, *who: str) -> list[tuple[object, ...]]:
    rows: list[Person] = [{"id": f"{i}", "name": "ann", "who": one} for i, one in enumerate(who)]
    nights.night(rows, until="true_pairs")
    return nights.rows("true_clusters")


def test_marks_of_no_value_name_no_entity_on_any_night(tmp_path: Path) -> None:
    nights = Nights(tmp_path, ONE)
    assert clusters(nights, "P1", " P1", "NaN", "") == [(0, "P1"), (1, "P1")]
    assert clusters(nights, "P1 ", "P1", "NULL", "P2", "P2") == [
        (0, "P1"),
        (1, "P1"),
        (3, "P2"),
        (4, "P2"),
    ]
