import sys
from pathlib import Path

import pytest

from er_pipeline.blocking.tables import stamps
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.stamps import Plan, Stamp, code_version, digest, stale_tables

# records -> blocks -> pairs; truth stands beside them.
READS = {
    "records": (),
    "truth": ("records",),
    "blocks": ("records",),
    "pairs": ("records", "blocks"),
}


def plans(**settings: str) -> dict[str, Plan]:
    return {
        table: Plan(table, "code", settings.get(table, "as ever"), reads, table == "records")
        for table, reads in READS.items()
    }


def write(lake: Lake, table: str, content: str | None = None) -> None:
    """Write a table as its step would: what it reads is opened, then the table is written."""
    seen = lake.for_step(READS[table], [table])
    with DuckDBEngine(threads=1) as engine:
        for read in READS[table]:
            seen.open(engine, read)
        with seen.writing(table) as draft:
            engine.write("select 1 as record_no", draft.file())
            draft.content = content


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path, "people", plans())
    write(lake, "records", "anna")
    for table in ("truth", "blocks", "pairs"):
        write(lake, table)
    return lake


def under(lake: Lake, **settings: str) -> Lake:
    return Lake(lake.root, lake.dataset, plans(**settings))


def test_what_was_made_in_order_is_read(lake: Lake, engine: DuckDBEngine) -> None:
    for table in READS:
        lake.open(engine, table)
        assert engine.rows(f"select * from {table}") == [(1,)]


def test_a_table_under_other_settings_is_refused_and_so_is_what_hangs_on_it(lake: Lake) -> None:
    changed = under(lake, blocks="anew")
    for table in ("records", "truth"):
        changed.check(table)
    with pytest.raises(LakeError, match=r"^people/blocks was made under other settings .*people/b"):
        changed.check("blocks")
    with pytest.raises(
        LakeError, match=r"^people/pairs is made of people/blocks, which was made under other"
    ):
        changed.check("pairs")


def test_a_table_of_an_older_input_is_refused(lake: Lake) -> None:
    write(lake, "records", "berta")
    with pytest.raises(LakeError, match="people/blocks was made from an older records: mat"):
        lake.check("blocks")
    write(lake, "blocks")
    lake.check("blocks")
    with pytest.raises(LakeError, match="people/pairs was made from an older records"):
        lake.check("pairs")
    write(lake, "pairs")
    lake.check("pairs")


def test_an_input_made_again_alike_makes_nothing_stale(lake: Lake) -> None:
    write(lake, "records", "anna")
    write(lake, "blocks")
    for table in READS:
        lake.check(table)


def test_settings_put_back_make_the_old_tables_fit_again(lake: Lake) -> None:
    with pytest.raises(LakeError):
        under(lake, blocks="anew").check("blocks")
    under(lake).check("pairs")


def test_code_that_changed_makes_its_table_stale(lake: Lake) -> None:
    after = plans()
    after["pairs"] = Plan("pairs", "other code", "as ever", READS["pairs"], False)
    with pytest.raises(LakeError, match="people/pairs was made by another version"):
        Lake(lake.root, "people", after).check("pairs")


def test_a_table_without_a_stamp_is_refused(lake: Lake) -> None:
    (lake.path("blocks") / stamps.STAMP).unlink()
    with pytest.raises(LakeError, match=r"people/blocks was made by a version .* no stamp"):
        lake.check("blocks")


def test_an_input_that_is_gone_is_named(lake: Lake) -> None:
    (lake.folder / "blocks" / "latest").unlink()
    with pytest.raises(LakeError, match="people/blocks, which is not in the lake"):
        lake.check("pairs")


def test_nothing_is_written_from_what_is_stale(lake: Lake) -> None:
    write(lake, "records", "berta")
    with pytest.raises(LakeError, match="people/blocks was made from an older records"):
        write(lake, "pairs")


def test_a_step_goes_on_reading_what_it_has_opened(lake: Lake, engine: DuckDBEngine) -> None:
    seen = lake.for_step(READS["pairs"], ["pairs"])
    for read in READS["pairs"]:
        seen.open(engine, read)
    read_with = lake.stamp("records")
    write(lake, "records", "berta")  # another run
    assert seen.stamp("records") == read_with
    with seen.writing("pairs") as draft:
        engine.write("select 1 as record_no", draft.file())
    assert lake.path("pairs").exists()
    with pytest.raises(LakeError, match="people/blocks, which was made from an older records"):
        lake.check("pairs")


def test_a_step_opens_only_what_it_declares(lake: Lake, engine: DuckDBEngine) -> None:
    with pytest.raises(AssertionError, match="opens truth, which it does not declare"):
        lake.for_step(READS["blocks"], ["blocks"]).open(engine, "truth")


def test_stale_are_the_tables_of_a_changed_step_and_all_below_them() -> None:
    assert stale_tables(plans(), plans()) == set()
    assert stale_tables(plans(), plans(truth="anew")) == {"truth"}
    assert stale_tables(plans(), plans(blocks="anew")) == {"blocks", "pairs"}
    assert stale_tables(plans(), plans(records="anew")) == set(READS)
    fewer = {table: plan for table, plan in plans().items() if table != "truth"}
    assert stale_tables(plans(), fewer) == {"truth"}


def test_a_stamp_is_the_same_whatever_the_order_of_inputs() -> None:
    one = Stamp("c", "s", {"a": "1", "b": "2"})
    other = Stamp("c", "s", {"b": "2", "a": "1"})
    assert one.value == other.value
    assert len({one.value, Stamp("c", "s", {"a": "1", "b": "3"}).value}) == 2
    assert len({one.value, Stamp("c", "s", {"a": "1", "b": "2"}, "content").value}) == 2


def test_what_is_no_setting_has_no_digest() -> None:
    with pytest.raises(TypeError, match="object is no setting"):
        digest([object()])


def test_the_version_of_code_changes_with_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "made_up_package"
    (package / "room").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "room/__init__.py": "",
        "room/step.py": "from made_up_package.room import (\n    inner,\n)\n\nX = inner",
        "room/inner.py": "def call():\n    from made_up_package.room.late import Y\n",
        "room/late.py": "Y = 1",
        "room/apart.py": "Z = 1",
    }.items():
        (package / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(stamps, "IMPORTED", stamps.imports_of("made_up_package"))

    def version() -> str:
        stamps.code_version.cache_clear()
        stamps.source_of.cache_clear()
        return code_version("made_up_package.room.step")

    before = version()
    (package / "room/apart.py").write_text("Z = 2")
    assert version() == before
    (package / "room/late.py").write_text("Y = 2")
    assert version() != before
    for name in [name for name in sys.modules if name.startswith("made_up_package")]:
        del sys.modules[name]
    stamps.code_version.cache_clear()
    stamps.source_of.cache_clear()
