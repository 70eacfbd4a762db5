"""The reference pages: they are what the code says, and nothing of it is missing."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.values.key_functions import KEY_FUNCTIONS
from er_pipeline.flow import flow
from er_pipeline.terminal.checks_page import described_checks
from er_pipeline.terminal.docs import DOCS
from er_pipeline.terminal.keys_page import block_keys, example_of
from er_pipeline.terminal.list_items import WIDTH, list_item
from er_pipeline.terminal.reference import PAGES, main, reference_pages
from er_pipeline.terminal.settings_page import Setting, settings_rows
from er_pipeline.terminal.tables_page import columns_of_views, described_tables
from er_pipeline_tests.test_flow import DECLARED


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


def section(name: str, heading: str) -> str:
    """Return what stands below a heading of a page."""
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page(name), re.DOTALL | re.MULTILINE)
    return str(found)


def steps() -> Iterator[Step]:
    """Give the steps of other declarations than those that the pages are made from."""
    for settings in DECLARED.values():
        declared = {
            "dataset": "people",
            "sources": [{"path": "people.csv", "columns": {"last_name": "name", "city": "town"}}],
            **settings,
        }
        yield from flow(PipelineSpec.model_validate(declared))


def as_in_the_page(table: str, strategies: set[str]) -> str:
    return "blocks_STRATEGY" if table in strategies else table


def blocks_of_strategies() -> set[str]:
    """Name the tables that are named after a strategy."""
    return {step.name for step in steps() if step.name.startswith("blocks_")}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert page(name) == reference_pages()[name]


def test_pages_are_written_and_found_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    assert main([], tmp_path) == 0
    assert {file.stem for file in tmp_path.iterdir()} == set(PAGES)
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 0
    assert capsys.readouterr().out == ""
    (tmp_path / "keys.md").write_text("# Keys\n", "utf-8")
    assert main(["--check"], tmp_path) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path / 'keys.md'} is stale")
    assert (tmp_path / "keys.md").read_text("utf-8") == "# Keys\n"


def test_an_unknown_argument_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--chekc"], tmp_path) == 2
    assert "usage" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_setting_stands_in_the_page_once_with_its_meaning() -> None:
    items = re.findall(r"^- `([^`]+)`: .+?  \n  (.+?)(?=\n- |\n\n)", page("settings"), re.S | re.M)
    found = {place: " ".join(meaning.split()) for place, meaning in items}
    assert len(found) == len(items)
    assert found == {row.place: row.meaning for row in settings_rows()}
    assert {place.replace("[]", "").split(".")[0] for place in found} == set(
        PipelineSpec.model_fields
    )
    assert all(found.values())


def test_settings_show_their_kind_bounds_and_default() -> None:
    rows = {row.place: row for row in settings_rows()}
    assert rows["blocks.max_size"] == Setting(
        "blocks.max_size",
        "whole number or null",
        "`500`",
        (">= 2",),
        (),
        "Cap: largest block compared, in records; null for no cap.",
    )
    assert rows["mode"].choices == ("dedupe", "link", "link_and_dedupe")
    assert rows["learning.pin"].kind == "list of (key or list of keys)"
    assert rows["sources[].columns"].kind == "mapping of names to (text or null)"
    assert rows["comparisons.FIELD.thresholds"].bounds == ("length >= 1", "length <= 6")
    assert "`blocks.max_size`: whole number or null, >= 2, default `500`.  \n" in page("settings")


def test_every_table_stands_in_the_page_with_its_columns() -> None:
    strategies = blocks_of_strategies()
    per_key = {"key_codes", "blocks_train"}  # their other columns are named after the keys
    for step in steps():
        for table in step.writes:
            text = section("tables", as_in_the_page(table.name, strategies - per_key))
            described = described_tables()[as_in_the_page(table.name, strategies - per_key)]
            if table.name not in per_key:
                for column in table.columns:
                    assert column.name in described.columns
                    assert f"| `{column.name}` | {column.type}" in text
                    assert column.description.replace("|", "\\|") in text
            assert ("- Internal." in text) == table.is_internal
            assert (f"- View: `DATASET.{described.table.name}`" in text) == (table.view is not None)
            if table.numbered:
                assert f"| `{table.numbered.name}0, ...`" in text


def test_the_page_names_what_each_table_is_made_of() -> None:
    strategies = blocks_of_strategies() - {"blocks_train"}
    for step in steps():
        for table in step.writes:
            text = section("tables", as_in_the_page(table.name, strategies))
            (made_of,) = re.findall(r"^- Made of: (.+?)\.$", text, re.DOTALL | re.MULTILINE)
            named = set(" ".join(made_of.split()).split(", "))
            assert {as_in_the_page(read, strategies) for read in step.reads} <= named


def test_views_show_ids_instead_of_numbers() -> None:
    views = columns_of_views(described_tables().values())
    assert views["entities"] == ["record_id", "source", "entity_id"]
    assert views["true_pairs"] == ["left_id", "right_id", "left_source", "right_source"]
    assert "strategies" in views["unified_pairs"]


def test_every_check_stands_in_the_page_by_its_table() -> None:
    for step in steps():
        for check in step.checks:
            text = " ".join(section("checks", step.name).split())
            severity = "error, stops the run" if check.stops else "warning"
            assert f"- `{check.name}`: {severity}. {check.why}" in text
            for limit in check.limits:
                assert f"`{limit}`" in text
    assert "`fits_contract`" in section("checks", "Every table")


def test_limits_of_checks_are_settings_and_every_limit_is_named() -> None:
    checks = [check for by_name in described_checks().values() for check in by_name.values()]
    named = {limit for check in checks for limit in check.limits}
    places = {row.place for row in settings_rows()}
    assert named <= places
    assert {place for place in places if place.startswith("checks.")} <= named


@pytest.mark.parametrize("name", KEY_FUNCTIONS)
def test_every_key_function_stands_in_the_page_with_what_it_gives(name: str) -> None:
    function = KEY_FUNCTIONS[name]
    with DuckDBEngine(threads=1) as engine:
        keys = example_of(engine, function)
    result = function.example.result
    assert keys == ([result] if isinstance(result, str) else list(result))
    text = " ".join(section("keys", "Functions").split())
    assert f"- `{function.signature}`: {function.about} `{name}(" in text
    assert f" gives {', '.join(f'`{key}`' for key in keys)}." in text


def test_block_keys_of_a_conjunction_join_its_keys() -> None:
    with DuckDBEngine(threads=1) as engine:
        fields = {"last_name": "smith", "words": "b a"}
        assert block_keys(engine, ["left(last_name, 3)", "tokens(words)"], fields) == [
            "smia",
            "smib",
        ]


def test_list_items_are_narrow() -> None:
    text = list_item("word " * 40, "short")
    assert text.startswith("- word")
    assert text.endswith("  \n  short")
    assert max(map(len, text.splitlines())) <= WIDTH + len("  ")
    for name in ("settings", "checks", "keys"):
        lines = [line for line in page(name).splitlines() if line.startswith(("- ", "  "))]
        assert max(map(len, lines)) <= WIDTH + len("  ")
