"""Record changes: what became of every record since the last good run.

A record is the same one where its source and its id are; it is unchanged where all its cleaned
fields are. Records are numbered anew every night, so what is taken over from the night before is
renumbered by this table.

Several steps of a night ask. Who asks first keeps the answer beside the records, where it goes with
them; it follows from two versions of the records, so it is no table of its own.
"""

import secrets
from pathlib import Path
from typing import TypedDict

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.files import replace
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.stamps import code_version
from er_pipeline.blocking.tables.verdicts import share_of

RECORDS = "cleaned_records"
RECORD_CHANGES = "record_changes"
# Begins the name of the file that keeps the changes since another version: no part of the table.
SINCE = "since-"
IDENTITY = ("record_no", "record_id", "source", "source_no")


class RecordCounts(TypedDict):
    """How many records of two nights are new, changed, gone and the same."""

    new: int
    changed: int
    gone: int
    same: int


def find_record_changes(engine: Engine, lake: Lake, *with_tables: str) -> bool:
    """Make record_changes, from cleaned_records and those of the last good run.

    Makes the engine's record_changes (old_no INTEGER, record_no INTEGER, change VARCHAR): every
    record of either night once; old_no is NULL for a new one, record_no for one that is gone;
    change is same, changed, new or gone. Makes cleaned_records and old_cleaned_records, too.
    with_tables: other tables of the last good run that are to be of the same run.
    Returns whether there is such a run; nothing is made if not.
    """
    folders = lake.before(RECORDS, *with_tables)
    if folders is None:
        return False
    compare_records(engine, lake, folders[RECORDS])
    return True


def compare_records(engine: Engine, lake: Lake, old: Path) -> None:
    """Make record_changes, from cleaned_records and a version of them; see `find_record_changes`.

    old: the folder of that version.
    """
    lake.open(engine, RECORDS)
    engine.read_folder(old, f"old_{RECORDS}")
    kept = lake.path(RECORDS) / f"{SINCE}{old.name}-{code_version(__name__)}"
    if not kept.exists():
        draft = kept.with_name(f"{kept.name}.{secrets.token_hex(3)}.tmp")
        try:
            engine.write(_changes_sql(engine), draft)
            replace(draft, kept)
        finally:
            draft.unlink(missing_ok=True)
    engine.read_file(kept, "kept_changes")
    engine.make_table(RECORD_CHANGES, "from kept_changes")


def share_unchanged(engine: Engine) -> float:
    """Give the share of the records that are as they were, from the engine's record_changes."""
    n_same, n_most = engine.row(
        "select count(*) filter (where change = 'same'), greatest(count(old_no), count(record_no))"
        f" from {RECORD_CHANGES}"
    )
    return share_of(n_same, n_most)


def _changes_sql(engine: Engine) -> str:
    now = _fields(engine, RECORDS)
    before = _fields(engine, f"old_{RECORDS}")
    every = list(dict.fromkeys([*now, *before]))
    differs = " or ".join(
        f"{f'n.{quoted(name)}' if name in now else 'null'} is distinct from"
        f" {f'o.{quoted(name)}' if name in before else 'null'}"
        for name in every
    )
    return f"""
        select o.record_no as old_no, n.record_no,
            case when o.record_no is null then 'new' when n.record_no is null then 'gone'
                when {differs or "false"} then 'changed' else 'same' end as change
        from {RECORDS} as n full join old_{RECORDS} as o
            on o.record_id = n.record_id and {_same_source(engine)}
    """


def count_record_changes(engine: Engine) -> RecordCounts:
    """Count the records of record_changes by what became of them."""
    found = dict(engine.rows(f"select change, count(*) from {RECORD_CHANGES} group by change"))
    return RecordCounts(
        new=found.get("new", 0),
        changed=found.get("changed", 0),
        gone=found.get("gone", 0),
        same=found.get("same", 0),
    )


def record_sentence(counts: RecordCounts | None) -> str | None:
    """Say how many records are new, changed and gone; None where that was not counted."""
    if counts is None:
        return None
    return (
        f"{counts['new']:,} records are new, {counts['changed']:,} were changed,"
        f" {counts['gone']:,} are gone; {counts['same']:,} are as they were."
    )


def _fields(engine: Engine, records: str) -> list[str]:
    described = engine.described(f"select * from {records}")
    return [name for name, _ in described if name not in IDENTITY]


def _same_source(engine: Engine) -> str:
    """Write the condition that two records, n and o, are of one source; it may be renamed.

    A source that is called otherwise, at the place of one that is there no more, is that one.
    """
    sources = "select distinct source_no, source from {}"
    now = dict(engine.rows(sources.format(RECORDS)))
    old = dict(engine.rows(sources.format(f"old_{RECORDS}")))
    renamed = {
        source: old[place]
        for place, source in now.items()
        if source not in old.values() and place in old and old[place] not in now.values()
    }
    cases = "".join(f" when {literal(a)} then {literal(b)}" for a, b in sorted(renamed.items()))
    return f"o.source = case n.source{cases} else n.source end" if cases else "o.source = n.source"
