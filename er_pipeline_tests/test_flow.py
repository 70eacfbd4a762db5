"""The flow: what steps declare is what they do, whatever the spec asks for."""

from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.contract import judge_contract
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.step import plans_of
from er_pipeline.flow import flow, open_lake
from er_pipeline_tests.conftest import made_up_people, write_csv

# Everything a spec can ask for, spread over declarations that are valid together.
DECLARED: dict[str, dict[str, Any]] = {
    "plain": {"weights": False},
    "everything": {
        "learning": {"sample": 300},
        "embedding": True,
        "second_pass": {"strategies": {"city": "city"}, "embedding": True},
        "budget": {"pairs_per_record": 5},
        "blocks": {"max_size": 20, "oversized": "refine"},
        "labels": {},
        "matching": {"recall": {"records": 50}},
        "truth": {"cluster_column": "person_id"},
    },
    "auto without a model": {
        "strategies": "auto",
        "learning": {"sample": 300},
        "second_pass": {"strategies": {"city": "city"}},
        "truth": {"cluster_column": "person_id"},
        "labels": {},
    },
    "matching in one pass": {
        "matching": {"recall": {"records": 50}, "teaches_blocking": False},
        "truth": {"cluster_column": "person_id"},
        "embedding": True,
    },
    "neighbours alone": {"strategies": {}, "embedding": True},
}


def spec_of(folder: Path, settings: dict[str, Any]) -> PipelineSpec:
    rows = made_up_people(folder, 400)
    write_csv(folder / "people.csv", rows)
    fields = [name for name in rows[0] if name not in ("id", "person_id")]
    declared = {
        "dataset": "people",
        "sources": [{"path": "people.csv", "columns": {name: name for name in fields}}],
        "checks": {"max_pairs": 10**9},
        **settings,
    }
    return PipelineSpec.model_validate(declared).located_in(folder)


@pytest.mark.parametrize("declared", DECLARED)
def test_a_step_reads_what_it_declares_writes_what_it_declares_and_keeps_its_contracts(
    tmp_path: Path, declared: str
) -> None:
    spec = spec_of(tmp_path, DECLARED[declared])
    lake = open_lake(tmp_path / "lake", spec)
    for step in flow(spec):
        written = [table.name for table in step.writes]
        seen = lake.for_step(step.reads, written)
        with DuckDBEngine(threads=2) as engine:
            step.run(engine, seen)
        unread = set(step.reads) - seen.opened
        assert not unread, f"{step.name} declares {unread} and reads nothing of it"
        for table in written:
            lake.check(table)
        with DuckDBEngine(threads=2) as engine:
            assert judge_contract(engine, lake, step.writes).passed
            verdicts = [verdict.check for verdict in step.judge(engine, lake)]
            for table_declared in step.writes:
                if table_declared.view:  # binds: its columns and tables are there
                    relations = {
                        name: f"read_parquet('{lake.path(name)}/*.parquet')"
                        for name in lake.tables()
                    }
                    engine.rows(f"select * from ({table_declared.view(relations)}) limit 1")
        assert verdicts == [check.name for check in step.checks]
        shown = step.show(lake.facts(step.name))
        assert shown


@pytest.mark.parametrize("declared", DECLARED)
def test_every_step_comes_after_what_it_reads(tmp_path: Path, declared: str) -> None:
    made: set[str] = set()
    for step in flow(spec_of(tmp_path, DECLARED[declared])):
        assert set(step.reads) <= made
        assert made.isdisjoint(table.name for table in step.writes)
        made |= {table.name for table in step.writes}


def test_a_plan_follows_from_the_spec_alone(tmp_path: Path) -> None:
    one = plans_of(flow(spec_of(tmp_path, DECLARED["everything"])))
    other = plans_of(flow(spec_of(tmp_path, DECLARED["everything"])))
    assert one == other
