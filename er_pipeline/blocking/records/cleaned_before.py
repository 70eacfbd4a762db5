"""Records that were cleaned the night before: those whose sources hold what they held then.

What cleaning makes of a record follows from its raw values, from how columns are read, and from the
code and the libraries. So where all of these are the same, the record is taken over as it is, and
only the values of new and changed records are cleaned. A hash of the raw values of every record is
kept beside the records, since these hold no raw values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from er_pipeline.blocking.records.column_readings import ColumnReadings
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.stamps import digest
from er_pipeline.blocking.tables.table import RECORD_NO, Column, Table
from er_pipeline.blocking.tables.verdicts import share_of

CONTENTS = Table(
    "record_contents",
    "A hash of the raw values of every record: where it is the same, nothing is cleaned again.",
    [RECORD_NO, Column("content", "BIGINT", "Hash of its id and its raw values", minimum=0)],
    view=None,
    is_internal=True,
    is_from_outside=True,
)
RECORDS = "cleaned_records"
RAW_CONTENTS, UNCHANGED, TO_CLEAN = "raw_contents", "unchanged_records", "records_to_clean"
# Of fewer, to clean all takes less than to look for those that need not be.
LEAST_UNCHANGED = 0.5


@dataclass(frozen=True)
class CleanedBefore:
    """What is taken over from the last good run.

    records: query of its clean records that are the same (record_id, source_no, the fields).
    to_clean: engine table of all others, raw. n_records: how many are taken over.
    """

    records: str
    to_clean: str
    n_records: int


def hash_contents(engine: Engine, raw: str, columns: Sequence[str]) -> None:
    """Make raw_contents (source_no, record_id, content BIGINT) of the raw records.

    columns: those that cleaning reads. No two lists of values are written alike before they are
    hashed: each value comes with its length.
    """
    parts = ", ".join(
        f"coalesce(strlen({quoted(name)}) || ':' || {quoted(name)}, '-')"
        for name in ("record_id", *columns)
    )
    # 63 bits: of a thousand million changed records one is taken for unchanged with a chance of
    # one in ten thousand million.
    content = f"cast({engine.row_hash(f'concat({parts})')} >> 1 as bigint)"
    engine.make_table(RAW_CONTENTS, f"select source_no, record_id, {content} as content from {raw}")


def write_contents(engine: Engine, lake: Lake, written: str) -> None:
    """Write record_contents; written: engine table of the clean records with their numbers."""
    with lake.writing(CONTENTS.name) as draft:
        engine.write(
            f"select w.record_no, c.content from {written} as w join {RAW_CONTENTS} as c"
            " on c.source_no = w.source_no and c.record_id = w.record_id order by w.record_no",
            draft.file(),
        )
        n_records, mixed = engine.row(f"select count(*), bit_xor(content) from {RAW_CONTENTS}")
        draft.content = f"{n_records}-{mixed}"


def say_readings(readings: ColumnReadings) -> str:
    """Return a digest of how every column is read."""
    listed = {
        name: [sorted(vars(options).items(), key=lambda item: item[0]) for options in of_source]
        for name, of_source in readings.options.items()
    }
    return digest(_plain(listed))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return [[key, _plain(part)] for key, part in value.items()]
    if isinstance(value, frozenset | set):
        return sorted(map(repr, value))
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return repr(value)


def find_cleaned_before(
    engine: Engine, lake: Lake, raw: str, fields: Sequence[str], readings: str
) -> CleanedBefore | str:
    """Find the records that the last good run cleaned alike; else say why all are to be cleaned.

    raw: engine table of the raw records, of which raw_contents is made. fields: the columns of
    cleaned_records after the source. readings: of `say_readings`. The text is empty where there was
    no night before.
    """
    folders = lake.before(RECORDS, CONTENTS.name)
    if folders is None or not lake.takes_over:
        return ""
    if not lake.is_made_alike(RECORDS, folders[RECORDS]):
        return "records are cleaned otherwise than by the last good run"
    noted = lake.facts(RECORDS, folders[RECORDS].name)
    if noted.get("readings") != readings:
        return "columns are read otherwise than in the last good run"
    n_records, n_unchanged = _find_unchanged(engine, folders)
    if (share := share_of(n_unchanged, n_records)) < LEAST_UNCHANGED:
        return f"only {share:.0%} of the records stand in the sources as in the last good run"
    engine.make_table(
        TO_CLEAN,
        f"select r.* from {raw} as r anti join {UNCHANGED} as u"
        " on u.source_no = r.source_no and u.record_id = r.record_id",
    )
    columns = "".join(f", o.{quoted(name)}" for name in fields)
    return CleanedBefore(
        records=f"select o.record_id, o.source_no{columns} from cleaned_before as o"
        f" semi join {UNCHANGED} as u on u.old_no = o.record_no",
        to_clean=TO_CLEAN,
        n_records=n_unchanged,
    )


def _find_unchanged(engine: Engine, folders: dict[str, Path]) -> tuple[int, int]:
    """Make unchanged_records (source_no, record_id, old_no); count the records, and these."""
    engine.read_folder(folders[RECORDS], "cleaned_before")
    engine.read_folder(folders[CONTENTS.name], "contents_before")
    engine.make_table(
        UNCHANGED,
        f"""
        select c.source_no, c.record_id, o.record_no as old_no
        from {RAW_CONTENTS} as c
        join (
            select b.record_no, b.source_no, b.record_id, k.content from cleaned_before as b
            join contents_before as k on k.record_no = b.record_no
        ) as o
            on o.content = c.content and o.source_no = c.source_no and o.record_id = c.record_id
        """,
    )
    n_records, n_unchanged = engine.row(
        f"select (select count(*) from {RAW_CONTENTS}), (select count(*) from {UNCHANGED})"
    )
    return int(n_records), int(n_unchanged)


def source_case(labels: Sequence[str]) -> str:
    """Write the name of the source of a row with source_no."""
    cases = " ".join(f"when {no} then {literal(label)}" for no, label in enumerate(labels))
    return f"case source_no {cases} end"
