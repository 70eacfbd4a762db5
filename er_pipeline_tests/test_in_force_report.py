"""What is said of what is in force; the words of a whole night are in test_learn_commands."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.records.learned_from import learned_from
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.stamps import Plan
from er_pipeline.evaluation.in_force_report import (
    in_force_lines,
    judge_in_force,
    learned_tables,
)
from er_pipeline_tests.small_spec import small_spec

MATCHED = {"matching": {}, "weights": False}


def plan(settings: str = "as ever", code: str = "code", stays: bool | None = True) -> Plan:
    return Plan("em_model", code, settings, (), is_from_outside=False, stays_in_force=stays)


def learn(lake: Lake, **facts: Any) -> str:
    with lake.writing("em_model", facts) as draft, DuckDBEngine(threads=1) as engine:
        engine.write("select 1 as one", draft.file())
    return lake.version("em_model")


def publish(lake: Lake, *versions: str) -> None:
    """Note that these versions of the model were shown, one after the other."""
    shown = [{"em_model": version} for version in versions]
    before = [{"at": "20", "until": "20", "tables": one, "reads": {}} for one in shown[:-1]]
    note = {"at": "99", "tables": shown[-1], "previous": (shown[-2:-1] or [{}])[0]}
    (lake.folder / "published.json").write_text(json.dumps({**note, "before": before}), "utf-8")


def said(lake: Lake, **later: int) -> str:
    return "\n".join(in_force_lines(lake, datetime.now(UTC) + timedelta(**later)))


FROM = {"learned_from": {"records": 1_200, "filled": {}}}


def test_what_is_in_force_is_as_old_as_it_is(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "people", {"em_model": plan()})
    version = learn(lake, **FROM)
    publish(lake, version, version)
    day = f"{version[:4]}-{version[4:6]}-{version[6:8]}"
    assert said(lake).split() == (
        f"Learned: the model of {day}, from 1,200 records; in force since today".split()
    )
    assert said(lake, days=1, hours=1).endswith("in force for 1 day")
    assert said(lake, days=8, hours=1).endswith("in force for 8 days")


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (plan("others"), "learned anew in this run, as settings changed"),
        (plan(code="other"), "learned anew in this run, as er_pipeline changed"),
        (plan(), "learned anew in this run, as what it was learned with changed"),
    ],
)
def test_why_it_is_another_one_is_said(tmp_path: Path, now: Plan, why: str) -> None:
    before = learn(Lake(tmp_path, "people", {"em_model": plan()}), **FROM)
    lake = Lake(tmp_path, "people", {"em_model": now})
    publish(lake, before)
    publish(lake, before, learn(lake, **FROM))
    assert said(lake).endswith(why)


def test_nothing_is_said_of_what_is_not_learned_or_does_not_stay(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "people", {"em_model": plan()})
    assert said(lake) == ""
    learn(lake, unusable="too few")
    assert said(lake) == ""
    assert said(Lake(tmp_path, "people", {"em_model": plan(stays=False)})) == ""
    assert learned_tables(small_spec(**MATCHED)) == ["em_model"]
    learning = {"promote": "always", "rules": False}
    assert learned_tables(small_spec(**MATCHED, learning=learning)) == []


@pytest.mark.parametrize(("n", "passed"), [(10, True), (30, False)])
def test_records_that_are_no_longer_like_those_that_was_learned_from_warn(
    tmp_path: Path, engine: DuckDBEngine, n: int, passed: bool
) -> None:
    lake, spec = Lake(tmp_path, "people"), small_spec(**MATCHED)
    columns = ", ".join(f"'a' as {name}" for name in spec.field_kinds)
    with lake.writing("cleaned_records") as draft:
        engine.write(f"select {columns} from range({n})", draft.file())
    learn(lake, learned_from={"records": 10, "filled": dict.fromkeys(spec.field_kinds, 1.0)})
    (verdict,) = judge_in_force(engine, lake, spec)
    assert verdict.passed == passed
    assert verdict.severity == "warn"
    if not passed:
        assert "30 records, 10 when it was learned (the model)" in verdict.text
        assert verdict.text.endswith("er-pipeline learn.")


@pytest.mark.parametrize(("moved", "passed"), [(0, True), (10, True), (80, False)])
def test_values_that_are_new_since_it_was_learned_warn(
    tmp_path: Path, engine: DuckDBEngine, moved: int, passed: bool
) -> None:
    lake, spec = Lake(tmp_path, "people"), small_spec(**MATCHED)
    columns = ", ".join(f"'a' || v as {name}" for name in spec.field_kinds)
    engine.make_table("cleaned_records", f"select {columns} from range(100) as t(v)")
    learn(lake, learned_from=learned_from(engine, spec.field_kinds))
    with lake.writing("cleaned_records") as draft:
        now = f"select {columns} from range({moved}, {100 + moved}) as t(v)"
        engine.write(now, draft.file())
    engine.execute("drop table cleaned_records")
    (verdict,) = judge_in_force(engine, lake, spec)
    assert verdict.passed == passed
    share = verdict.numbers["largest_share_of_new_values"]
    assert share == pytest.approx(moved / 100, abs=0.1)
    if not passed:
        assert "are new since it was learned (the model)" in verdict.text
