"""Rule search: choose, under a budget, the conjunctions that find the most for their pairs.

What a conjunction finds shows in the evidence; what it costs is counted on the full data before it
is chosen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.learning.conjunction_costs import SLACK, Index, Keys, Sample
from er_pipeline.blocking.learning.rule_evidence import Evidence
from er_pipeline.blocking.learning.rule_limits import Limits

# A match found by a second rule is worth this share of one found at all, by a third its square:
# what several rules find is likely to be found among matches that nobody has shown us, too.
WORTH_OF_ANOTHER_RULE = 0.25
# Joins tried in vain before a search gives an expensive rule up for cheaper ones.
SWAP_ROUNDS = 2


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


class RuleSearch:
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

        seen: (n_seen, n_keys) keys shared by any pairs, matches or not, to show how much of what a
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
        """Yield the widest affordable option of every set of fields, what adds most first."""
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
            # A rule takes a place as well as pairs: with many of these left, few places cost much.
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
        """Return the first option that may fit and say something new; forget those before it."""
        while options:
            i = options[0]
            if state.contained[i] or self.least_pairs[i] > self.limits.pairs_of_rule:
                options.pop(0)
            elif self.sample.is_whole or self.exact[i]:
                return i
            else:  # what a small sample shows may be off by half, and would hide good rules
                self._count(i)
        return None

    def _gain(
        self, worth: NDArray[np.float64], places: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Add up what the options at some places find, all of them if omitted.

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
        self, search: RuleSearch, worth: NDArray[np.float64], judged: NDArray[np.float64]
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
        """Return which options are not taken and fit into what is left, or may once counted."""
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
    """Return which pairs share all keys of each option: (n_options, n_pairs), 1 or 0."""
    found = np.zeros((len(options), len(shared)), np.float32)
    for i, keys in enumerate(options):
        found[i] = shared[:, keys].all(axis=1)
    return found
