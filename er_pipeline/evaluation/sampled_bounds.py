"""Sampled records against all: the pairs that may be likely enough for their values to be compared.

Whether a pair may be likely follows from its two records and the model, see `score_bounds`. So of a
sampled record that was looked at the night before, only pairs with records that are new or changed
since are looked at, where the model is the same: those that these had are taken off, those that
they have now come on top.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.records.record_changes import (
    RECORD_CHANGES,
    RECORDS,
    find_record_changes,
    share_unchanged,
)
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.stamps import read_stamp
from er_pipeline.blocking.tables.table import LEFT_NO, RECORD_NO, RIGHT_NO, Column, Table
from er_pipeline.evaluation.score_bounds import ScoreBounds
from er_pipeline.matching.comparisons import compared_value

logger = logging.getLogger(__name__)

# Sampled records times all records whose bounds are looked at together: some 200 MB.
CELLS_PER_SLICE = 8_000_000
SAMPLE = "recall_sample"
BOUNDED = Table(
    "recall_bounded",
    "Pairs of sampled records that may be likely, as bounds of their weights show.",
    [RECORD_NO, LEFT_NO, RIGHT_NO],
    view=None,
    is_internal=True,
)
LOOKED_AT = Table(
    "recall_looked_at",
    "The sampled records, and with how many others each had to be compared.",
    [RECORD_NO, Column("n_compared", "BIGINT", "Pairs whose values were compared", minimum=0)],
    view=None,
    is_internal=True,
)
MODEL = ("em_model", "term_frequencies")
# Of fewer unchanged records, those that differ are looked at for hardly less.
LEAST_UNCHANGED = 0.85
NEW, OLD = 1, 2  # of both nights' changed records
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Looked:
    """What is known of a sampled record: others that may be likely, and how many were compared."""

    others: Numbers
    n_compared: int


class SampledBounds:
    """Bounds of sampled records with all, as far as these are not known already.

    records: engine table of all records, as `ScoreBounds` reads it. known: record -> what is known.
    """

    def __init__(
        self,
        engine: Engine,
        model: Mapping[str, Any],
        records: str,
        frequencies: str,
        weight: float,
        known: Mapping[int, Looked],
    ) -> None:
        """Look at nothing yet: where all is known, the values of all records need no look."""
        self.engine, self.model, self.records = engine, model, records
        self.frequencies, self.weight = frequencies, weight
        self.known = dict(known)

    @cached_property
    def _bounds(self) -> ScoreBounds:
        return ScoreBounds(self.engine, self.model, self.records, self.frequencies)

    def of(self, sampled: Numbers) -> list[Looked]:
        """Look at some records, in their order."""
        unknown = np.array([no for no in sampled.tolist() if no not in self.known], np.int64)
        if len(unknown):
            record, other, compared = self._bounds.at_least(unknown, self.weight)
            for no, n_compared in zip(unknown.tolist(), compared.tolist(), strict=True):
                self.known[no] = Looked(other[record == no], int(n_compared))
        return [self.known[no] for no in sampled.tolist()]


def bound_pairs(
    bounds: SampledBounds, sampled: Numbers, source: NDArray[Any], mode: str, max_comparisons: int
) -> Iterator[tuple[Numbers, list[Looked]]]:
    """Give sampled records with what may be likely of them, a slice after the other.

    Stops where it would have to compare the values of too many pairs; the records are in random
    order, so those looked at are a random sample, too. source: of every record; mode: of linking.
    """
    per_slice = max(1, CELLS_PER_SLICE // max(1, len(source)))
    n_compared = n_looked_at = 0
    for start in range(0, len(sampled), per_slice):
        part = sampled[start : start + per_slice]
        looked = bounds.of(part)
        if mode == "link":
            looked = [
                Looked(one.others[source[one.others] != source[no]], one.n_compared)
                for no, one in zip(part.tolist(), looked, strict=True)
            ]
        n_part = sum(one.n_compared for one in looked)
        # A slice is taken whole or not at all: its size follows from the number of records alone.
        if n_looked_at and n_compared + n_part > max_comparisons:
            logger.info("%s of %s records fit the budget", n_looked_at, len(sampled))
            return
        yield part, looked
        n_compared += n_part
        n_looked_at += len(part)


def looked_at_before(
    engine: Engine,
    lake: Lake,
    model: Mapping[str, Any],
    fields: Sequence[str],
    frequencies: str,
    weight: float,
) -> Mapping[int, Looked] | str:
    """Find what is known of sampled records that are unchanged since the last good run looked.

    fields: of the records. Without such a run says why all are to be looked at; the text is empty
    where there was no night before.
    """
    folders = lake.before(RECORDS, SAMPLE, BOUNDED.name, LOOKED_AT.name)
    if folders is None or not lake.takes_over:
        return ""
    if not lake.is_made_alike(SAMPLE, folders[SAMPLE]):
        return "recall is estimated otherwise than by the last good run"
    stamp = read_stamp(folders[SAMPLE])
    assert stamp, "the lake has read it"
    if any(stamp.made_from.get(name) != lake.stamp(name) for name in MODEL):
        return "the model is another than that of the last good run"
    find_record_changes(engine, lake, SAMPLE)
    if (share := share_unchanged(engine)) < LEAST_UNCHANGED:
        return f"only {share:.0%} of the records are as in the last good run"
    for table in (BOUNDED.name, LOOKED_AT.name):
        engine.read_folder(folders[table], f"{table}_before")
    same = f"(select old_no, record_no from {RECORD_CHANGES} where change = 'same')"
    looked = engine.columns(
        f"select c.record_no, b.n_compared from {LOOKED_AT.name}_before as b"
        f" join {same} as c on c.old_no = b.record_no order by 1"
    )
    pairs = engine.columns(
        f"select c.record_no, o.record_no as other from {BOUNDED.name}_before as b"
        f" join {same} as c on c.old_no = b.record_no join {same} as o on"
        " o.old_no = case b.record_no when b.left_no then b.right_no else b.left_no end"
        " order by 1, 2"
    )
    sampled = np.asarray(looked["record_no"], np.int64)
    engine.put("sampled_before", {"record_no": sampled.astype(np.int32)})
    _put_changed(engine, fields)
    others, taken_off, on_top = _compare_changed(engine, model, frequencies, weight)
    record, other = (np.asarray(pairs[name], np.int64) for name in ("record_no", "other"))
    counts = np.asarray(looked["n_compared"], np.int64) - taken_off + on_top
    return {
        no: Looked(np.concatenate([other[record == no], new]), n_compared)
        for no, new, n_compared in zip(sampled.tolist(), others, counts.tolist(), strict=True)
    }


def _put_changed(engine: Engine, fields: Sequence[str]) -> None:
    """Make changed_to_compare: the records of sampled_before, and those that are others now.

    Columns as of the records to score, and _kind: 0 of those sampled, `NEW` of new and changed
    records as they are, `OLD` of changed and gone ones as they were. _number: of its night.
    """
    columns = ", ".join(map(compared_value, fields))
    kinds = (
        (0, RECORDS, "select record_no from sampled_before"),
        (
            NEW,
            RECORDS,
            f"select record_no from {RECORD_CHANGES} where change in ('new', 'changed')",
        ),
        (
            OLD,
            f"old_{RECORDS}",
            f"select old_no from {RECORD_CHANGES} where change in ('gone', 'changed')",
        ),
    )
    listed = " union all ".join(
        f"select {kind} as _kind, record_no as _number, {columns} from {records}"
        f" where record_no in ({some})"
        for kind, records, some in kinds
    )
    engine.make_table(
        "changed_to_compare",
        "select cast(row_number() over (order by _kind, _number) - 1 as integer) as record_no, *"
        f" from ({listed})",
    )


def _compare_changed(
    engine: Engine, model: Mapping[str, Any], frequencies: str, weight: float
) -> tuple[list[Numbers], Numbers, Numbers]:
    """Hold those sampled against the changed records of both nights.

    Returns, of those sampled in their order, the records of now that may be likely, and how many
    were compared with each of those that were, and of those that are.
    """
    found = engine.columns("select _kind, _number from changed_to_compare order by record_no")
    kind, number = (np.asarray(found[name], np.int64) for name in ("_kind", "_number"))
    sampled = np.flatnonzero(kind == 0)
    others: list[Numbers] = []
    compared = {of: [np.zeros(0, np.int64)] for of in (NEW, OLD)}
    if len(sampled):
        bounds = ScoreBounds(engine, model, "changed_to_compare", frequencies)
        per_slice = max(1, CELLS_PER_SLICE // len(kind))
        for start in range(0, len(sampled), per_slice):
            part = sampled[start : start + per_slice]
            record, other, n_new = bounds.at_least(part, weight, among=kind == NEW)
            others += [number[other[record == place]] for place in part]
            compared[NEW].append(n_new)
            compared[OLD].append(bounds.at_least(part, weight, among=kind == OLD)[2])
    return others, np.concatenate(compared[OLD]), np.concatenate(compared[NEW])
