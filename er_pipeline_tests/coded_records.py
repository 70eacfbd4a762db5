"""Records given by the codes of their keys: what conjunctions cost and find, without any text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random
from typing import Any

import numpy as np
import pytest

from er_pipeline.blocking.learning.conjunction_costs import Index, Keys, Sample
from er_pipeline.blocking.learning.rule_candidates import candidates
from er_pipeline.blocking.learning.rule_evidence import Evidence, agreement
from er_pipeline.blocking.learning.rule_limits import Limits
from er_pipeline.blocking.learning.rule_search import RuleSearch
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.values.key_choices import key_choices, listed_choices

# Keys 0 to 4 have one value per record, key 5 several. Keys 0 and 1 pass for keys of one field, as
# keys 4 and 5 are.
FIELDS = {"a": "text", "b": "text", "c": "text", "d": "text", "words": "text"}
CHOICES = [
    *(choice for choice in key_choices(FIELDS) if choice.level == 0),
    *listed_choices(FIELDS, {"words"}),
]
CHOICES[1] = replace(CHOICES[1], field="a")
LISTED = 5
FIELD_OF = [choice.field for choice in CHOICES]
Row = tuple[frozenset[int], ...]  # per key the codes that a record has
Pair = tuple[int, int]

SOME_KEYS: list[Keys] = [(0,), (3,), (0, 1), (1, 2, 4), (LISTED,), (0, LISTED), (1, 3, LISTED)]
every_mode = pytest.mark.parametrize("mode", ["dedupe", "link", "link_and_dedupe"])
every_cap = pytest.mark.parametrize("cap", [None, 2, 5])
every_seed = pytest.mark.parametrize("seed", range(4))


@dataclass
class Table:
    """Records in memory, each with its source and the codes of its keys, and their index."""

    rows: list[Row]
    sources: list[int]
    index: Index

    def blocks(self, keys: Keys) -> dict[tuple[int, ...], list[int]]:
        """Give the members of every block: code of each key -> records."""
        found: dict[tuple[int, ...], list[int]] = {}
        for no, row in enumerate(self.rows):
            blocks: list[tuple[int, ...]] = [()]
            for key in keys:
                blocks = [(*block, code) for block in blocks for code in row[key]]
            for block in blocks:
                found.setdefault(block, []).append(no)
        return found

    def pairs(self, members: Sequence[int]) -> list[Pair]:
        """List the pairs of a block that may be compared."""
        across = self.index.mode == "link"
        return [
            (a, b)
            for a, b in combinations(members, 2)
            if not across or self.sources[a] != self.sources[b]
        ]

    def oversized(self, members: Sequence[int]) -> bool:
        cap = self.index.blocks.max_size
        return cap is not None and len(members) > cap and bool(self.pairs(members))

    def compared(self, keys: Keys) -> set[Pair]:
        """Make the pairs of a conjunction."""
        small = [m for m in self.blocks(keys).values() if not self.oversized(m)]
        small = [m for m in small if len(m) >= self.index.blocks.min_size]
        return {pair for members in small for pair in self.pairs(members)}

    def all_pairs(self) -> list[Pair]:
        return self.pairs(range(len(self.rows)))

    def evidence(self, pairs: Sequence[Pair], worth: Sequence[float] = ()) -> Evidence:
        """Make evidence of pairs, every pair an entity of its own."""
        put_pairs(self.index.engine, "evidence_pairs", pairs)
        shared = agreement(self.index, "evidence_pairs", len(pairs))
        number = np.arange(len(pairs), dtype=np.int64)
        return Evidence(shared, np.array(worth or [1.0] * len(pairs)), number, "evidence_pairs")

    def sample(self) -> Sample:
        """Take every record."""
        codes = [[max(row[key], default=-1) for key in range(LISTED)] + [-1] for row in self.rows]
        return Sample(np.array(codes, np.int64), np.array(self.sources, np.int64), self.index)

    def search(self, pairs: Sequence[Pair], limits: Limits, banned: Any = None) -> RuleSearch:
        evidence, sample = self.evidence(pairs), self.sample()
        options = candidates(self.index, sample, evidence, limits, banned or (lambda keys: False))
        put_pairs(self.index.engine, "seen_pairs", self.all_pairs())
        seen = agreement(self.index, "seen_pairs", len(self.all_pairs()))
        return RuleSearch(self.index, sample, evidence, seen, options, limits)


def put_rows(engine: Engine, table: str, columns: str, rows: Sequence[tuple[int, ...]]) -> None:
    """Make a table of numbers."""
    any_row = (0,) * (columns.count(",") + 1)
    values = ", ".join(map(str, rows or [any_row]))
    kept = "true" if rows else "false"
    engine.make_table(table, f"from (values {values}) as t({columns}) where {kept}")


def put_pairs(engine: Engine, table: str, pairs: Sequence[Pair]) -> None:
    numbered = [(n, a, b) for n, (a, b) in enumerate(pairs)]
    put_rows(engine, table, "pair_no, left_no, right_no", numbered)


def make_table(
    engine: Engine,
    rows: Sequence[Row],
    mode: str = "dedupe",
    blocks: Blocks | None = None,
    sources: Sequence[int] | None = None,
) -> Table:
    """Index records given by their codes."""
    sources = list(sources) if sources else [0] * len(rows)
    columns = ", ".join(f"code_{key}" for key in range(LISTED))
    numbered = list(enumerate(zip(rows, sources, strict=True)))
    codes = [
        (no, source, *(max(row[key], default=-no - 1) for key in range(LISTED)))
        for no, (row, source) in numbered
    ]
    words = [(no, source, w) for no, (row, source) in numbered for w in sorted(row[LISTED])]
    put_rows(engine, "key_codes", f"record_no, source_no, {columns}", codes)
    put_rows(engine, f"key_list_{LISTED}", f"record_no, source_no, code_{LISTED}", words)
    listed = {LISTED: f"key_list_{LISTED}"}
    index = Index(engine, CHOICES, listed, mode, blocks or Blocks(max_size=None), len(rows))
    return Table(list(rows), sources, index)


def row(a: int | None, *more: int | None, words: Sequence[int] = ()) -> Row:
    """Write a record: one code per key, None for none; the keys not given are none."""
    codes = [a, *more, *[None] * (LISTED - 1 - len(more))]
    return (*(frozenset() if c is None else frozenset([c]) for c in codes), frozenset(words))


def random_rows(n: int, seed: int, values: int = 4) -> list[Row]:
    draw = Random(seed)

    def code(most: int) -> int | None:
        return None if draw.random() < 0.15 else draw.randrange(most)

    return [
        row(
            *(code(values * (i + 1)) for i in range(LISTED)),
            words=draw.sample(range(6), draw.randrange(4)),
        )
        for _ in range(n)
    ]


def limits(pairs: int = 10**6, of_rule: int = 10**6, rules: int = 40, k: int = 3) -> Limits:
    return Limits(pairs, of_rule, rules, k, recall_floor=1.0)


def matches_of(table: Table, n: int, seed: int) -> list[Pair]:
    """Draw pairs that share some key."""
    sharing = [
        (a, b)
        for a, b in table.all_pairs()
        if any(x & y for x, y in zip(table.rows[a], table.rows[b], strict=True))
    ]
    return Random(seed).sample(sharing, min(n, len(sharing)))
