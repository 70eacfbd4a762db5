from collections.abc import Mapping
from itertools import combinations

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching import weakest_links as links
from er_pipeline.matching.weakest_links import Link, link_text, weakest_links
from er_pipeline_tests.test_entities import spec_with

Scores = Mapping[tuple[int, int], float]


def found(scores: Scores, entity_no: int = 0, apart: int = 100) -> list[Link]:
    """Give the links of one entity; records from `apart` on are another one's."""
    with DuckDBEngine(threads=2) as engine:
        engine.execute(
            "create table m (left_no integer, right_no integer, match_probability double)"
        )
        for (left, right), probability in scores.items():
            engine.execute("insert into m values (?, ?, ?)", [left, right, probability])
        engine.make_table(
            "e",
            f"select range::integer as record_no, if(range < {apart}, 0, {apart}) as entity_no"
            " from range(200)",
        )
        engine.make_table(
            "cleaned_records", "select record_no, 'r' || record_no as record_id from e"
        )
        return weakest_links(engine, spec_with(), "m", "e", entity_no)


def shown(scores: Scores, **of: int) -> list[tuple[str, str, float, int, int]]:
    return [
        (
            link["left"],
            link["right"],
            link["match_probability"],
            link["records_left"],
            link["records_right"],
        )
        for link in found(scores, **of)
    ]


def test_a_weak_match_beside_a_sure_way_is_no_link() -> None:
    scores = {(0, 1): 0.99, (1, 2): 0.97, (0, 2): 0.91}
    assert shown(scores) == [("r1", "r2", 0.97, 2, 1), ("r0", "r1", 0.99, 1, 2)]


def test_only_the_matches_of_the_entity_count() -> None:
    scores = {(0, 1): 0.99, (100, 101): 0.95, (101, 102): 0.96}
    assert shown(scores, entity_no=100) == [
        ("r100", "r101", 0.95, 1, 2),
        ("r101", "r102", 0.96, 2, 1),
    ]


def test_a_chain_shows_its_few_weakest_links() -> None:
    chain = {(no, no + 1): 0.9 + no / 1000 for no in range(20)}
    assert shown(chain) == [
        (f"r{no}", f"r{no + 1}", 0.9 + no / 1000, no + 1, 20 - no) for no in range(5)
    ]


def test_equal_matches_give_the_same_links_in_any_order() -> None:
    pairs = list(combinations(range(6), 2))
    forward = shown(dict.fromkeys(pairs, 1.0))
    assert forward == shown(dict.fromkeys(reversed(pairs), 1.0))
    assert [(left, right) for left, right, *_ in forward] == [
        ("r0", f"r{no}") for no in (5, 4, 3, 2, 1)
    ]


def test_an_entity_of_too_many_matches_is_not_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {(0, 1): 0.99, (1, 2): 0.97}
    monkeypatch.setattr(links, "MOST_MATCHES", 2)
    assert len(found(scores)) == 2
    monkeypatch.setattr(links, "MOST_MATCHES", 1)
    assert found(scores) == []
    assert found({(0, 1): 0.99}, entity_no=100) == []


def test_a_link_reads_as_a_sentence() -> None:
    (link,) = found({(0, 1): 0.95})
    assert link_text(link) == "r0 and r1 (0.95, joins 1 and 1 records)"
