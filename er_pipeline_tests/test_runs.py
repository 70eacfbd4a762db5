from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.runs import run, run_step, steps_for
from er_pipeline.blocking.tables.step import Step, plans_of
from er_pipeline.blocking.tables.table import RECORD_NO, Facts, Table
from er_pipeline.flow import flow
from er_pipeline_tests.small_spec import small_spec


def add_up(engine: Engine, lake: Lake, names: Sequence[str], reads: Sequence[str]) -> Facts:
    """Make one row that counts the rows below it: what is read, and itself."""
    for table in reads:
        lake.open(engine, table)
    below = "".join(f" + (select max(record_no) from {table})" for table in reads)
    for name in names:
        with lake.writing(name, {"of": list(reads)}) as draft:
            engine.write(f"select 1{below} as record_no", draft.file())
    return {"made": names[0]}


def step_of(names: Sequence[str], reads: Sequence[str] = ()) -> Step:
    tables = [Table(name, "Numbers.", [RECORD_NO], None) for name in names]
    return Step(tables, reads, None, partial(add_up, names=names, reads=reads), "numbers")


# records -> blocks -> pairs; truth stands beside them, and `cut` is made together with the blocks.
STEPS = [
    step_of(["records"]),
    step_of(["truth"], ["records"]),
    step_of(["blocks", "cut"], ["records"]),
    step_of(["pairs"], ["records", "blocks"]),
    step_of(["report"], ["pairs", "truth"]),
]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", "people", plans_of(STEPS))


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("records", ["records"]),
        ("cut", ["records", "blocks"]),
        ("pairs", ["records", "blocks", "pairs"]),
        ("report", ["records", "truth", "blocks", "pairs", "report"]),
    ],
)
def test_a_table_needs_the_steps_below_it_in_the_order_of_the_flow(
    table: str, names: list[str]
) -> None:
    assert [step.name for step in steps_for(STEPS, table)] == names
    assert [step.name for step in steps_for(STEPS[::-1], table)] == [
        step.name for step in STEPS[::-1] if step.name in names
    ]


def test_the_steps_of_every_table_of_a_real_flow_are_complete_and_no_more() -> None:
    steps = flow(small_spec(matching=True, embedding=True, truth={"path": "t.csv"}))
    for table in [table.name for step in steps for table in step.writes]:
        needed = steps_for(steps, table)
        made = {made.name for step in needed for made in step.writes}
        read = {name for step in needed for name in step.reads}
        assert table in {last.name for last in needed[-1].writes}
        assert read <= made
        assert all(read & {t.name for t in step.writes} for step in needed[:-1])


def test_a_table_that_no_step_makes_is_refused_with_the_names_of_those_there_are(
    lake: Lake,
) -> None:
    text = "no step makes 'pears'; the tables are records, truth, blocks, cut, pairs, report"
    with pytest.raises(KeyError, match=text):
        steps_for(STEPS, "pears")
    with pytest.raises(KeyError, match=text):
        list(run(STEPS, lake, until="pears"))
    assert lake.tables() == []


def test_a_run_makes_all_tables_and_gives_every_step_with_its_facts(lake: Lake) -> None:
    made = list(run(STEPS, lake, threads=1))
    assert made == [(step, {"made": step.name}) for step in STEPS]
    assert lake.tables() == ["blocks", "cut", "pairs", "records", "report", "truth"]
    with DuckDBEngine(threads=1) as engine:
        lake.open(engine, "report")
        # records 1; truth and blocks 2; pairs 1 + 1 + 2; report 1 + 4 + 2
        assert engine.rows("select record_no from report") == [(7,)]


def test_a_run_until_a_table_makes_only_what_it_needs(lake: Lake) -> None:
    made = [step.name for step, _ in run(STEPS, lake, until="pairs", threads=1)]
    assert made == ["records", "blocks", "pairs"]
    assert lake.tables() == ["blocks", "cut", "pairs", "records"]


def test_a_run_that_is_left_has_made_the_steps_that_it_gave(lake: Lake) -> None:
    for step, _ in run(STEPS, lake, threads=1):
        if step.name == "blocks":
            break
    assert lake.tables() == ["blocks", "cut", "records", "truth"]


def test_a_step_that_reads_what_it_does_not_declare_fails(lake: Lake) -> None:
    list(run(STEPS, lake, until="records", threads=1))
    reading = partial(add_up, names=["pairs"], reads=["records"])
    step = Step([Table("pairs", "Numbers.", [RECORD_NO], None)], [], None, reading, "numbers")
    with (
        DuckDBEngine(threads=1) as engine,
        pytest.raises(AssertionError, match="opens records, which it does not declare"),
    ):
        run_step(step, engine, lake)
    assert lake.tables() == ["records"]
