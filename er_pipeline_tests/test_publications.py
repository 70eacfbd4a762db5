"""Publications: what is shown moves in one step, and no version goes that someone may read."""

import json
import logging
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.files import made_folder
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import moment
from er_pipeline.blocking.tables.publications import (
    PUBLISHED,
    Publication,
    Published,
    Retention,
    clear_leftovers,
    forget_gone,
    named_versions,
    new_note,
    prune,
    read_published,
)
from er_pipeline.blocking.tables.shown_links import version_shown
from er_pipeline_tests.test_lake import text_of, versions, write

NUMBER_ALONE = Retention(days=0, versions=2)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", "people")


def publish(
    lake: Lake,
    tables: Mapping[str, str],
    retention: Retention = NUMBER_ALONE,
    shown: Mapping[str, str] | None = None,
    reads: Mapping[str, Mapping[str, str]] | None = None,
    kept: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Publish versions as the catalog does, and clean; shown: what the catalog in place names."""
    note = new_note(tables, {}, reads or {}, {}, kept)
    publication = Publication(lake.folder, note, retention, shown or {})
    publication.prepare()
    publication.commit()
    publication.clean(" ".join(tables.values()))


def test_publishing_keeps_what_is_shown_and_was_shown_and_drops_older_versions(
    lake: Lake,
) -> None:
    names = []
    for text in ("1", "2", "3"):
        names.append(write(lake, "pairs", text))
        publish(lake, {"pairs": names[-1]})
    assert lake.published()["tables"] == {"pairs": names[2]}
    assert lake.published()["previous"] == {"pairs": names[1]}
    # The first one was shown two runs ago: nobody has it open any more.
    assert versions(lake, "pairs") == set(names[1:])
    names.append(write(lake, "pairs", "4"))
    publish(lake, {"pairs": names[3]})
    assert versions(lake, "pairs") == set(names[2:])


def test_publishing_keeps_a_version_that_a_newer_run_wrote_meanwhile(lake: Lake) -> None:
    write(lake, "pairs", "1")
    publish(lake, {"pairs": lake.version("pairs")})
    shown = write(lake, "pairs", "2")
    between = write(lake, "pairs", "3")
    newest = write(lake, "pairs", "4")
    publish(lake, {"pairs": shown})
    assert {shown, between, newest} <= versions(lake, "pairs")
    assert text_of(lake, "pairs") == "4"
    assert text_of(lake, "pairs", shown) == "2"


def test_what_a_killed_run_left_goes_with_a_later_publication(lake: Lake) -> None:
    first = write(lake, "pairs", "1")
    killed = lake.folder / "pairs" / "20200101T000000.000000-abcdef.tmp"
    killed.mkdir()
    (killed / "part-0.parquet").write_text("half")
    assert text_of(lake, "pairs") == "1"
    publish(lake, {"pairs": first})
    second = write(lake, "pairs", "2")
    publish(lake, {"pairs": second})
    assert versions(lake, "pairs") == {first, second}


def test_a_draft_being_written_survives_a_publication(lake: Lake) -> None:
    publish(lake, {"pairs": write(lake, "pairs", "1")})
    with lake.writing("pairs") as draft:
        draft.file().write_text("2")
        publish(lake, {"pairs": lake.version("pairs")})
    assert text_of(lake, "pairs") == "2"


def test_a_ledger_stays_with_what_it_is_kept_with_however_long_it_is_not_shown(lake: Lake) -> None:
    ids, records = write(lake, "ids", "old"), write(lake, "records", "old")
    kept = {"ids": {"ids": ids, "records": records}}
    publish(lake, {"ids": ids, "records": records, "pairs": write(lake, "pairs", "0")}, kept=kept)
    for night in range(4):
        shown = {name: write(lake, name, f"{night}") for name in ("records", "pairs")}
        publish(lake, shown)
    assert lake.published()["kept"] == kept
    assert versions(lake, "ids") == {ids}
    assert len(versions(lake, "records")) == 3  # two publications, and that of the ledger
    prune(lake.folder, Retention(days=0, versions=1), "")
    assert versions(lake, "ids") == {ids}
    assert records in versions(lake, "records")
    assert lake.ledger("ids", ["records"]) == {
        "ids": lake.path("ids", ids),
        "records": lake.path("records", records),
    }


def test_a_ledger_whose_files_are_gone_is_not_passed_over(lake: Lake) -> None:
    ids = write(lake, "ids", "old")
    publish(lake, {"ids": ids}, kept={"ids": {"ids": ids}})
    shutil.rmtree(lake.path("ids", ids))
    with pytest.raises(LakeError, match="bring it back from a backup, or take 'ids' out of `kept`"):
        lake.ledger("ids", [])


def test_where_the_note_is_lost_the_links_lead_to_the_ledger(lake: Lake) -> None:
    ids = write(lake, "ids", "old")
    publish(lake, {"ids": ids}, kept={"ids": {"ids": ids}})
    (lake.folder / PUBLISHED).write_text("{")
    write(lake, "ids", "of a run that was killed")
    found = lake.ledger("ids", [])
    assert found == {"ids": lake.path("ids", ids).resolve()}


def test_nothing_is_published_at_first(lake: Lake) -> None:
    nothing: Published = {**new_note({}, {}, {}, {}), "at": ""}
    assert lake.published() == nothing


def test_what_was_shown_keeps_its_views_and_settings(lake: Lake) -> None:
    for text in ("1", "2"):
        version = write(lake, "pairs", text)
        note = new_note(
            {"pairs": version}, {"pairs": f"from {text}"}, {}, {}, None, {"blocks": text}
        )
        publication = Publication(lake.folder, note, NUMBER_ALONE, {})
        publication.prepare()
        publication.commit()
    now = lake.published()
    (before,) = now["before"]
    assert (now["views"], now["settings"]) == ({"pairs": "from 2"}, {"blocks": "2"})
    assert (before["views"], before["settings"]) == ({"pairs": "from 1"}, {"blocks": "1"})


def test_the_last_good_facts_are_those_that_the_catalog_showed_before(lake: Lake) -> None:
    first = write(lake, "pairs", "first")
    assert lake.last_good_facts("pairs") is None
    publish(lake, {"pairs": first})
    assert lake.last_good_facts("pairs") is None  # there is none before it
    write(lake, "pairs", "of a failed run")
    second = write(lake, "pairs", "second")
    assert lake.last_good_facts("pairs") == {"text": "first"}
    publish(lake, {"pairs": second}, Retention(days=7))
    assert lake.last_good_facts("pairs") == {"text": "first"}
    days = Retention(days=7)
    publish(lake, {"pairs": second}, days)  # of a run that left them as they were
    assert lake.last_good_facts("pairs") == {"text": "first"}
    write(lake, "pairs", "third")
    assert lake.last_good_facts("pairs") == {"text": "second"}


def test_a_version_stays_for_some_days_after_it_was_last_shown(lake: Lake) -> None:
    names = []
    for text in ("1", "2", "3", "4"):
        names.append(write(lake, "pairs", text))
        publish(lake, {"pairs": names[-1]}, Retention(days=7, versions=1))
    assert versions(lake, "pairs") == set(names)
    noted = json.loads((lake.folder / PUBLISHED).read_text())
    # The first one was shown for a year, and no longer for eight days; the second for six.
    for shown, days in zip(noted["before"], (8, 6, 5), strict=True):
        shown["until"] = moment(datetime.now(UTC) - timedelta(days=days))
    (lake.folder / PUBLISHED).write_text(json.dumps(noted))
    publish(lake, {"pairs": names[3]}, Retention(days=7, versions=1))
    assert versions(lake, "pairs") == set(names[1:])


def test_a_number_of_publications_stays_however_old(lake: Lake) -> None:
    names = []
    for text in ("1", "2", "3", "4", "5"):
        names.append(write(lake, "pairs", text))
        publish(lake, {"pairs": names[-1]}, Retention(days=0, versions=3))
    assert versions(lake, "pairs") == set(names[2:])


def test_what_the_catalog_names_stays_though_the_note_forgot_it(lake: Lake) -> None:
    names = [write(lake, "pairs", text) for text in ("1", "2", "3", "4")]
    publish(lake, {"pairs": names[0]})
    # A run was killed when the catalog showed the second and the note was still the first.
    named = named_versions(lake.folder, f"from '/lake/people/pairs/{names[1]}/*.parquet'")
    assert named == {"pairs": names[1]}
    publish(lake, {"pairs": names[2]}, shown=named)
    assert lake.published()["previous"] == {"pairs": names[1]}
    publish(lake, {"pairs": names[3]}, shown={"pairs": names[2]})
    assert versions(lake, "pairs") == set(names[2:])


@pytest.mark.parametrize("place", ["pairs/{v}.latest.link", "pairs/current.abcdef.link"])
def test_a_link_that_a_killed_run_left_is_in_nobodys_way(lake: Lake, place: str) -> None:
    first = write(lake, "pairs", "1")
    (lake.folder / place.format(v=first)).symlink_to("nowhere")
    publish(lake, {"pairs": first})
    assert lake.published()["tables"] == {"pairs": first}


def test_pruning_keeps_what_is_shown_and_what_the_catalog_names(lake: Lake) -> None:
    names = []
    for text in ("1", "2", "3"):
        names.append(write(lake, "pairs", text))
        publish(lake, {"pairs": names[-1]}, Retention(days=7, versions=1))
    assert prune(lake.folder, Retention(days=7, versions=1), "") == 0
    assert prune(lake.folder, Retention(days=0, versions=1), names[0]) > 0
    assert versions(lake, "pairs") == {names[0], names[2]}
    assert lake.published()["tables"] == {"pairs": names[2]}
    assert lake.published()["before"] == []


def test_the_links_of_all_tables_move_in_one_step(lake: Lake) -> None:
    first = {table: write(lake, table, "first") for table in ("pairs", "blocks")}
    publish(lake, first)
    second = {table: write(lake, table, "second") for table in ("pairs", "blocks")}
    publication = Publication(lake.folder, new_note(second, {}, {}, {}), NUMBER_ALONE, {})
    publication.prepare()
    shown = [(lake.folder / table / "current" / "part-0.parquet") for table in second]
    assert [file.read_text() for file in shown] == ["first", "first"]
    publication.commit()
    assert [file.read_text() for file in shown] == ["second", "second"]
    assert version_shown(lake.folder / "pairs") == lake.path("pairs", second["pairs"])


def test_a_publication_that_is_given_up_leaves_nothing(lake: Lake) -> None:
    publish(lake, {"pairs": write(lake, "pairs", "first")})
    before = {path for path in lake.folder.rglob("*")}
    second = write(lake, "pairs", "second")
    note = new_note({"pairs": second}, {}, {}, {})
    publication = Publication(lake.folder, note, NUMBER_ALONE, {})
    publication.prepare()
    publication.give_up()
    assert {path for path in lake.folder.rglob("*") if second not in str(path)} == before


def test_a_table_that_is_declared_no_more_loses_its_link_and_later_goes(lake: Lake) -> None:
    gone = write(lake, "gone", "1")
    publish(lake, {"gone": gone, "pairs": write(lake, "pairs", "1")})
    publish(lake, {"pairs": write(lake, "pairs", "2")})
    assert versions(lake, "gone") == {gone}
    assert not (lake.folder / "gone" / "current").is_symlink()
    publish(lake, {"pairs": write(lake, "pairs", "3")})
    assert not (lake.folder / "gone").exists()


@pytest.mark.parametrize(
    "broken",
    ["", "{", "[]", "null", '{"tables": 7, "at": ""}', '{"tables": {}}', "\x00\x00"],
)
def test_a_note_that_cannot_be_read_is_written_anew(
    lake: Lake, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    publish(lake, {"pairs": write(lake, "pairs", "1")})
    (lake.folder / PUBLISHED).write_text(broken)
    with caplog.at_level(logging.WARNING):
        assert lake.published()["tables"] == {}
    assert "published.json cannot be read" in caplog.text
    second = write(lake, "pairs", "2")
    publish(lake, {"pairs": second})
    assert lake.published()["tables"] == {"pairs": second}


def test_a_folder_in_the_place_of_the_note_is_put_aside(lake: Lake) -> None:
    (lake.folder / PUBLISHED / "of a user").mkdir(parents=True)
    publish(lake, {"pairs": write(lake, "pairs", "1")})
    assert set(lake.published()["tables"]) == {"pairs"}
    (aside,) = lake.folder.glob("published.json.*.aside")
    assert (aside / "of a user").is_dir()


def test_a_note_of_before_the_history_is_understood(lake: Lake) -> None:
    old, new = (write(lake, "pairs", text) for text in ("old", "new"))
    note = {"tables": {"pairs": new}, "previous": {"pairs": old}, "at": moment()}
    (lake.folder / PUBLISHED).write_text(json.dumps(note))
    found = read_published(lake.folder)
    assert [shown["tables"] for shown in found["before"]] == [{"pairs": old}]


def test_leftovers_of_killed_runs_go_and_drafts_at_work_stay(lake: Lake) -> None:
    publish(lake, {"pairs": write(lake, "pairs", "1")})
    kept = {path.name for path in lake.folder.rglob("*")}
    left = lake.folder / "pairs" / f"{moment()}-abcdef.tmp"
    left.mkdir()
    (left / "part-0.parquet").write_text("half")
    (lake.folder / "pairs" / "x.latest.link").symlink_to("x")
    (lake.folder / "published.json.abcdef.tmp").write_text("half")
    (lake.folder / ".shown" / moment()).mkdir()
    at_work = lake.folder / "pairs" / f"{moment()}-fedcba.tmp"
    with made_folder(at_work):
        clear_leftovers(lake.folder)
        assert at_work.is_dir()
    assert {path.name for path in lake.folder.rglob("*")} == kept | {at_work.name}
    clear_leftovers(lake.folder)
    assert {path.name for path in lake.folder.rglob("*")} == kept


def test_what_people_read_moves_only_when_a_run_has_ended_well(lake: Lake) -> None:
    first = write(lake, "pairs", "first")
    publish(lake, {"pairs": first})
    write(lake, "pairs", "second")
    assert (lake.folder / "pairs" / "current" / "part-0.parquet").read_text() == "first"
    assert text_of(lake, "pairs") == "second"
    publish(lake, {"pairs": lake.version("pairs")})
    assert (lake.folder / "pairs" / "current" / "part-0.parquet").read_text() == "second"


def test_what_a_view_of_an_earlier_run_reads_stays(lake: Lake) -> None:
    old = {table: write(lake, table, "old") for table in ("records", "matches")}
    publish(lake, old, reads={"matches": old})
    for text in ("new", "newer", "newest"):
        shown = {**old, "records": write(lake, "records", text)}
        publish(lake, shown, reads={"matches": old})
    assert old["records"] in versions(lake, "records")
    assert lake.published()["reads"] == {"matches": old}


def test_what_was_shown_before_and_tables_that_are_gone_are_forgotten(lake: Lake) -> None:
    for text in ("1", "2"):
        tables = {table: write(lake, table, text) for table in ("pairs", "vectors")}
        publish(lake, tables)
    shutil.rmtree(lake.folder / "vectors" / tables["vectors"])
    noted = read_published(lake.folder)
    noted["withheld"] = {"a": "check b failed", "c": "line 3: Ann Smith"}
    (lake.folder / PUBLISHED).write_text(json.dumps(noted))
    forget_gone(lake.folder)
    after = read_published(lake.folder)
    assert (after["before"], after["previous"]) == ([], {})
    assert after["tables"] == {"pairs": tables["pairs"]}
    assert after["withheld"] == {"a": "check b failed", "c": "its step failed"}
    assert all(link.exists() for link in lake.folder.glob(".shown/now/*"))


def test_nothing_is_noted_where_nothing_was_published(lake: Lake) -> None:
    write(lake, "pairs", "1")
    forget_gone(lake.folder)
    assert not (lake.folder / PUBLISHED).exists()
