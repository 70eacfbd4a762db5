"""Seen values: how many values of a field are new since something was learned.

Noted is which of 1,024 buckets held a value then, by the hash of the value; of many values only
those of every n-th hash count. A value that was never there has a bucket that did with a chance of
up to two in three, so the note says of no value that it was there.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from er_pipeline.blocking.spec.learned import SeenValues
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted

BUCKETS = 1_024
# As many values are new where records that each have one of their own have grown by half, which is
# said, too (`learned_from.MOST_GROWTH`).
MOST_NEW = 1 / 3
# Of fewer values a share says little.
FEWEST = 20
HASHES = "hashes_of_values"


class NewValues(NamedTuple):
    """The share of a field's values that are new; low: its lower bound, of 97.5%."""

    share: float
    low: float


def seen_values(engine: Engine, fields: Iterable[str]) -> dict[str, SeenValues]:
    """Note which values the engine's cleaned_records have, in 128 bytes a field."""
    seen = {}
    for field in fields:
        _hash_values(engine, field)
        (n_values,) = engine.row(f"select count(*) from {HASHES}")
        step = max(1, math.ceil(n_values / BUCKETS))
        bits = sum(1 << bucket for bucket, _ in _buckets(engine, step))
        seen[field] = SeenValues(step=step, buckets=f"{bits:x}")
    return seen


def new_values(engine: Engine, seen: Mapping[str, SeenValues]) -> dict[str, NewValues]:
    """Estimate how many of the values in the engine's cleaned_records are new, by field.

    Fields that are no more, or have few values, are left out.
    """
    columns = {name for name, _ in engine.described("from cleaned_records")}
    found = {}
    for field in [field for field in seen if field in columns]:
        _hash_values(engine, field)
        bits = int(seen[field]["buckets"], 16)
        counts = _buckets(engine, seen[field]["step"])
        n_values = sum(n for _, n in counts)
        empty = 1 - bits.bit_count() / BUCKETS
        if n_values < FEWEST or not empty:
            continue
        in_empty = sum(n for bucket, n in counts if not bits >> bucket & 1) / n_values
        error = math.sqrt(in_empty * (1 - in_empty) / n_values) / empty
        share = min(1.0, in_empty / empty)
        found[field] = NewValues(share, max(0.0, share - 1.96 * error))
    return found


def find_new_values(found: Mapping[str, NewValues]) -> Iterator[str]:
    """Say of which fields more values than `MOST_NEW` are new, beyond the error of the estimate."""
    for field, values in found.items():
        if values.low > MOST_NEW:
            yield f"{values.share:.0%} of the values of {field} are new since it was learned"


def _hash_values(engine: Engine, field: str) -> None:
    value = f"cast({quoted(field)} as varchar)"
    engine.make_table(
        HASHES,
        f"select {engine.row_hash('v')} as h"
        f" from (select distinct {value} from cleaned_records) as t(v) where v is not null",
    )


def _buckets(engine: Engine, step: int) -> list[tuple[int, int]]:
    """Count the values of every n-th hash by their bucket."""
    return [
        (int(bucket), n)
        for bucket, n in engine.rows(
            f"select (h // {step}) % {BUCKETS}, count(*) from {HASHES} where h % {step} = 0"
            " group by 1 order by 1"
        )
    ]
