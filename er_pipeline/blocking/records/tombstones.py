"""Tombstones: which records were forgotten, without a word of what they held.

    <root>/<dataset>/forgotten.json    a salt, and of every forgotten record a hash of its id

A source may go on holding a record that was forgotten, and so may a backup of it: the tombstone
keeps the record out of every later run. The hash is salted, so that equal ids of two datasets
differ; who has the file and guesses an id can still confirm the guess.
"""

import hashlib
import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.files import files_of_mode, write_whole
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.traces import MASK

FORGOTTEN = "forgotten.json"
# What an id in a line of a file that cannot be read stands between.
BETWEEN_CELLS = r'[,;|\t"' " ]+"


@dataclass(frozen=True)
class Tombstone:
    """A record that was forgotten.

    source, source_no: name and place of its source. record: salted hash of its id. at: ISO 8601, in
    UTC. is_erased: whether nothing of it was found any more.
    """

    source: str
    source_no: int
    record: str
    at: str
    is_erased: bool = False


@dataclass(frozen=True)
class Tombstones:
    """All tombstones of a dataset."""

    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    stones: Sequence[Tombstone] = ()

    def hash_of(self, record_id: str) -> str:
        """Return the hash that stands for an id."""
        return hashlib.sha256((self.salt + record_id).encode()).hexdigest()

    def hash_sql(self, column: str) -> str:
        """Write the same as SQL, for a VARCHAR expression."""
        return f"sha256({literal(self.salt)} || {column})"

    def of(self, source: str, record_id: str) -> Tombstone | None:
        """Find the tombstone of a record, if there is one."""
        hashed = self.hash_of(record_id)
        same = (s for s in self.stones if s.source == source and s.record == hashed)
        return next(same, None)

    def hashes_of_sources(self, sources: Sequence[str]) -> list[list[str]]:
        """List, for every source, the hashes of the ids that it has to leave out.

        A source that is called otherwise, at the place of one that is there no more, is that one,
        as everywhere when nights are compared.
        """
        hashes: list[set[str]] = [set() for _ in sources]
        known = {stone.source for stone in self.stones}
        for stone in self.stones:
            if stone.source in sources:
                hashes[sources.index(stone.source)].add(stone.record)
            elif stone.source_no < len(sources) and sources[stone.source_no] not in known:
                hashes[stone.source_no].add(stone.record)
        return [sorted(found) for found in hashes]

    def with_records(
        self, source: str, source_no: int, record_ids: Collection[str], at: str, *, is_erased: bool
    ) -> "Tombstones":
        """Add tombstones, in the place of those that the records have."""
        stones = [
            Tombstone(source, source_no, self.hash_of(record_id), at, is_erased)
            for record_id in record_ids
        ]
        kept = self.without(source, record_ids).stones
        return replace(self, stones=sorted([*kept, *stones], key=lambda s: (s.source, s.record)))

    def without(self, source: str, record_ids: Collection[str]) -> "Tombstones":
        """Lift the tombstones of records."""
        lifted = {self.hash_of(record_id) for record_id in record_ids}
        kept = [s for s in self.stones if s.source != source or s.record not in lifted]
        return replace(self, stones=kept)

    def save(self, folder: Path) -> None:
        """Write the file; only its owner may read it.

        folder: of the dataset.
        """
        noted = {"salt": self.salt, "forgotten": [asdict(stone) for stone in self.stones]}
        with files_of_mode("600"):
            write_whole(folder / FORGOTTEN, json.dumps(noted, indent=1))


def read_tombstones(folder: Path) -> Tombstones:
    """Read the tombstones of a dataset; none where nothing was forgotten.

    folder: of the dataset.
    Raises LakeError if the file cannot be read: without it forgotten records would come back.
    """
    path = folder / FORGOTTEN
    try:
        noted: Any = json.loads(path.read_text("utf-8"))
        return Tombstones(str(noted["salt"]), [Tombstone(**stone) for stone in noted["forgotten"]])
    except FileNotFoundError:
        return Tombstones()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LakeError(
            f"{path}: cannot be read ({error}), so nobody knows which records were forgotten and"
            " must not come back: put the file back from a backup, or delete it to let all of them"
            " in again"
        ) from error


def listed(hashes: Sequence[str]) -> str:
    """Write hashes as a list of SQL literals, within brackets."""
    return f"[{', '.join(map(literal, hashes))}]::varchar[]"


def masked_line(tombstones: Tombstones, column: str, hashes: Sequence[str]) -> str:
    """Write the SQL of a line of a file, or of a mask where one of its cells is a forgotten id."""
    cells = f"string_split_regex({column}, {literal(BETWEEN_CELLS)})"
    hashed = f"list_transform({cells}, lambda cell: {tombstones.hash_sql('cell')})"
    return (
        f"case when list_has_any({hashed}, {listed(hashes)}) then {literal(MASK)} else {column} end"
    )
