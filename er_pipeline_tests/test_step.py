from collections.abc import Sequence
from functools import partial
from typing import Any

from er_pipeline.blocking.tables import step as step_module
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.stamps import code_version
from er_pipeline.blocking.tables.step import Step, plans_of
from er_pipeline.blocking.tables.table import RECORD_NO, Facts, Table

PAIRS = Table("pairs", "Pairs.", [RECORD_NO], None)
CUT = Table("cut_pairs", "Pairs that were cut.", [RECORD_NO], None)
CODES = Table("codes", "Codes.", [RECORD_NO], None, is_internal=True)


def count_pairs(engine: Engine, lake: Lake, most: int = 0) -> Facts:
    return {"pairs": most, "largest": "a", "is_cut": True}


def step_of(
    *writes: Table, reads: Sequence[str] = (), settings: Any = None, run: Any = count_pairs
) -> Step:
    return Step(writes, reads, settings, run, "pairs")


def test_a_step_is_named_after_its_main_table_and_shows_what_is_not_internal() -> None:
    step = step_of(PAIRS, CODES, CUT)
    assert step.name == "pairs"
    assert step.assets == [PAIRS, CUT]


def test_a_step_of_its_own_accord_judges_nothing_counts_nothing_and_shows_its_numbers(
    tmp_path_factory: Any,
) -> None:
    step = step_of(PAIRS)
    lake = Lake(tmp_path_factory.mktemp("lake"), "people")
    with DuckDBEngine(threads=1) as engine:
        assert list(step.judge(engine, lake)) == []
        assert step.show(step.run(engine, lake)) == {"pairs": 0}
    assert step.count is None
    assert step.checks == ()
    assert step.lineage == {}


def test_the_code_of_a_step_is_found_within_a_partial() -> None:
    assert step_of(PAIRS).code is count_pairs
    assert step_of(PAIRS, run=partial(count_pairs, most=3)).code is count_pairs


def test_every_table_of_a_step_has_a_plan_of_the_same_code_and_inputs() -> None:
    plans = plans_of([step_of(CODES), step_of(PAIRS, CUT, reads=["codes"])])
    assert list(plans) == ["codes", "pairs", "cut_pairs"]
    assert [plan.step for plan in plans.values()] == ["codes", "pairs", "pairs"]
    assert plans["pairs"].reads == plans["cut_pairs"].reads == ("codes",)
    assert {plan.code for plan in plans.values()} == {code_version(__name__)}
    assert plans["pairs"].code != code_version(step_module.__name__)


def test_settings_of_a_step_shape_all_its_tables_and_the_shape_of_a_table_only_that_one() -> None:
    def digests(settings: Any, shape: Any) -> dict[str, str]:
        shaped = Table("cut_pairs", "Pairs that were cut.", [RECORD_NO], None, shape=shape)
        plans = plans_of([step_of(PAIRS, shaped, settings=settings)])
        return {name: plan.settings for name, plan in plans.items()}

    before = digests({"max_pairs": 5}, "by size")
    assert before == digests({"max_pairs": 5}, "by size")
    anew = digests({"max_pairs": 6}, "by size")
    assert anew["pairs"] != before["pairs"]
    assert anew["cut_pairs"] != before["cut_pairs"]
    shaped = digests({"max_pairs": 5}, "by key")
    assert shaped["pairs"] == before["pairs"]
    assert shaped["cut_pairs"] != before["cut_pairs"]


def test_a_table_from_outside_says_so_in_its_plan() -> None:
    records = Table("records", "Records.", [RECORD_NO], None, is_from_outside=True)
    plans = plans_of([step_of(records), step_of(PAIRS, reads=["records"])])
    assert {name: plan.is_from_outside for name, plan in plans.items()} == {
        "records": True,
        "pairs": False,
    }
