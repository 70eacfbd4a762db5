import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.moments import moment
from er_pipeline.blocking.tables.standing import Standing
from er_pipeline.evaluation.page.block_sections import blocks_section
from er_pipeline.evaluation.page.page_parts import RunOnPage, Section
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.page_runs import HandMadeRun, chart, listing

Make = Callable[..., Dataset]
TABLES = ["cleaned_records", "filtered_blocks", "dropped_blocks"]


def people(*names: str) -> Rows:
    return [{"id": str(i), "name": name} for i, name in enumerate(names)]


def section_of(made: Dataset, engine: DuckDBEngine) -> Section:
    made.filter()
    return blocks_section(RunOnPage(engine, made.lake, made.spec, Standing(good=TABLES), {}))


def test_the_largest_blocks_stand_first_with_values_and_what_became_of_them(
    dataset: Make, engine: DuckDBEngine
) -> None:
    made = dataset(
        people("anna", "anne", "bob", "bob", "cy", "cyd", "cyra", "cyrus"),
        strategies={"start": "left(name, 2)"},
        blocks={"max_size": 3},
    )
    section = section_of(made, engine)
    assert section.answer == "2 blocks are compared, the largest of 2 records; the cap is 3."
    assert listing(section, "The largest blocks") == [
        ("start", "cy", "4", "6", "no: over the cap", ""),
        ("start", "an", "2", "1", "yes", "anna; anne"),
        ("start", "bo", "2", "1", "yes", "bob"),
    ]
    drawn = chart(section, "Pairs by size of block")["data"]["values"]
    assert {row["size"]: row["pairs"] for row in drawn} == {"2-10": 2, "over the cap": 6}


def test_pairs_within_a_source_do_not_count_where_sources_are_linked(
    dataset: Make, engine: DuckDBEngine
) -> None:
    made = dataset(people("ann", "ann"), people("ann"), strategies={"name": "name"})
    assert listing(section_of(made, engine), "The largest blocks")[0][:4] == (
        "name",
        "ann",
        "3",
        "2",
    )


def test_no_value_stands_there_if_none_may(dataset: Make, engine: DuckDBEngine) -> None:
    made = dataset(
        people("anna", "anna"), strategies={"name": "name"}, report={"record_values": False}
    )
    assert "anna" not in str(section_of(made, engine))


def test_blocks_that_grow_pass_the_cap_in_so_many_nights(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    run = HandMadeRun(tmp_path, engine, blocks={"max_size": 20})
    run.records(["ann"] * 16)
    counts = {"kept_blocks": 1, "largest_block": 16, "pairs": 120, "size_classes": {}}
    facts = {"strategies": {"name": counts}, "records": 16}
    blocks = (
        "select 'name' as strategy, 'ann' as block_key, {0}::bigint as block_size,"
        " n::integer as record_no, 0 as block_no from range({0}) as r(n)"
    )
    run.write("filtered_blocks", blocks.format(12), facts)
    earlier = moment(datetime.now(UTC) - timedelta(days=4)) + "-ab"
    (run.lake.path("filtered_blocks")).rename(run.lake.folder / "filtered_blocks" / earlier)
    run.write("filtered_blocks", blocks.format(16), facts)
    run.write(
        "dropped_blocks",
        "select 'name' as strategy, 'x' as block_key, 1 as block_size, 0 as pairs,"
        " 'below_min_size' as reason",
    )
    shown = {"at": "1", "until": "2", "tables": {"filtered_blocks": earlier}, "reads": {}}
    note = {"at": "3", "tables": {}, "previous": {}, "before": [shown]}
    (run.lake.folder / "published.json").write_text(json.dumps(note))
    # A record a night, of 16 now: 17, 18, 19, 20, and over the cap of 20 in the fifth night.
    assert listing(blocks_section(run.page()), "Blocks that will pass the cap") == [
        ("name", "ann", "16", "12", "4", "5")
    ]
