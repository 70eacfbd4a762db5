from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.evaluation.page.page_parts import HIDDEN, name_pairs, percent
from er_pipeline_tests.page_runs import HandMadeRun


def test_values_are_shown_on_one_line_and_cut(tmp_path: Path, engine: DuckDBEngine) -> None:
    page = HandMadeRun(tmp_path, engine).page()
    assert page.value("a\n b") == "a b"
    assert page.value("x" * 100) == "x" * 60 + "…"
    assert page.value(None) == ""


def test_no_value_is_shown_where_none_may_be(tmp_path: Path, engine: DuckDBEngine) -> None:
    page = HandMadeRun(tmp_path, engine, report={"record_values": False}).page()
    assert page.value("ann") == HIDDEN
    found = page.message("email is 'ann@x.org' and \"o'hara\"; the records' cap is 3")
    assert found == f"email is '{HIDDEN}' and '{HIDDEN}'; the records' cap is 3"


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100.0%"), (0.9999, "under 100.0%"), (0.5, "50.0%"), (0.0, "0.0%")]
)
def test_what_is_not_all_is_not_rounded_to_it(share: float, text: str) -> None:
    assert percent(share) == text


def test_one_is_one() -> None:
    assert (count_of(1, "entity", "entities"), count_of(2_000, "pair")) == (
        "1 entity",
        "2,000 pairs",
    )


def test_pairs_get_the_ids_of_their_records(tmp_path: Path, engine: DuckDBEngine) -> None:
    run = HandMadeRun(tmp_path, engine)
    run.records(["ann", "bob"])
    run.page().open("cleaned_records")
    engine.make_table("some_pairs", "select 0 as left_no, 1 as right_no, 'why' as cause")
    named = name_pairs(engine, "some_pairs")
    found = engine.rows(f"select cause, left_id, right_id from ({named})")
    assert found == [("why", "r0", "r1")]
