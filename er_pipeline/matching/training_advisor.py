"""The training advisor: which rules would train the model best, found before anything is trained.

A training rule is good when its blocks hold many matches, and others too; when it fixes few fields,
so that it teaches about many; when strangers in its blocks are like any strangers; and when it is
cheap. Rules on different fields check each other: what one fixes the others leave free, and what
they find of one comparison must agree.

Candidates are the keys of every field, alone and joined with the whole value of another. Each is
counted exactly on the full data, without making a pair. The share of matches is estimated as before
any training, by strong identifiers. Then all sets of up to three of the best are compared.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from er_pipeline.blocking.blocks.training_facts import (
    TrainingFacts,
    sum_training_rules,
    with_chosen_rules,
    with_training_rules,
)
from er_pipeline.blocking.blocks.training_verdicts import judge_expected_mix, judge_training
from er_pipeline.blocking.learning.conjunction_costs import Index, Keys
from er_pipeline.blocking.records.key_codes import key_code_columns
from er_pipeline.blocking.records.match_share import (
    expected_match_share,
    share_agreeing,
    strong_identifiers,
)
from er_pipeline.blocking.spec.checks_section import Checks
from er_pipeline.blocking.spec.kinds import default_training_rules
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.matching.tried_rules import (
    TriedRules,
    failed_before,
    read_tried_rules,
    tried_lines,
)

# Three rules on different fields leave every field free twice.
MOST_RULES = 3
# So many of the best candidates are put together into sets: some 20,000 of them.
MOST_CANDIDATES = 50
# Of the conjunctions on one set of fields, so many are looked at: from the widest to the narrowest.
TRIED_OF_FIELDS = 3
# Matches, as expected, beyond which more do not change the second digit of an m.
ENOUGH_MATCHES = 2_000
# A share of matches this far from 0 and from 1 is as good as any.
GOOD_MIX = 0.05
# Where more of the pairs of a usual rule are matches, by the estimate, the few others may be errors
# of it: of phones of companies it said 98.5%, and EM found no other pair at all. The names of 2,000
# people, at 97.5%, train well.
MOST_OF_USUAL = 0.98
# What is assumed where no strong identifier shows the share of matches, and what it is worth.
UNKNOWN_SHARE, WORTH_OF_UNKNOWN = 0.1, 0.5
# What a share of matches is worth that checks would warn of.
WORTH_OF_ODD_MIX = 0.1
# A whole value is a plainer rule than a part of it, and all but as good.
WORTH_OF_DERIVED = 0.95
# A rule worth less than this part of the best is taken only to free a field that is free in none.
LEAST_WORTH = 0.1
# Members of blocks that the mix is estimated from; of more, whole blocks are left out evenly.
MOST_MEMBERS = 200_000


@dataclass(frozen=True)
class Candidate:
    """A rule that may train.

    expressions, fields: its keys, and what they read. pairs: exact. match_share: expected, None
    where no strong identifier is free. dragged: share of its pairs that agree on a free field,
    though neither matches nor chance explain it, at its worst; 0 where match_share is None.
    free: share of the comparisons that it leaves free. n_derived: keys that are no whole value.
    """

    expressions: tuple[str, ...]
    fields: frozenset[str]
    pairs: int
    match_share: float | None
    dragged: float
    free: float
    n_derived: int

    def worth(self, checks: Checks) -> float:
        """Grade the session it would make, 0 to 1; rounded, so that threads do not matter."""
        share = UNKNOWN_SHARE if self.match_share is None else self.match_share
        known = WORTH_OF_UNKNOWN if self.match_share is None else 1.0
        matches = min(1.0, share * self.pairs / ENOUGH_MATCHES)
        mix = min(1.0, share / GOOD_MIX, (1 - share) / GOOD_MIX)
        if not checks.match_share_warn[0] <= share <= checks.match_share_warn[1]:
            mix *= WORTH_OF_ODD_MIX
        cheap = 1 - 0.5 * min(1.0, self.pairs / max(1, checks.max_training_pairs))
        plain = WORTH_OF_DERIVED**self.n_derived
        return round(known * matches * mix * cheap * plain * (1 - self.dragged) * self.free, 6)


def advise_rules(
    engine: Engine, lake: Lake, spec: PipelineSpec, tried: TriedRules | None = None
) -> list[Candidate]:
    """Propose the training rules of a dataset, the best set of up to three.

    Reads cleaned_records. tried: what sessions found of rules; none that failed is proposed. First
    comes that every compared field is free in a rule, then that it is free in two, as long as the
    rules are good, then what they are worth; their pairs together stay within
    checks.max_training_pairs. Empty where no rule with a pair fits.
    """
    lake.open(engine, "cleaned_records")
    keys = key_code_columns(engine, spec.key_choices)
    engine.make_table(
        "key_codes",
        f"select r.record_no, r.source_no{keys.columns} from cleaned_records as r {keys.joins}",
    )
    (n_records,) = engine.row("select count(*) from key_codes")
    index = Index(engine, spec.key_choices, {}, spec.link_mode, spec.blocks, n_records)
    budget = spec.checks.max_training_pairs
    mix = _Mix(engine, spec, index, tried or {})
    found = [mix.candidate(keys) for keys in _conjunctions(index, budget)]
    found = [rule for rule in found if not failed_before(rule.expressions, mix.tried, spec.checks)]
    return _best_set(found, spec)


def _conjunctions(index: Index, budget: int) -> Iterator[Keys]:
    """Give the affordable conjunctions of one and two fields, some of each set of fields."""
    plain = [i for i, choice in enumerate(index.choices) if not choice.swaps]
    by_fields: dict[tuple[str, ...], list[Keys]] = {}
    for i in plain:
        by_fields.setdefault((index.choices[i].field,), []).append((i,))
    for i, j in combinations(plain, 2):
        one, other = index.choices[i], index.choices[j]
        if one.field != other.field and not (one.level and other.level):
            by_fields.setdefault((one.field, other.field), []).append((i, j))
    for options in by_fields.values():
        affordable = [keys for keys in options if 0 < index.cost(keys).pairs <= budget]
        affordable.sort(key=lambda keys: (-index.cost(keys).pairs, keys))
        last = len(affordable) - 1
        steps = range(min(TRIED_OF_FIELDS, len(affordable)))
        for place in dict.fromkeys(round(step * last / max(1, len(steps) - 1)) for step in steps):
            yield affordable[place]


class _Mix:
    """Finds what the blocks of a conjunction hold: matches, and strangers who are alike."""

    def __init__(self, engine: Engine, spec: PipelineSpec, index: Index, tried: TriedRules) -> None:
        self.engine, self.spec, self.index, self.tried = engine, spec, index, tried
        self.strong = strong_identifiers(engine, spec)
        self.whole = {
            choice.field: i
            for i, choice in enumerate(index.choices)
            if choice.level == 0 and not choice.swaps
        }
        self.chance = {
            name: share_agreeing(engine, spec, "cleaned_records", [], name)[0]
            for name in spec.comparison_fields
        }

    def candidate(self, keys: Keys) -> Candidate:
        choices = [self.index.choices[key] for key in keys]
        fields = frozenset(choice.field for choice in choices)
        self._make_members(keys)
        strong = {name: known for name, known in self.strong.items() if name not in fields}
        share = self.tried.get(frozenset(choice.expression for choice in choices))
        if share is None:
            share = expected_match_share(self.engine, self.spec, "rule_members", strong)
        free = [
            name
            for name, columns in self.spec.compared_columns.items()
            if fields.isdisjoint(columns)
        ]
        dragged = 0.0
        for name in free:
            if share is None:
                break
            agree, _ = share_agreeing(self.engine, self.spec, "rule_members", ["_block_no"], name)
            dragged = max(dragged, agree - share - (1 - share) * self.chance[name])
        return Candidate(
            tuple(choice.expression for choice in choices),
            fields,
            self.index.cost(keys).pairs,
            share,
            round(dragged, 6),
            len(free) / len(self.spec.comparison_fields),
            sum(choice.level > 0 for choice in choices),
        )

    def _make_members(self, keys: Keys) -> None:
        """Make the engine's rule_members (_block_no, source_no, a number per value of each field).

        NULL where a record has no value.
        """
        names = [f"code_{key}" for key in keys]
        self.engine.make_table(
            "rule_blocks",
            f"select {', '.join(names)}, block_size,"
            f" row_number() over (order by {', '.join(names)}) as block_no"
            f" from ({self.index.blocks_sql(keys)}) where reason is null",
        )
        (n_members,) = self.engine.row("select coalesce(sum(block_size), 0) from rule_blocks")
        step = max(1, -(-int(n_members) // MOST_MEMBERS))
        values = "".join(
            f", case when c.code_{i} >= 0 then c.code_{i} end as {quoted(name)}"
            for name, i in self.whole.items()
        )
        same = " and ".join(f"c.{name} = b.{name}" for name in names)
        self.engine.make_table(
            "rule_members",
            f"select b.block_no as _block_no, c.source_no{values} from key_codes as c"
            f" join rule_blocks as b on {same} and b.block_no % {step} = 0",
        )


def _best_set(candidates: Sequence[Candidate], spec: PipelineSpec) -> list[Candidate]:
    """Choose the best set within the budget; the order of the candidates does not matter."""
    budget = spec.checks.max_training_pairs
    worth = {candidate: candidate.worth(spec.checks) for candidate in candidates}
    ranked = sorted(worth, key=lambda c: (-worth[c], c.pairs, c.expressions))
    nth_of_fields: dict[Candidate, int] = {}
    for i, candidate in enumerate(ranked):
        nth_of_fields[candidate] = sum(other.fields == candidate.fields for other in ranked[:i])
    # The best on every set of fields first, or a few fields would have all the places.
    best = sorted(ranked, key=lambda candidate: nth_of_fields[candidate])[:MOST_CANDIDATES]
    least = LEAST_WORTH * max(worth.values(), default=0.0)
    sets: list[tuple[Candidate, ...]] = [
        chosen
        for size in range(1, MOST_RULES + 1)
        for chosen in combinations(best, size)
        if sum(candidate.pairs for candidate in chosen) <= budget
    ]

    def rank(chosen: tuple[Candidate, ...]) -> tuple[Any, ...]:
        free = [
            sum(candidate.fields.isdisjoint(columns) for candidate in chosen)
            for columns in spec.compared_columns.values()
        ]
        return (
            sum(n == 0 for n in free),
            sum(worth[candidate] < least for candidate in chosen),
            sum(n < 2 for n in free),
            -round(sum(worth[candidate] for candidate in chosen), 6),
            sum(candidate.pairs for candidate in chosen),
            [candidate.expressions for candidate in chosen],
        )

    best_set: tuple[Candidate, ...] = min(sets, key=rank, default=())
    return list(best_set)


def named_rules(chosen: Sequence[Candidate]) -> dict[str, tuple[str, ...]]:
    """Name the chosen rules by their keys, each by a name of its own; name: keys."""
    rules: dict[str, tuple[str, ...]] = {}
    for i, candidate in enumerate(chosen):
        words = [re.sub(r"\W+", "_", text).strip("_") for text in candidate.expressions]
        name = f"same_{'_and_'.join(words)}"[:60]
        taken = {other.lower() for other in rules}
        rules[f"{name}_{i}" if name.lower() in taken else name] = candidate.expressions
    return rules


def usual_rules_fit(facts: TrainingFacts, spec: PipelineSpec) -> bool:
    """Say whether the usual rules of the fields' kinds leave nothing to be wished for.

    facts: of `sum_training_rules`. Every rule makes pairs, and strong identifiers show that these
    hold both matches and others; every field is free in a rule; all of it stays within the budget.
    """
    least, most = spec.checks.match_share_warn
    most = min(most, MOST_OF_USUAL)
    return (
        len(facts["rules"]) > 1
        and facts["pairs"] <= spec.checks.max_training_pairs
        and all(facts["comparisons_free"].values())
        and all(
            counts["pairs"] > 0
            and counts["expected_match_share"] is not None
            and least <= counts["expected_match_share"] <= most
            for counts in facts["rules"].values()
        )
    )


def propose_rules(engine: Engine, lake: Lake, spec: PipelineSpec) -> dict[str, tuple[str, ...]]:
    """Choose the training rules of a dataset where none are declared; name: keys.

    The usual ones by kind, the full name and a date of birth say, where they leave nothing to be
    wished for: what they train is best on people (`benchmarks/matching.py`: F1 at 0.95 of fake_1000
    .897, and .891 with those of `advise_rules`). Else those that `advise_rules` finds.
    """
    lake.open(engine, "cleaned_records")
    usual = with_training_rules(spec, default_training_rules(spec.field_kinds))
    _, facts = sum_training_rules(engine, usual)
    if usual_rules_fit(facts, usual):
        return {
            rule.name: tuple(k.expression for k in rule.keys)
            for rule in usual.training_conjunctions
        }
    return named_rules(advise_rules(engine, lake, spec))


def rules_yaml(rules: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Write training rules as a defs.yaml takes them, line by line."""
    yield "training_rules:"
    for name, keys in rules.items():
        # A text in JSON is one in YAML, whatever commas and colons it holds.
        yield f"  {name}: [{', '.join(json.dumps(key) for key in keys)}]"


def advise(spec: PipelineSpec, lake: Lake) -> Iterator[str | Mapping[str, Any] | Verdict]:
    """Propose training rules: a table for people, the YAML to paste, figures, and verdicts.

    lake: holds cleaned_records.
    Raises LakeError if these are missing or stale.
    """
    with DuckDBEngine(spec.threads, spec.memory_limit, lake.spill) as engine:
        tried = read_tried_rules(lake)
        chosen = advise_rules(engine, lake, spec, tried)
        if not chosen:
            yield (
                "No rule fits: no key makes a pair within checks: max_training_pairs"
                f" ({spec.checks.max_training_pairs:,}); raise it, or blocks: max_size."
            )
            return
        rules = named_rules(chosen)
        as_they_are = _as_they_are(engine, lake, spec)
        _, declared = sum_training_rules(engine, as_they_are)
        yield "The training rules as they are:"
        yield from _table(declared, as_they_are)
        proposed = with_training_rules(spec, rules)
        _, facts = sum_training_rules(engine, proposed)
        if failed := list(tried_lines(tried, spec.checks)):
            yield from (*failed, "")
        yield "Proposed:"
        yield from _table(facts, proposed)
        yield "Paste below attributes:"
        yield ""
        yield from rules_yaml(rules)
        yield {
            "training_rules": {
                name: {"keys": keys, **facts["rules"][name]} for name, keys in rules.items()
            },
            "pairs": facts["pairs"],
            "declared": declared["rules"],
            "declared_pairs": declared["pairs"],
            "comparisons_free": facts["comparisons_free"],
        }
        yield from judge_training(facts, proposed)
        yield judge_expected_mix(facts, proposed)


def _as_they_are(engine: Engine, lake: Lake, spec: PipelineSpec) -> PipelineSpec:
    """Return the spec with its rules: the declared ones, those of the last run, or of the first."""
    if spec.training_rules is not None:
        return spec
    try:
        lake.check("em_training_rules")
        return with_chosen_rules(spec, lake)
    except LakeError:  # there was none, or it was another declaration's
        return with_training_rules(spec, propose_rules(engine, lake, spec))


def _table(facts: TrainingFacts, spec: PipelineSpec) -> Iterator[str]:
    rules = facts["rules"]
    width = max(len(name) for name in rules) + 2
    yield ""
    yield f"{'rule':<{width}}{'pairs':>14}{'matches':>9}{'largest block':>15}  leaves free"
    for name, counts in rules.items():
        share = counts["expected_match_share"]
        free = [field for field, names in facts["comparisons_free"].items() if name in names]
        yield (
            f"{name:<{width}}{counts['pairs']:>14,}{'?' if share is None else f'{share:.1%}':>9}"
            f"{counts['largest_block']:>15,}  {', '.join(free) or 'nothing'}"
        )
    yield f"{'sum':<{width}}{facts['pairs']:>14,}   of {spec.checks.max_training_pairs:,} allowed"
    for field, names in facts["comparisons_free"].items():
        if len(names) < 2:
            yield f"{field} is free {'once' if names else 'in none'}."
    yield ""
