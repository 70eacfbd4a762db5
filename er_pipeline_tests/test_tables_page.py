import re

from er_pipeline.terminal.tables_page import columns_of_views, described_tables
from er_pipeline_tests.reference_sections import (
    as_in_the_page,
    blocks_of_strategies,
    section,
    steps,
)


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
