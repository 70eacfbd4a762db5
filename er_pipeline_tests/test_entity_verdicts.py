from pathlib import Path

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.matching.entity_verdicts import checks_of, judge_entities
from er_pipeline_tests.linked_nights import LinkedNights, said, sure

LABELS = {"labels": {"path": "labels.jsonl"}}


def verdicts(nights: LinkedNights) -> dict[str, Verdict]:
    with DuckDBEngine(threads=1) as engine:
        found = judge_entities(engine, nights.lake, nights.spec, nights.facts)
        return {verdict.check: verdict for verdict in found}


def test_every_check_has_a_verdict_and_none_is_on_answers_without_labels(tmp_path: Path) -> None:
    for settings in ({}, LABELS):
        nights = LinkedNights(tmp_path / str(len(settings)), **settings)
        nights.night("a b", sure("a-b"), {} if settings else None)
        found = verdicts(nights)
        assert {*found} == {check.name for check in checks_of(nights.spec)}
        assert all(verdict.passed for verdict in found.values())
    assert {*found} >= {"no_answer_is_overruled", "answers_agree"}


def spoil(nights: LinkedNights, query: str) -> None:
    facts = dict(nights.facts)
    with DuckDBEngine(threads=1) as engine:
        engine.read_folder(nights.lake.path("entities"), "entities")
        with nights.lake.writing("entities", facts) as draft:
            engine.write(query, draft.file())


def test_an_id_of_two_entities_and_one_that_is_retired_are_found(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b", {})
    spoil(nights, "select record_no, entity_no, 1::bigint as entity_id from entities")
    assert not verdicts(nights)["every_id_is_of_one_entity"].passed
    nights.night("a b", sure("a-b"))
    assert verdicts(nights)["every_id_is_of_one_entity"].passed
    spoil(nights, "select record_no, entity_no, 2::bigint as entity_id from entities")
    found = verdicts(nights)["every_id_is_of_one_entity"]
    assert (found.passed, found.numbers["retired_ids_in_use"]) == (False, 1)


def test_an_answer_that_is_overruled_is_found(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path, **LABELS)
    nights.night("a b", {}, said("no_match", "a-b"))
    spoil(nights, "select record_no, 0 as entity_no, 1::bigint as entity_id from entities")
    found = verdicts(nights)["no_answer_is_overruled"]
    assert (found.passed, found.severity, found.numbers) == (False, "error", {"overruled": 1})
