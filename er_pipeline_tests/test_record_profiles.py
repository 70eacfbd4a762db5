from pathlib import Path

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.page.record_profiles import coverage_section, profiles_section
from er_pipeline_tests.page_runs import HandMadeRun, chart, listing

NAMES = [f"name{i}" for i in range(30)]


def test_fields_are_counted_by_source(tmp_path: Path, engine: DuckDBEngine) -> None:
    run = HandMadeRun(tmp_path, engine)
    run.records(["ann", None, "bob", "cy"])
    section = coverage_section(run.page(run={}))
    (cell,) = chart(section, "Fields with a value")["data"]["values"]
    assert (cell["field"], cell["filled"], cell["shown"]) == ("name", 0.75, "75.0%")
    assert section.answer == "The sources have 4 records."


def test_a_value_that_stands_out_may_be_a_placeholder(tmp_path: Path, engine: DuckDBEngine) -> None:
    run = HandMadeRun(tmp_path, engine)
    run.records([*NAMES, *["nobody"] * 20])
    section = profiles_section(run.page())
    ((of, finding, _),) = listing(section, "Odd fields and keys")
    assert of == "field name"
    assert finding == "perhaps a placeholder: nobody stands in 20 records"


def test_near_constant_near_unique_and_empty_fields_are_named(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    odd: list[list[str | None]] = [[*["x"] * 9, "y"], [*NAMES], ["x", *[None] * 19]]
    findings = []
    for n, names in enumerate(odd):
        run = HandMadeRun(tmp_path / str(n), engine)
        run.records(names)
        rows = listing(profiles_section(run.page()), "Odd fields and keys")
        findings.append([finding.partition(":")[0] for _, finding, _ in rows])
    assert findings == [["near-constant"], ["near-unique"], ["hardly filled"]]


def test_ordinary_fields_are_left_alone_and_no_value_is_shown_that_may_not_be(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    run = HandMadeRun(tmp_path, engine, report={"record_values": False})
    run.records([f"name{i // 2}" for i in range(40)])
    section = profiles_section(run.page())
    assert section.answer.startswith("None: ")
    assert "name1" not in str(section)
    assert listing(section, "Fields and their commonest values")[0][2:4] == ("40", "20")
