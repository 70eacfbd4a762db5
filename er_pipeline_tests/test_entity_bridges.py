from pathlib import Path

from er_pipeline_tests.linked_nights import LinkedNights, said, sure

BRIDGES = """
    select bridge_no, l.record_id || '-' || r.record_id, records_left, records_right
    from entity_bridges as b join cleaned_records as l on l.record_no = b.left_no
    join cleaned_records as r on r.record_no = b.right_no order by 1
"""
TRIANGLES = sure("a-b", "b-c", "a-c", "d-e", "e-f", "d-f")


def test_a_link_that_alone_joins_two_groups_is_a_bridge(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c d e f", {**TRIANGLES, ("c", "d"): 0.93})
    assert nights.rows(BRIDGES) == [(0, "c-d", 3, 3)]


def test_bridges_stand_the_weakest_first(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c d e f", {**sure("a-b", "c-d", "e-f"), ("b", "c"): 0.95, ("d", "e"): 0.91})
    # The links at the ends of the chain join one record each.
    assert nights.rows(BRIDGES) == [(0, "d-e", 4, 2), (1, "b-c", 2, 4), (2, "c-d", 3, 3)]


def test_a_circle_has_no_bridge_nor_has_what_people_call_a_match(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c d", sure("a-b", "b-c", "c-d", "a-d"))
    assert nights.rows(BRIDGES) == []
    nights.night("a b c d e f", {**TRIANGLES, ("c", "d"): 0.93}, said("match", "c-d"))
    assert nights.rows(BRIDGES) == []


def test_in_three_records_nothing_is_a_bridge(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c", sure("a-b", "b-c"))
    assert nights.rows(BRIDGES) == []
