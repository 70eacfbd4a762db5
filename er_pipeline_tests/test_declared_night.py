from pathlib import Path
from typing import Any

from er_pipeline.blocking.changes.declared_night import (
    counterpart,
    declared_night,
    is_known,
    of_kind,
    tables_compared,
)
from er_pipeline_tests.nights import Nights
from er_pipeline_tests.test_change_causes import ROWS, SETTINGS, people

LISTED = {"tokens": "qgrams(last, 2)", "name": "last", "town": "city"}


def night(folder: Path, **settings: Any) -> Any:
    nights = Nights(folder, {**SETTINGS, **settings})
    return declared_night(nights.spec, nights.night(people(*ROWS), until="pair_changes"))


def test_routes_of_codes_come_before_those_of_lists_and_neighbours(tmp_path: Path) -> None:
    declared = night(tmp_path, strategies=LISTED, embedding={"k": 1})
    routes = [(r["name"], r["kind"], r["bit"]) for r in declared["routes"]]
    assert routes == [
        ("name", "code", 1),
        ("town", "code", 2),
        ("tokens", "list", 0),
        ("embedding", "neighbours", 3),
    ]
    assert [place for place, _ in of_kind(declared, "list")] == [2]
    assert "embedding_blocks" in declared["tables"]


def test_a_route_is_known_by_what_it_computes_and_found_by_its_name_too(tmp_path: Path) -> None:
    first = night(tmp_path / "a")
    second = night(tmp_path / "b", strategies={"town": "left(city, 2)", "surname": "last"})
    name, town = first["routes"]
    assert (counterpart(name, second), is_known(name, second)) == (1, True)
    assert (counterpart(town, second), is_known(town, second)) == (0, False)
    gone = night(tmp_path / "c", strategies={"letter": "left(last, 1)"})
    assert (counterpart(town, gone), is_known(town, gone)) == (None, False)


def test_what_is_compared_are_the_tables_that_make_pairs(tmp_path: Path) -> None:
    spec = Nights(tmp_path, {**SETTINGS, "labels": {}, "second_pass": {"embedding": True}}).spec
    assert tables_compared(spec)[-2:] == ["labels", "second_pass_pairs"]
