"""Conjunctions: count what one costs on the full data, and search for those worth their price.

Benefit is told by evidence pairs, known or probable matches; cost is the number of pairs in blocks
within the cap, by GROUP BY, without making one. Where thousands of conjunctions are weighed against
each other, a sample of records tells roughly what they cost; none is chosen before its exact cost
is known.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.blocks.blocks import sized_blocks_sql
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.values.key_choices import KeyChoice

logger = logging.getLogger(__name__)

Keys = tuple[int, ...]  # of a conjunction: places among the key choices, ascending

# A match found by a second rule is worth this share of one found at all, by a third its square:
# what several rules find is likely to be found among matches that nobody has shown us, too.
WORTH_OF_ANOTHER_RULE = 0.25
# Of a rule's keyed records, so many may stand in blocks over the cap and the rule still count as
# containing every narrower one.
WHOLE = 0.02
# A key that matches share less than so many times as often as any two records do tells too little
# to be part of a rule: each value of a column of noise is as frequent in both.
LEAST_LIFT = 2.0
# Conjunctions looked at in full by a search: the best by evidence per estimated pair.
MOST_CANDIDATES = 1_500
# Blocks of the sample are kept for conjunctions of up to so many keys, which longer ones divide.
LONGEST_KEPT = 2
# Of every set of fields, so many of the widest are among them.
WIDEST_OF_FIELDS = 4
# What the sample estimates may be so many times too high; it is counted before it is chosen.
SLACK = 2.0
# Joins tried in vain before a search gives a dear rule up for cheaper ones.
SWAP_ROUNDS = 2


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
    """Where keys are looked up: tables of the engine.

    key_codes has one row per record, with code_<i> of the single-valued keys; key_list_<i>
    (record_no, source_no, code_<i>) one row per record and value of a many-valued key.
    """

    engine: DuckDBEngine
    choices: Sequence[KeyChoice]
    listed: frozenset[int]
    mode: str
    blocks: Blocks
    n_records: int
    costs: dict[Keys, Cost] = field(default_factory=dict)

    def overlap(self, keys: Keys) -> bool:
        """Tell whether two of the keys are of the same field, or have several values per record.

        Names in either order are a field of their own: with a million people, to sound alike is
        too dear, and to sound alike and begin with the same two letters is not.
        """
        fields = {self.choices[key].field for key in keys}
        lists = sum(key in self.listed for key in keys)
        return lists > 1 or len(fields) < len(keys)

    def memberships_sql(self, keys: Keys, columns: str = "c.source_no") -> str:
        """Write the query of (code_..., columns): one row per record, or record and list value."""
        lists = [key for key in keys if key in self.listed]
        codes = [f"{'t' if key in self.listed else 'c'}.code_{key}" for key in keys]
        source = "key_codes as c"
        if lists:
            source += f" join key_list_{lists[0]} as t on t.record_no = c.record_no"
        keyed = " and ".join(f"{code} >= 0" for code in codes)
        return f"select {', '.join(codes)}, {columns} from {source} where {keyed}"

    def blocks_sql(self, keys: Keys) -> str:
        """Write the query that sizes and judges the conjunction's blocks."""
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
        """List the pairs (by pair_no) whose shared block is over the cap, so not compared.

        Where min_size is more than two, those in smaller blocks are among them.
        pairs: engine table (pair_no, left_no, right_no).
        """
        if not self.cost(keys).oversized_pairs and self.blocks.min_size <= 2:
            return np.zeros(0, np.int64)
        lists = [key for key in keys if key in self.listed]
        names = [f"code_{key}" for key in keys]
        sides = ""
        for side, number in (("l", "left_no"), ("r", "right_no")):
            sides += f" join key_codes as {side} on {side}.record_no = p.{number}"
            if lists:
                sides += f" join key_list_{lists[0]} as {side}t on {side}t.record_no = p.{number}"
        same = " and ".join(
            f"{self._of('l', key)} = b.code_{key} and {self._of('r', key)} = b.code_{key}"
            for key in keys
        )
        found = self.engine.con.execute(
            f"select p.pair_no, bool_and(b.reason <> '') as lost from {pairs} as p {sides}"
            f" join (select {', '.join(names)}, coalesce(reason, '') as reason"
            f" from ({self.blocks_sql(keys)})) as b on {same} group by p.pair_no"
        ).fetchnumpy()
        lost = np.asarray(found["lost"], bool)
        numbers: NDArray[np.int64] = np.asarray(found["pair_no"], np.int64)[lost]
        return numbers

    def _of(self, side: str, key: int) -> str:
        return f"{side}t.code_{key}" if key in self.listed else f"{side}.code_{key}"

    def agreement(self, pairs: str, n_pairs: int) -> NDArray[np.bool_]:
        """Tell which keys each pair shares: (n_pairs, n_keys).

        pairs: engine table (pair_no from 0, left_no, right_no).
        """
        single = [i for i in range(len(self.choices)) if i not in self.listed]
        shared = np.zeros((n_pairs, len(self.choices)), bool)
        if single and n_pairs:
            columns = ", ".join(f"l.code_{i} = r.code_{i} as same_{i}" for i in single)
            found = self.engine.con.execute(
                f"select {columns} from {pairs} as p join key_codes as l"
                " on l.record_no = p.left_no join key_codes as r on r.record_no = p.right_no"
                " order by p.pair_no"
            ).fetchnumpy()
            for i in single:
                shared[:, i] = found[f"same_{i}"]
        for i in self.listed:
            found = self.engine.con.execute(
                f"select distinct p.pair_no from {pairs} as p"
                f" join key_list_{i} as l on l.record_no = p.left_no"
                f" join key_list_{i} as r on r.record_no = p.right_no and r.code_{i} = l.code_{i}"
            ).fetchnumpy()
            shared[np.asarray(found["pair_no"], np.int64), i] = True
        return shared


class Sample:
    """The forward index of sampled records, to tell roughly what a conjunction costs.

    codes: (n_sampled, n_keys), below 0 for none; many-valued keys are not in it. sources: (n,).
    """

    def __init__(self, codes: NDArray[np.int64], sources: NDArray[np.int64], index: Index) -> None:
        """Hold the sample."""
        self.codes, self.sources, self.index = codes, sources, index
        self.scale = index.n_records / max(1, len(codes))
        self._estimates: dict[Keys, float] = {}
        self._blocks: dict[Keys, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}

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
        """Give the records that share all keys with another one, and the number of their block.

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


@dataclass(frozen=True)
class Evidence:
    """The pairs that tell what a rule is worth.

    shared: (n_pairs, n_keys), which keys each pair shares. worth: (n_pairs,) of finding it; 0 for
    pairs that are only paid for. entity: (n_pairs,) which entity a match belongs to; pairs of one
    entity are never torn apart between learning and testing. table: engine table of them.
    """

    shared: NDArray[np.bool_]
    worth: NDArray[np.float64]
    entity: NDArray[np.int64]
    table: str


@dataclass(frozen=True)
class Limits:
    """What a search may spend: pairs in total, pairs of one rule, rules; and what it must reach."""

    pairs: int
    pairs_of_rule: int
    rules: int
    k: int
    recall_floor: float


@dataclass(frozen=True)
class Rule:
    """A chosen conjunction.

    pairs: exact, on the full data. new_pairs: those that no rule before it makes, estimated.
    worth: share of the evidence it finds. new_worth: share that no rule before it finds.
    """

    keys: Keys
    pairs: int
    largest: int
    new_pairs: int
    worth: float
    new_worth: float
    origin: str = "learned"


def loosest_affordable(
    index: Index, sample: Sample, limit: int, k: int, banned: Callable[[Keys], bool]
) -> Iterator[Keys]:
    """Give for every set of up to k fields the conjunction with the most pairs within the limit.

    A conjunction is left out where a part of it is affordable and whole already: it would find
    nothing new. That is Apriori's pruning, since pairs only fall with more keys.
    """
    by_field: dict[str, list[int]] = {}
    for i, choice in enumerate(index.choices):
        by_field.setdefault(choice.field, []).append(i)
    contained: set[Keys] = set()
    for size in range(1, k + 1):
        for fields in combinations(by_field, size):
            open_ = []
            for keys in product(*(by_field[name] for name in fields)):
                ordered = tuple(sorted(keys))
                if index.overlap(ordered) or banned(ordered):
                    continue
                if any(
                    part in contained for n in range(1, size) for part in combinations(ordered, n)
                ):
                    continue
                open_.append((sample.pairs(ordered), ordered))
            # From the loosest down; a sample may err by half, so what is near the limit is counted.
            chosen = False
            for estimate, keys in sorted(open_, key=lambda item: (-item[0], item[1])):
                if estimate > SLACK * limit or (chosen and estimate < 0.5 * limit):
                    if estimate <= limit and size < k:
                        contained.add(keys)
                    continue
                cost = index.cost(keys)
                if cost.pairs <= limit and cost.is_whole:
                    contained.add(keys)
                if not chosen and 0 < cost.pairs <= limit:
                    chosen = True
                    yield keys


def candidates(
    index: Index, sample: Sample, evidence: Evidence, limits: Limits, banned: Callable[[Keys], bool]
) -> list[Keys]:
    """List the conjunctions of up to k keys that find some evidence and may be affordable.

    One key per field. What is found only falls with more keys, so what finds nothing is not
    extended. Keys that are noise, see `LEAST_LIFT`, are left out unless affordable alone. The most
    telling `MOST_CANDIDATES` by worth per estimated pair are kept.
    """
    fields = [choice.field for choice in index.choices]
    total = evidence.worth.sum() or 1.0
    least = 0.002 * total
    level: dict[Keys, NDArray[np.bool_]] = {}
    for key in range(len(fields)):
        found = evidence.shared[:, key]
        worth, cost = float(evidence.worth[found].sum()), index.cost((key,))
        sharing = cost.pairs + cost.oversized_pairs
        by_chance = total * sharing / index.possible_pairs
        is_noise = sharing > limits.pairs_of_rule and worth < LEAST_LIFT * by_chance
        if worth >= least and not is_noise:
            level[(key,)] = found
    singles = list(level)
    worth_of: dict[Keys, float] = {}
    for size in range(1, limits.k + 1):
        for keys, found in level.items():
            worth = float(evidence.worth[found].sum())
            if not banned(keys) and sample.pairs(keys) <= SLACK * limits.pairs_of_rule:
                worth_of[keys] = worth
        if size == limits.k:
            break
        wider = sorted(level, key=lambda keys: (-float(evidence.worth[level[keys]].sum()), keys))
        extended: dict[Keys, NDArray[np.bool_]] = {}
        for keys in wider[:MOST_CANDIDATES]:
            known = index.costs.get(keys)
            if known and known.is_whole and known.pairs <= limits.pairs_of_rule // 4:
                continue  # cheap and whole: narrower ones find less and save little
            for (key,) in singles:
                if key <= keys[-1] or index.overlap((*keys, key)):
                    continue
                found = level[keys] & evidence.shared[:, key]
                if evidence.worth[found].sum() >= least:
                    extended[(*keys, key)] = found
        level = extended
    unit = index.n_records / 100  # so that a rule without pairs is not infinitely good
    ranked = sorted(
        worth_of, key=lambda keys: (-worth_of[keys] / (sample.pairs(keys) + unit), keys)
    )
    widest: dict[tuple[str, ...], list[Keys]] = {}
    for keys in sorted(worth_of, key=lambda keys: (-worth_of[keys], keys)):
        widest.setdefault(tuple(fields[key] for key in keys), []).append(keys)
    kept = [keys for options in widest.values() for keys in options[:WIDEST_OF_FIELDS]]
    return list(dict.fromkeys([*kept, *ranked]))[: max(MOST_CANDIDATES, len(kept))]


class Search:
    """Chooses rules under a budget: the recall floor first, swaps, then the widest that fit."""

    def __init__(
        self,
        index: Index,
        sample: Sample,
        evidence: Evidence,
        seen: NDArray[np.bool_],
        options: Sequence[Keys],
        limits: Limits,
    ) -> None:
        """Prepare a search.

        seen: (n_seen, n_keys) keys shared by any pairs, matches or not, to tell how much of what a
        rule makes others make too. options: conjunctions to choose among.
        """
        self.index, self.sample, self.evidence, self.limits = index, sample, evidence, limits
        self.options = list(options)
        self.has = np.zeros((len(self.options), len(index.choices)), bool)
        for i, keys in enumerate(self.options):
            self.has[i, keys] = True
        self.found = _all_shared(evidence.shared, self.options)
        # One bit per pair: they are counted again after every choice.
        self.seen = np.packbits(_all_shared(seen, self.options) > 0, axis=1)
        self._n_seen = np.bitwise_count(self.seen).sum(axis=1, dtype=np.float64)
        self.pairs = np.array([sample.pairs(keys) for keys in self.options])
        self.least_pairs = self.pairs / SLACK
        self.exact = np.zeros(len(self.options), bool)
        for i, keys in enumerate(self.options):
            if keys in index.costs:
                self._count(i)

    def choose(
        self,
        judged: NDArray[np.float64],
        worth: NDArray[np.float64],
        pinned: Sequence[Keys] = (),
        declared: Sequence[Keys] = (),
    ) -> list[Rule]:
        """Choose rules.

        judged: (n_pairs,) worth of finding each judged match, 0 for others; where there are any,
        the rules that find them for the fewest pairs come first, until the recall floor is reached.
        worth: (n_pairs,) worth of finding each judged or probable match. What is left of the budget
        goes to the widest conjunction of every set of fields, best first: what nobody has shown us
        is found by looking widely, and ranking pays for it (ranked_pairs.py).
        pinned: chosen first, whatever they cost. declared: what strategies block by already; it is
        neither chosen again nor charged.
        """
        state = _State(self, worth, judged)
        for origin, given in (("declared", declared), ("pinned", pinned)):
            for keys in given:
                state.take(self.options.index(keys), origin)
                state.drop_contained(keys)
        if judged.any():
            self._reach_floor(state, judged)
            state.rules = self._swap(state.rules, judged)
            state.redo()
        for best in self._widest_first(state, worth):
            state.take(best, "learned")
            state.drop_contained(self.options[best])
        state.redo()
        return [rule for rule in state.rules if rule.origin != "declared"]

    def _reach_floor(self, state: "_State", judged: NDArray[np.float64]) -> None:
        total = float(judged.sum())
        while state.n_learned < self.limits.rules:
            missed = judged * (state.depth == 0)
            if missed.sum() <= (1 - self.limits.recall_floor) * total:
                return
            gain = self._gain(missed)
            places = np.flatnonzero(state.affordable() & (gain > 0))
            if not len(places):
                return  # the floor cannot be reached under the budget; the facts say so
            new = self._new_share(state.made, places)
            cost = self.pairs[places] * new + self.index.n_records / 100
            best = int(places[np.argmax(gain[places] / cost)])  # the first of equals
            if self.exact[best]:
                state.take(best, "learned")
                state.drop_contained(self.options[best])
            else:
                self._count(best)

    def _widest_first(self, state: "_State", worth: NDArray[np.float64]) -> Iterator[int]:
        """Give the widest affordable option of every set of fields, what adds most first."""
        fields = [choice.field for choice in self.index.choices]
        by_fields: dict[tuple[str, ...], list[int]] = {}
        for i, keys in enumerate(self.options):
            by_fields.setdefault(tuple(fields[key] for key in keys), []).append(i)
        finds = self._gain(worth)
        waiting = [
            sorted(options, key=lambda i: (-finds[i], self.pairs[i], self.options[i]))
            for options in by_fields.values()
        ]
        new_of, gain_of = np.zeros(len(self.options)), np.zeros(len(self.options))
        known = np.zeros(len(self.options), bool)  # until another rule is chosen
        while state.n_learned < self.limits.rules:
            heads = [self._widest_affordable(options, state) for options in waiting]
            places = np.array(sorted(head for head in heads if head is not None), np.int64)
            unknown = places[~known[places]]
            new_of[unknown] = self._new_share(state.made, unknown)
            gain_of[unknown] = self._gain(worth * WORTH_OF_ANOTHER_RULE**state.depth, unknown)
            known[unknown] = True
            new, gain = new_of[places], gain_of[places]
            useful = (new * self._n_seen[places] >= 1) & (gain > 0)
            # A rule takes a place as well as pairs: with many of these left, few places are dear.
            # Its pairs count against the limit, its new ones are what the run will pay for.
            place = (self.limits.pairs - state.spent) / (self.limits.rules - state.n_learned)
            cost = self.pairs[places] * (new + 1) / 2 + max(self.index.n_records / 100, place)
            score = np.where(useful & state.affordable()[places], gain / cost, -1.0)
            if score.max(initial=-1.0) < 0:
                # Nothing new now is nothing new later; narrower ones of these fields may differ.
                # They come last, where a rule of any size still fits: other fields find others.
                gone = set(places[~useful].tolist())
                if not gone or state.spent + self.limits.pairs_of_rule > self.limits.pairs:
                    return
            else:
                best = int(places[np.argmax(score)])
                gone = {best}
                if not self.exact[best]:
                    self._count(best)
                    known[best] = False
                    continue
                yield best
                known[:] = False
            # The other options of these fields may find more, once what they share is discounted.
            waiting = [o[head in gone :] for o, head in zip(waiting, heads, strict=True)]

    def _widest_affordable(self, options: list[int], state: "_State") -> int | None:
        """Give the first option that may fit and say something new; forget those before it."""
        while options:
            i = options[0]
            if state.contained[i] or self.least_pairs[i] > self.limits.pairs_of_rule:
                options.pop(0)
            elif self.sample.is_whole or self.exact[i]:
                return i
            else:  # what a small sample tells may be off by half, and would hide good rules
                self._count(i)
        return None

    def _gain(
        self, worth: NDArray[np.float64], places: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Add up what the options at some places find, all where left out.

        Rounded, so that threads do not decide between equals.
        """
        some = np.flatnonzero(worth)
        found = self.found[:, some] if places is None else self.found[np.ix_(places, some)]
        return np.asarray(np.round(found @ worth[some], 9))

    def _new_share(self, made: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Estimate which share of the pairs of the options at some places no chosen rule makes."""
        new = np.bitwise_count(self.seen[places] & ~made).sum(axis=1, dtype=np.float64)
        return np.asarray((new + 1) / (self._n_seen[places] + 1))

    def _count(self, i: int) -> None:
        """Count an option exactly, and what it finds within the cap."""
        if self.exact[i]:
            return
        cost = self.index.cost(self.options[i])
        self.pairs[i] = self.least_pairs[i] = cost.pairs
        if self.found[i].any():
            lost = self.index.beyond_cap(self.options[i], self.evidence.table)
            self.found[i, lost] = 0
        self.exact[i] = True

    def _swap(self, rules: list[Rule], worth: NDArray[np.float64]) -> list[Rule]:
        """Replace rules by cheaper ones where no judged match is lost."""
        total = float(worth.sum())
        place = {keys: i for i, keys in enumerate(self.options)}
        for _ in range(SWAP_ROUNDS):
            changed = False
            for rule in sorted(rules, key=lambda rule: (-rule.pairs, rule.keys)):
                if rule.origin != "learned":
                    continue
                others = [r for r in rules if r is not rule]
                depth = sum((self.found[place[r.keys]] for r in others), np.zeros(len(worth)))
                only = (depth == 0) & (self.found[place[rule.keys]] > 0) & (worth > 0)
                if not only.any():
                    continue
                taken = {r.keys for r in rules}
                cheaper = np.flatnonzero(
                    (self.pairs < 0.7 * rule.pairs) & (self.found[:, only] > 0).all(axis=1)
                )
                cheaper = cheaper[np.argsort(self.pairs[cheaper], kind="stable")]
                for i in cheaper[:5]:
                    self._count(int(i))
                    fits = self.pairs[i] < 0.7 * rule.pairs and (self.found[i, only] > 0).all()
                    if self.options[i] in taken or not fits:
                        continue
                    finds = float(worth[self.found[i] > 0].sum()) / total
                    if finds < rule.worth - 0.02:
                        continue  # what it finds besides matters for matches nobody has shown
                    cost = self.index.cost(self.options[i])
                    rules[rules.index(rule)] = replace(
                        rule,
                        keys=self.options[i],
                        pairs=cost.pairs,
                        largest=cost.largest,
                        new_pairs=min(rule.new_pairs, cost.pairs),
                        worth=finds,
                    )
                    changed = True
                    break
            if not changed:
                break
        return rules


class _State:
    """A search under way: rules chosen, pairs spent, what is found how often and made at all."""

    def __init__(
        self, search: Search, worth: NDArray[np.float64], judged: NDArray[np.float64]
    ) -> None:
        self.search, self.worth, self.judged = search, worth, judged
        self.rules: list[Rule] = []
        self._clear()

    def _clear(self) -> None:
        self.depth = np.zeros(len(self.worth))
        self.made = np.zeros(self.search.seen.shape[1], np.uint8)
        self.taken = np.zeros(len(self.search.options), bool)
        self.contained = np.zeros(len(self.search.options), bool)
        self.spent = 0.0

    @property
    def n_learned(self) -> int:
        """Number of the rules that take a place in a pair's mask."""
        return sum(rule.origin != "declared" for rule in self.rules)

    def redo(self) -> None:
        """Add everything up again, after rules were swapped."""
        rules, self.rules = self.rules, []
        self._clear()
        for rule in rules:
            self.take(self.search.options.index(rule.keys), rule.origin)
        for rule in rules:
            self.drop_contained(rule.keys)
        if len(self.rules) < len(rules):
            self.redo()

    def drop_contained(self, keys: Keys) -> None:
        """Give up what a rule contains: narrower rules, chosen or not, that have all its keys.

        A chosen one that finds a judged match beyond the rule's cap stays.
        """
        search = self.search
        if not search.index.cost(keys).is_whole:
            return
        narrower = search.has[:, keys].all(axis=1) & (search.has.sum(axis=1) > len(keys))
        self.contained |= narrower
        beyond = self.judged * (search.found[search.options.index(keys)] == 0)
        kept = []
        for rule in self.rules:
            i = search.options.index(rule.keys)
            if rule.origin == "learned" and narrower[i] and not search.found[i] @ beyond:
                self.spent -= rule.pairs
                self.depth -= search.found[i]
            else:
                kept.append(rule)
        self.rules = kept

    def affordable(self) -> NDArray[np.bool_]:
        """Tell the options that are not taken and fit into what is left, or may once counted."""
        least, limits = self.search.least_pairs, self.search.limits
        fits = (least <= limits.pairs_of_rule) & (least + self.spent <= limits.pairs)
        return np.asarray(~self.taken & fits & (least > 0))

    def take(self, i: int, origin: str) -> None:
        """Choose an option."""
        search = self.search
        search._count(i)
        keys = search.options[i]
        cost = search.index.cost(keys)
        found = search.found[i] > 0
        total = float(self.worth.sum()) or 1.0
        (new,) = search._new_share(self.made, np.array([i]))
        self.rules.append(
            Rule(
                keys=keys,
                pairs=cost.pairs,
                largest=cost.largest,
                new_pairs=round(cost.pairs * new),
                worth=float(self.worth[found].sum()) / total,
                new_worth=float(self.worth[found & (self.depth == 0)].sum()) / total,
                origin=origin,
            )
        )
        self.spent += cost.pairs if origin != "declared" else 0
        self.depth += search.found[i]
        self.made |= search.seen[i]
        self.taken[i] = True


def _all_shared(shared: NDArray[np.bool_], options: Sequence[Keys]) -> NDArray[np.float32]:
    """Tell which pairs share all keys of each option: (n_options, n_pairs), 1 or 0."""
    found = np.zeros((len(options), len(shared)), np.float32)
    for i, keys in enumerate(options):
        found[i] = shared[:, keys].all(axis=1)
    return found


def lexicographic(
    index: Index,
    sample: Sample,
    evidence: Evidence,
    known: NDArray[np.bool_],
    negatives: NDArray[np.bool_],
    limits: Limits,
    n_covered: int,
    banned: Callable[[Keys], bool],
    pinned: Sequence[Keys] = (),
) -> list[Rule]:
    """Rank conjunctions by reduction ratio, then matches found, then non-matches avoided.

    From every key the best conjunction of up to k keys is built greedily; those that find no match
    are out. They are applied from the best on until they make `n_covered` pairs, or the next one
    would make too many; both are counted on the full data. The reduction ratio is the sample's.
    known: (n_pairs,) which pairs of the evidence may be looked at. negatives: (n, n_keys).
    pinned: applied first, whatever they cost.
    Source: the forward-index learner of oagdedupe (Chansoo Song and others), "Blocking".
    """

    def found_by(keys: Keys) -> NDArray[np.bool_]:
        return evidence.shared[:, keys].all(axis=1) & known

    def rank(keys: Keys) -> tuple[float, int, int, Keys]:
        wrong = int(negatives[:, keys].all(axis=1).sum()) if len(negatives) else 0
        # Fewer pairs of the sample are a higher reduction ratio; smaller is better throughout.
        return (sample.pairs(keys), -int(found_by(keys).sum()), wrong, keys)

    def finds(keys: Keys) -> bool:
        return bool(found_by(keys).any()) and not banned(keys)

    best: set[Keys] = set()
    for start in range(len(index.choices)):
        keys: Keys = (start,)
        reached = [keys] if finds(keys) else []
        while len(keys) < limits.k:
            options = [
                tuple(sorted((*keys, key)))
                for key in range(len(index.choices))
                if not index.overlap((*keys, key))
            ]
            options = [option for option in options if finds(option)]
            if not options:
                break
            keys = min(options, key=rank)
            reached.append(keys)
        if reached:
            best.add(min(reached, key=rank))
    rules: list[Rule] = []
    covered = np.zeros(len(evidence.worth), bool)
    spent, total = 0, float(known.sum()) or 1.0
    for keys in dict.fromkeys([*pinned, *sorted(best, key=rank)]):
        cost = index.cost(keys)
        if keys not in pinned:
            if spent >= n_covered or len(rules) >= limits.rules:
                break
            if cost.pairs > limits.pairs_of_rule or spent + cost.pairs > limits.pairs:
                break
        found = found_by(keys)
        lost = index.beyond_cap(keys, evidence.table)
        found[lost[lost < len(found)]] = False
        new = float((found & ~covered).sum()) / total
        rules.append(
            Rule(
                keys,
                cost.pairs,
                cost.largest,
                new_pairs=cost.pairs,
                worth=float(found.sum()) / total,
                new_worth=new,
                origin="pinned" if keys in pinned else "learned",
            )
        )
        covered |= found
        spent += cost.pairs
    return rules


def interval(successes: float, trials: float) -> tuple[float, float]:
    """Give the 95% interval of a share: Wilson's.

    Source: Wilson, "Probable Inference", JASA 22, 1927.
    """
    if trials <= 0:
        return 0.0, 1.0
    z = 1.959964
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z
        / (1 + z * z / trials)
        * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    )
    # At shares of 0 and 1 an end is the share itself, but for the last digit.
    return max(0.0, float(min(share, middle - half))), min(1.0, float(max(share, middle + half)))


def folds(entity: NDArray[np.int64], n: int, seed: int) -> NDArray[np.int64]:
    """Deal entities into n folds, all pairs of one into the same; (n_pairs,) from 0."""
    names, place = np.unique(entity, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    fold: Any = np.empty(len(names), np.int64)
    fold[order] = np.arange(len(names)) % n
    dealt: NDArray[np.int64] = fold[place]
    return dealt
