"""Carried lists: the candidate lists of the last run, taken over as far as they are the same.

A list follows from the vectors of its text and of all others, and a vector from its text alone. So
of a text that is still there, among others that are, only those that are gone must be taken out
and those that are new put in; lists that grow too short so are searched anew, as are those of new
texts. What comes out is what a search of everything finds, whatever was taken over.

This is a cache, like the vectors of the last run: what lies in it depends on former runs, and what
is made of it does not.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.neighbours.packed_lists import (
    NONE,
    WHOLE,
    Candidates,
    cut,
    merged,
    renumbered,
)
from er_pipeline.blocking.neighbours.sparse_search import SPARSE_SLICE, SparseSearch
from er_pipeline.blocking.neighbours.vector_files import TEXT_VECTORS, digest_of
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake

logger = logging.getLogger(__name__)

NEIGHBOUR_CANDIDATES = "neighbour_candidates"
# Where more than this share of the texts is new, taking over costs as much as searching.
MOST_NEW = 0.5
# A search of some targets only: those that are new.
Among = Callable[[NDArray[np.bool_]], SparseSearch]


@dataclass(frozen=True)
class KeptLists:
    """The lists that one search left.

    row_of: (n_texts now,) the row of each text's list, -1 for none. was_target: (n_texts now,)
    whether it was among those searched. number: text then -> text now, -1 for gone.
    """

    lists: Candidates
    row_of: NDArray[np.int64]
    was_target: NDArray[np.bool_]
    number: NDArray[np.int64]


class CarriedLists:
    """What a run takes over of the last one's lists, and leaves for the next.

    carried, searched: lists that were taken over and those that were not.
    """

    def __init__(self, engine: Engine, lake: Lake, folder: Path, identity: str) -> None:
        """Read what lies in the lake, if it is of the same search; `folder` takes the new lists.

        identity: what lists follow from besides the texts. Makes the engine's text_vectors.
        """
        self.carried = self.searched = 0
        self._folder = folder
        lake.open(engine, TEXT_VECTORS)
        (self._n_texts,) = engine.row(f"select count(*) from {TEXT_VECTORS}")
        self._before = _read_before(engine, lake, identity, self._n_texts)

    def finish(self, engine: Engine, facts: dict[str, Any], identity: str) -> None:
        """Note beside the new lists what they are of."""
        engine.write(
            f"select text_no, text_hash from {TEXT_VECTORS} order by text_no",
            self._folder / "part-0.parquet",
        )
        facts |= {"identity": identity, "digest": digest_of(self._folder)}

    def find(
        self,
        name: str,
        search: SparseSearch,
        among: Among,
        queries: NDArray[np.int64],
        targets: NDArray[np.int64],
    ) -> Iterator[tuple[NDArray[np.int64], Candidates]]:
        """Give the candidates of all queries, slice by slice, each with its texts; keep them.

        name: of the search, the same every time. among: makes the same search among some of its
        targets. queries, targets: the texts of either side.
        """
        kept = self._kept(name)
        new_targets = np.zeros(len(targets), bool)
        if kept is not None:
            new_targets = ~kept.was_target[targets]
            if new_targets.mean() > MOST_NEW:
                kept = None
        joined = among(new_targets) if kept is not None and new_targets.any() else None
        number = _number_of_targets(kept, targets, self._n_texts) if kept else None
        file = self._folder / f"{name}.npy"
        shape = (len(queries), search.width)
        packed = np.lib.format.open_memmap(file, "w+", np.int64, shape)
        border = np.full(len(queries), WHOLE, np.int16)
        for start in range(0, len(queries), SPARSE_SLICE):
            rows = np.arange(start, min(start + SPARSE_SLICE, len(queries)))
            if kept is None or number is None:
                found = search.find(rows)
                self.searched += len(rows)
            else:
                found = self._carry(search, joined, kept, number, rows, queries)
            packed[rows], border[rows] = found.packed, found.border
            logger.info("searched %s of %s", f"{rows[-1] + 1:,}", f"{len(queries):,}")
            yield queries[rows], found
        packed.flush()
        for part, values in (("border", border), ("queries", queries), ("targets", targets)):
            np.save(self._folder / f"{name}_{part}.npy", values)

    def _carry(
        self,
        search: SparseSearch,
        joined: SparseSearch | None,
        kept: KeptLists,
        number: NDArray[np.int64],
        rows: NDArray[np.int64],
        queries: NDArray[np.int64],
    ) -> Candidates:
        places = kept.row_of[queries[rows]]
        old = np.flatnonzero(places >= 0)
        packed = np.full((len(rows), search.width), NONE, np.int64)
        border = np.full(len(rows), WHOLE, np.int16)
        is_found = np.zeros(len(rows), bool)
        if len(old):
            lists = renumbered(kept.lists.rows(places[old]), number)
            if joined is not None:
                lists = merged(lists, joined.find(rows[old], settle=False))
            lists = cut(lists, search.width)
            packed[old], border[old] = lists.packed, lists.border
            is_found[old] = lists.are_settled(search.n_candidates)
        again = np.flatnonzero(~is_found)
        if len(again):
            anew = search.find(rows[again])
            packed[again], border[again] = anew.packed, anew.border
        self.searched += len(again)
        self.carried += len(rows) - len(again)
        return Candidates(packed, border)

    def _kept(self, name: str) -> KeptLists | None:
        if self._before is None:
            return None
        folder, number = self._before
        if not (folder / f"{name}.npy").exists():
            return None
        packed, border, queries, targets = (
            np.load(folder / f"{name}{part}.npy", mmap_mode="r")
            for part in ("", "_border", "_queries", "_targets")
        )
        row_of = np.full(self._n_texts, -1, np.int64)
        now = number[queries]
        row_of[now[now >= 0]] = np.flatnonzero(now >= 0)
        was_target = np.zeros(self._n_texts, bool)
        now = number[targets]
        was_target[now[now >= 0]] = True
        return KeptLists(Candidates(packed, border), row_of, was_target, number)


def plain_lists(
    search: SparseSearch, queries: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], Candidates]]:
    """Give the candidates of all queries, slice by slice; nothing is taken over or kept."""
    for start in range(0, len(queries), SPARSE_SLICE):
        rows = np.arange(start, min(start + SPARSE_SLICE, len(queries)))
        yield queries[rows], search.find(rows)
        logger.info("searched %s of %s", f"{rows[-1] + 1:,}", f"{len(queries):,}")


def _number_of_targets(
    kept: KeptLists, targets: NDArray[np.int64], n_texts: int
) -> NDArray[np.int64]:
    """Number the texts as now; one that is no target any more is gone."""
    is_target = np.zeros(n_texts + 1, bool)  # the last place is that of -1
    is_target[targets] = True
    return np.where(is_target[kept.number], kept.number, -1)


def _read_before(
    engine: Engine, lake: Lake, identity: str, n_texts: int
) -> tuple[Path, NDArray[np.int64]] | None:
    """Find the lists of the last run, and what its texts are now; None if they do not fit."""
    if not lake.takes_over or not lake.has(NEIGHBOUR_CANDIDATES) or not n_texts:
        return None
    version = lake.version(NEIGHBOUR_CANDIDATES)  # what fits is found out here
    folder = lake.path(NEIGHBOUR_CANDIDATES, version)
    try:
        facts = lake.facts(NEIGHBOUR_CANDIDATES, version)
        if facts["identity"] != identity:
            logger.info("other settings, statistics or code: every list is searched anew")
            return None
        if facts["digest"] != digest_of(folder):
            logger.warning("the kept lists are damaged; every list is searched anew")
            return None
        engine.read_folder(folder, "old_texts")
    except (OSError, ValueError, KeyError):
        logger.warning("the kept lists cannot be read; every list is searched anew")
        return None
    (number,) = engine.columns(
        f"select coalesce(t.text_no, -1) as text_no from old_texts as o"
        f" left join {TEXT_VECTORS} as t on t.text_hash = o.text_hash order by o.text_no"
    ).values()
    return folder, np.asarray(np.ma.filled(number, -1), np.int64)
