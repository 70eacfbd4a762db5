"""Conjunction costs: the pairs in blocks within the cap, counted by GROUP BY, without making one.

Where thousands of conjunctions are weighed against each other, a sample of records shows roughly
what they cost; none is chosen before its exact cost is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.blocks.blocks import sized_blocks_sql
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.values.key_choices import KeyChoice

Keys = tuple[int, ...]  # of a conjunction: places among the key choices, ascending

# Of a rule's keyed records, so many may stand in blocks over the cap and the rule still count as
# containing every narrower one.
WHOLE = 0.02
# Blocks of the sample are kept for conjunctions of up to so many keys, which longer ones divide.
LONGEST_KEPT = 2
# What the sample estimates may be so many times too high; it is counted before it is chosen.
SLACK = 2.0


@dataclass(frozen=True)
class Cost:
    """What a conjunction costs on the full data.

    pairs: in blocks that are compared. largest: records of the largest of those. oversized_pairs,
    oversized_share: pairs in blocks over the cap, and the share of the keyed records they hold.
    """

    pairs: int
    largest: int
    oversized_pairs: int
    oversized_share: float

    @property
    def is_whole(self) -> bool:
        """Whether the cap takes next to nothing, so that a narrower rule finds nothing new."""
        return self.oversized_share <= WHOLE


@dataclass
class Index:
    """Where keys are looked up, and what was counted there.

    Reads the engine's key_codes: one row per record, with record_no, source_no and code_<i> of the
    single-valued keys. listed: of every many-valued key its engine table (record_no, source_no,
    code_<i>), one row per record and value. left_out: fields whose keys no rule is sought among.
    """

    engine: Engine
    choices: Sequence[KeyChoice]
    listed: Mapping[int, str]
    mode: str
    blocks: Blocks
    n_records: int
    costs: dict[Keys, Cost] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    @property
    def searched(self) -> list[int]:
        """The keys that rules are sought among."""
        return [i for i, choice in enumerate(self.choices) if choice.field not in self.left_out]

    def overlap(self, keys: Keys) -> bool:
        """Return whether two of the keys are of the same field, or have several values per record.

        Names in either order are a field of their own: with a million people, to sound alike costs
        too much, and to sound alike and begin with the same two letters does not.
        """
        fields = {self.choices[key].field for key in keys}
        lists = sum(key in self.listed for key in keys)
        return lists > 1 or len(fields) < len(keys)

    def memberships_sql(self, keys: Keys, columns: str = "c.source_no") -> str:
        """Write the query of (code_..., columns): one row per record, or record and list value."""
        codes, joins = self.codes_of(keys, "c")
        keyed = " and ".join(f"{code} >= 0" for code in codes)
        return f"select {', '.join(codes)}, {columns} from key_codes as c{joins} where {keyed}"

    def codes_of(self, keys: Keys, record: str) -> tuple[list[str], str]:
        """Write the codes that a row of key_codes has, and the join that its list value takes.

        record: the row's alias; that of a list value is this and a t.
        """
        codes = [f"{record}t.code_{k}" if k in self.listed else f"{record}.code_{k}" for k in keys]
        joins = "".join(
            f" join {self.listed[key]} as {record}t on {record}t.record_no = {record}.record_no"
            for key in keys
            if key in self.listed
        )
        return codes, joins

    def blocks_sql(self, keys: Keys) -> str:
        """Write the query that sizes the conjunction's blocks."""
        names = [f"code_{key}" for key in keys]
        return sized_blocks_sql(f"({self.memberships_sql(keys)})", names, self.mode, self.blocks)

    def cost(self, keys: Keys) -> Cost:
        """Count a conjunction exactly on the full data; nothing is counted twice."""
        if keys not in self.costs:
            pairs, largest, oversized, oversized_records, records = self.engine.row(
                f"""
                select coalesce(sum(pairs) filter (where reason is null), 0)::bigint,
                    coalesce(max(block_size) filter (where reason is null), 0),
                    coalesce(sum(pairs) filter (where reason = 'oversized'), 0)::bigint,
                    coalesce(sum(block_size) filter (where reason = 'oversized'), 0)::bigint,
                    coalesce(sum(block_size), 0)::bigint
                from ({self.blocks_sql(keys)})
                """
            )
            share = oversized_records / records if records else 0.0
            self.costs[keys] = Cost(int(pairs), int(largest), int(oversized), float(share))
        return self.costs[keys]

    @cached_property
    def possible_pairs(self) -> int:
        """Number of pairs that may be compared at all."""
        counted = self.engine.rows("select count(*) from key_codes group by source_no")
        within = sum(n * n for (n,) in counted) if self.mode == "link" else self.n_records
        return max(1, (self.n_records * self.n_records - within) // 2)

    def beyond_cap(self, keys: Keys, pairs: str) -> NDArray[np.int64]:
        """Return the pairs (by pair_no) whose shared block is over the cap, so not compared.

        Where min_size is more than two, those in smaller blocks are among them.
        pairs: engine table (pair_no, left_no, right_no).
        """
        if not self.cost(keys).oversized_pairs and self.blocks.min_size <= 2:
            return np.zeros(0, np.int64)
        names = [f"code_{key}" for key in keys]
        left, of_left = self.codes_of(keys, "l")
        right, of_right = self.codes_of(keys, "r")
        sides = (
            f" join key_codes as l on l.record_no = p.left_no{of_left}"
            f" join key_codes as r on r.record_no = p.right_no{of_right}"
        )
        same = " and ".join(
            f"{l_code} = b.{name} and {r_code} = b.{name}"
            for name, l_code, r_code in zip(names, left, right, strict=True)
        )
        found = self.engine.columns(
            f"select p.pair_no, bool_and(b.reason <> '') as lost from {pairs} as p {sides}"
            f" join (select {', '.join(names)}, coalesce(reason, '') as reason"
            f" from ({self.blocks_sql(keys)})) as b on {same} group by p.pair_no"
        )
        lost = np.asarray(found["lost"], bool)
        numbers: NDArray[np.int64] = np.asarray(found["pair_no"], np.int64)[lost]
        return numbers


class Sample:
    """The forward index of sampled records: roughly what a conjunction costs.

    codes: (n_sampled, n_keys), below 0 for none; many-valued keys are not in it. sources: (n,).
    """

    def __init__(self, codes: NDArray[np.int64], sources: NDArray[np.int64], index: Index) -> None:
        """Hold the sample."""
        self.codes, self.sources, self.index = codes, sources, index
        self.scale = index.n_records / max(1, len(codes))
        self._estimates: dict[Keys, float] = {}
        self._blocks: dict[Keys, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}

    @classmethod
    def of(cls, index: Index, records: str) -> "Sample":
        """Read the codes of some records, an engine table (record_no)."""
        single = [i for i in range(len(index.choices)) if i not in index.listed]
        found = index.engine.columns(
            f"select source_no, {', '.join(f'code_{i}' for i in single)} from key_codes"
            f" where record_no in (select record_no from {records}) order by record_no"
        )
        codes = np.full((len(found["source_no"]), len(index.choices)), -1, np.int64)
        for i in single:
            codes[:, i] = found[f"code_{i}"]
        return cls(codes, np.asarray(found["source_no"], np.int64), index)

    @property
    def is_whole(self) -> bool:
        """Whether all records are in it."""
        return self.scale <= 1

    def pairs(self, keys: Keys) -> float:
        """Estimate the pairs of a conjunction on the full data, those over the cap left out."""
        if any(key in self.index.listed for key in keys):
            return float(self.index.cost(keys).pairs)
        if keys not in self._estimates:
            self._estimates[keys] = self._count(keys)
        return self._estimates[keys]

    def _count(self, keys: Keys) -> float:
        rows, block = self._members(keys)
        sizes = np.bincount(block).astype(np.float64)
        pairs = sizes * (sizes - 1) / 2
        if self.index.mode == "link":
            source = self.sources[rows]
            for one in np.unique(source):
                own = np.bincount(block[source == one], minlength=len(sizes)).astype(np.float64)
                pairs -= own * (own - 1) / 2
        cap = self.index.blocks.max_size
        if cap is not None:
            pairs = np.where(sizes * self.scale > max(cap, self.scale), 0.0, pairs)
        return float(pairs.sum()) * self.scale * self.scale

    def _members(self, keys: Keys) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the records that share all keys with another one, and the numbers of their blocks.

        A conjunction divides the blocks of its first keys; who is alone there stays alone.
        """
        import pandas as pd  # takes long to import, and only learning needs it here

        if not keys:
            everyone = np.arange(len(self.codes), dtype=np.int32)
            return everyone, np.zeros(len(everyone), np.int32)
        if keys not in self._blocks:
            rows, block = self._members(keys[:-1])
            code = self.codes[rows, keys[-1]]
            keyed = code >= 0
            rows, code, block = rows[keyed], code[keyed], block[keyed]
            together = block.astype(np.int64) * (int(code.max(initial=0)) + 1) + code
            number, _ = pd.factorize(together)
            shared = np.bincount(number, minlength=1)[number] > 1
            # Longer ones are looked at once; shorter ones are what these begin with.
            found = rows[shared], number[shared].astype(np.int32)
            if len(keys) > LONGEST_KEPT:
                return found
            self._blocks[keys] = found
        return self._blocks[keys]
