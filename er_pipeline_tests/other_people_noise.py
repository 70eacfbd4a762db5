"""Noise: columns that say nothing about a person."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from er_pipeline_tests.other_people_draws import Columns, Numbers, Rng, Texts, as_column, pick_rows
from er_pipeline_tests.other_people_records import write_phones

# fmt: off
NOTE_WORDS = """called back left message requested update please confirm new customer payment
    received invoice sent by post account review pending follow up next week no answer address
    checked email bounced spoke to partner wants quote delivery late refund issued thanks see file
    closed open again priority low high visit planned moved maybe"""
STATUSES = ("new", "open", "checked", "merged", "closed", "archived")
# fmt: on

FIRST_MOMENT = np.datetime64("2024-03-01T08:00:00.000000")


def make_no_noise(row_no: Numbers, turn: Numbers, rng: Rng) -> Columns:
    return {}


def make_noise(row_no: Numbers, turn: Numbers, rng: Rng) -> Columns:
    """Make the columns of WIDE_KINDS that say nothing; turn counts on with a person's records."""
    n = len(row_no)

    def mostly(usual: str, share: float, *others: str) -> Any:
        rate = (1 - share) / len(others)
        return _any_of({usual: share, **dict.fromkeys(others, rate)}, n, rng)

    def evenly(*texts: str) -> Any:
        return _any_of(dict.fromkeys(texts, 1.0), n, rng)

    def rarely(texts: Texts) -> Any:
        return as_column(texts, rng.random(n) < 0.98)

    inserted_at = row_no * 7_000_000 + rng.integers(0, 7_000_000, n)  # microseconds
    batch_no = row_no // 1000
    loaded_at = FIRST_MOMENT + batch_no * np.timedelta64(3, "h")
    return {
        "active_flag": mostly("Y", 0.95, "N"),
        "consent_flag": mostly("1", 0.95, "0"),
        "deceased_flag": mostly("false", 0.95, "true"),
        "country": mostly("Australia", 0.99, "New Zealand", "United Kingdom"),
        "segment": evenly(*"ABCDEFGH"),
        "channel": evenly("web", "phone", "shop", "agent", "post"),
        "branch": evenly(*(f"BR{number:03}" for number in range(60))),
        "tier": evenly("1", "2", "3"),
        "status": pa.array(STATUSES).take(pa.array(turn % len(STATUSES))),
        "score": pa.array(rng.random(n)),
        "balance": pa.array(np.round(rng.normal(500, 400, n), 2)),
        "risk": pa.array(np.round(rng.beta(2, 5, n), 4)),
        "note": _notes(n, rng),
        "inserted_at": pa.array(FIRST_MOMENT + inserted_at.astype("timedelta64[us]")),
        "loaded_at": pa.array(loaded_at.astype("datetime64[s]")),
        "batch_no": pa.array(1 + batch_no),
        "row_no": pa.array(row_no),
        "fax": rarely(write_phones(290_000_000 + rng.integers(0, 10_000_000, n), rng)),
        "legacy_code": rarely(np.strings.add(b"L", rng.integers(0, 10**6, n).astype("S"))),
        "remark": rarely(rng.choice(np.array(NOTE_WORDS.encode().split()), n)),
    }


def _notes(n: int, rng: Rng) -> Any:
    ends = np.concatenate([[0], np.cumsum(rng.integers(3, 11, n))]).astype(np.int32)
    words = NOTE_WORDS.split()
    drawn = pa.array(words).take(pa.array(rng.integers(0, len(words), ends[-1])))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), drawn), " ")


def _any_of(shares: Mapping[str, float], n: int, rng: Rng) -> Any:
    return pa.array(list(shares)).take(pa.array(pick_rows(shares, n, rng)))
