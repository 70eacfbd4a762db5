"""Learned rules: which conjunctions to block by, from labels or from the data alone.

1. For every small set of fields the loosest affordable conjunction makes pairs of sampled records.
2. EM tells which of them are probably matches (pair_weights.py); a trained model, where there is
   one, tells it better, and its confident scores are written down as weak labels. Judged pairs,
   where there are any, stand beside them and count more.
3. Conjunctions are chosen that find these matches for the fewest pairs (conjunctions.py).
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.learning.conjunctions import (
    Evidence,
    Index,
    Keys,
    Limits,
    Rule,
    Sample,
    Search,
    candidates,
    folds,
    interval,
    lexicographic,
    loosest_affordable,
)
from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.blocking_section import MAX_STRATEGIES, Learning
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, quoted
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.key_choices import KeyChoice, listed_choices
from er_pipeline.blocking.values.keys import Conjunction, parse_conjunction
from er_pipeline.blocking.weights.fitted_weights import fit_weights
from er_pipeline.blocking.weights.pair_weights import (
    Scorer,
    read_labelled,
    sample_pairs,
    sample_records,
)

logger = logging.getLogger(__name__)

# Words are keys of their own where a field's values have so many of them on average.
WORDS_WORTH_LISTING = 3.0
# Probable matches and other pairs that the search looks at: more change no choice.
EVIDENCE_PAIRS, SEEN_PAIRS = 5_000, 10_000
PROBABLE = 0.5
# A model's score of at least this is a weak label, and so is its opposite.
SURE = 0.99
# Fewer judged matches than this are too few to be held out: they only join the evidence.
LEAST_LABELS = 10
# All probable matches together are worth this share of the judged ones.
WORTH_OF_PROBABLE = 0.5
FOLDS = 5
# Where the narrowest rule makes more pairs than a rule may, one may make so many times as many,
# and there is room for so many of them.
ROOM, RULES_OF_ROOM = 1.5, 5


def learn_rules(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, scorer: Scorer | None = None
) -> dict[str, Any]:
    """Choose the blocking rules of a dataset.

    Reads cleaned_records, key_codes and, where there are any, labels. scorer: a trained model that
    tells probable matches; its confident scores are written to weak_labels (left_no, right_no,
    match_probability), apart from what people judged. Writes learned_rules (see
    tables.py), best first, and blocks_train, the forward index of a seeded sample: one row per
    sampled record, one column per key. A new number of labels is a new round, with its own sample.
    Returns the facts kept beside learned_rules: the rules, and recall with its 95% interval on
    held-out entities.

    Raises InputError where the lexicographic ranking has no judged match to learn from.
    """
    learning = spec.learns
    assert learning is not None
    fingerprint = read_records(engine, lake)
    read_numbered(engine, lake, "key_codes", fingerprint)
    engine.execute("alter view key_codes rename to key_codes_file")
    engine.make_table("key_codes", "from key_codes_file order by record_no")
    labelled = read_labelled(engine, lake, spec, fingerprint)
    round_no = labelled["matches"] + labelled["non_matches"]
    if learning.ranking == "lexicographic" and not labelled["matches"]:
        raise InputError(
            "learning: ranking lexicographic needs judged matches, and there is none yet; judge"
            " some with er-pipeline label, or write ranking: budgeted"
        )
    index = _index(engine, spec, learning)
    sample = _sample(engine, index, learning, round_no)
    banned = _Banned.of(spec, learning, index.choices)
    pinned = _pinned(index, spec, learning)
    declared = _declared(index, spec)
    # The run's own budget of potential pairs must hold the strategies and the rules together.
    left = learning.max_pairs - sum(index.cost(keys).pairs for keys in declared)
    limits = Limits(
        pairs=max(0, min(int(learning.pairs_per_record * index.n_records), left)),
        pairs_of_rule=int(learning.rule_pairs_per_record * index.n_records),
        rules=min(learning.max_rules, MAX_STRATEGIES - len(spec.proposers)),
        k=learning.k,
        recall_floor=learning.recall_floor,
    )
    limits = _with_room(index, sample, limits, left)
    evidence, seen, n_judged, taught = _evidence(
        engine, index, sample, spec, limits, banned, round_no, scorer
    )
    if scorer:
        _write_weak_labels(engine, lake, fingerprint, taught)
    held_out: _HeldOut | None = None
    if learning.ranking == "lexicographic":
        negatives = _agreement_of(
            index, "select left_no, right_no from labelled where not is_match"
        )
        judged = Evidence(
            evidence.shared[:n_judged],
            np.ones(n_judged),
            evidence.entity[:n_judged],
            evidence.table,
        )
        n_covered = learning.n_covered or limits.pairs

        def learn(known: NDArray[np.bool_]) -> list[Rule]:
            return lexicographic(
                index, sample, judged, known, negatives, limits, n_covered, banned, pinned
            )

        rules = learn(np.ones(n_judged, bool))
        held_out = _hold_out(index, judged, learn, learning.seed)
    else:
        options = candidates(index, sample, evidence, limits, banned)
        options += [keys for keys in (*pinned, *declared) if keys not in options]
        options = list(dict.fromkeys(options))
        search = Search(index, sample, evidence, seen, options, limits)
        logger.info("choosing among %s conjunctions", f"{len(options):,}")
        is_judged = (np.arange(len(evidence.worth)) < n_judged).astype(float)
        rules = search.choose(is_judged, evidence.worth, pinned, declared)
        if n_judged >= LEAST_LABELS:

            def learn_again(part: NDArray[np.bool_]) -> list[Rule]:
                # With their judged pairs, the probable ones of tested entities are out of sight.
                tested = evidence.entity[:n_judged][~part]
                known = (~np.isin(evidence.entity, tested)).astype(float)
                return search.choose(is_judged * known, evidence.worth * known, pinned, declared)

            judged = Evidence(
                evidence.shared[:n_judged],
                np.ones(n_judged),
                evidence.entity[:n_judged],
                evidence.table,
            )
            held_out = _hold_out(index, judged, learn_again, learning.seed)
    return _write(engine, lake, spec, index, limits, rules, held_out, labelled, fingerprint, taught)


@dataclass(frozen=True)
class _Banned:
    """Tells whether a conjunction contains all keys of a banned one."""

    sets: tuple[frozenset[int], ...]

    @classmethod
    def of(cls, spec: PipelineSpec, learning: Learning, choices: Sequence[KeyChoice]) -> "_Banned":
        places = {_plain(choice.expression): i for i, choice in enumerate(choices)}
        wanted = [
            [_plain(key.expression) for key in _conjunction(spec, keys).keys]
            for keys in learning.ban
        ]
        # A key that is never tried need not be banned.
        known = [keys for keys in wanted if all(key in places for key in keys)]
        return cls(tuple(frozenset(places[key] for key in keys) for keys in known))

    def __call__(self, keys: Keys) -> bool:
        """Tell whether the conjunction is banned."""
        return any(banned.issubset(keys) for banned in self.sets)


def _conjunction(spec: PipelineSpec, keys: str | list[str], name: str = "rule") -> Conjunction:
    free_mail = tuple(spec.cleaning.free_mail_domains)
    return parse_conjunction(name, keys, tuple(spec.field_kinds), free_mail)


def _plain(expression: str) -> str:
    """Write an expression without blanks and capitals, but for what stands in quotes."""
    parts = re.split(r"('[^']*')", expression)
    return "".join(p if p.startswith("'") else re.sub(r"\s+", "", p).lower() for p in parts)


def _index(engine: DuckDBEngine, spec: PipelineSpec, learning: Learning) -> Index:
    """Open the forward index, with the many-valued and the pinned keys it lacks."""
    (n_records,) = engine.row("select count(*) from key_codes")
    choices = list(spec.key_choices)
    choices += listed_choices(spec.field_kinds, _wordy_fields(engine, spec))
    known = {_plain(choice.expression) for choice in choices}
    for i, keys in enumerate(learning.pin):
        for j, key in enumerate(_conjunction(spec, keys).keys):
            if _plain(key.expression) not in known:
                parsed = _conjunction(spec, key.expression, f"pinned_{i}_{j}")
                field = " and ".join(key.source_columns)
                choices.append(KeyChoice(field, len(choices), parsed))
                known.add(_plain(key.expression))
    for i in range(len(spec.key_choices), len(choices)):
        keyed = choices[i].conjunction.keyed_records(engine, "cleaned_records")
        engine.make_table(
            f"key_list_{i}",
            "select record_no, source_no,"
            f" cast(dense_rank() over (order by block_key) - 1 as integer) as code_{i}"
            f" from ({keyed})",
        )
        if not choices[i].key.is_list:
            engine.make_table(
                "wider",
                f"select k.*, coalesce(t.code_{i}, -k.record_no - 1)::integer as code_{i}"
                f" from key_codes as k left join key_list_{i} as t on t.record_no = k.record_no",
            )
            engine.make_table("key_codes", "from wider order by record_no")
    listed = frozenset(i for i, choice in enumerate(choices) if choice.key.is_list)
    return Index(engine, choices, listed, spec.link_mode, spec.blocks, n_records)


def _wordy_fields(engine: DuckDBEngine, spec: PipelineSpec) -> set[str]:
    """Find the fields whose values are lists of words."""
    columns = ", ".join(
        f"avg(length({quoted(f)}) - length(replace({quoted(f)}, ' ', '')) + 1)"
        for f in spec.field_kinds
    )
    means = engine.row(f"select {columns} from cleaned_records")
    return {
        field
        for field, mean in zip(spec.field_kinds, means, strict=True)
        if mean is not None and mean >= WORDS_WORTH_LISTING
    }


def _pinned(index: Index, spec: PipelineSpec, learning: Learning) -> list[Keys]:
    places = {_plain(choice.expression): i for i, choice in enumerate(index.choices)}
    pinned = []
    for keys in learning.pin:
        members = _conjunction(spec, keys).keys
        pinned.append(tuple(sorted({places[_plain(key.expression)] for key in members})))
    return list(dict.fromkeys(pinned))


def _declared(index: Index, spec: PipelineSpec) -> list[Keys]:
    """Find the strategies that are conjunctions of known keys: what they find is found already."""
    places = {_plain(choice.expression): i for i, choice in enumerate(index.choices)}
    found = []
    for strategy in spec.strategy_conjunctions:
        members = [places.get(_plain(key.expression)) for key in strategy.keys]
        if None not in members:
            found.append(tuple(sorted({key for key in members if key is not None})))
    return list(dict.fromkeys(found))


def _sample(engine: DuckDBEngine, index: Index, learning: Learning, round_no: int) -> Sample:
    """Draw the records of blocks_train; judged ones are among them."""
    engine.make_table(
        "train_records",
        f"""
        select record_no from (
            select record_no from key_codes
            order by md5(concat('{learning.seed} {round_no} ', record_no)), record_no
            limit {learning.sample}
        ) union select left_no from labelled union select right_no from labelled
        """,
    )
    single = [i for i in range(len(index.choices)) if i not in index.listed]
    found = engine.con.execute(
        f"select source_no, {', '.join(f'code_{i}' for i in single)} from key_codes"
        " where record_no in (select record_no from train_records) order by record_no"
    ).fetchnumpy()
    codes = np.full((len(found["source_no"]), len(index.choices)), -1, np.int64)
    for i in single:
        codes[:, i] = found[f"code_{i}"]
    return Sample(codes, np.asarray(found["source_no"], np.int64), index)


def _with_room(index: Index, sample: Sample, limits: Limits, most: int) -> Limits:
    """Raise the limits, up to so many pairs, where the narrowest conjunction makes more of them.

    Where entities have a hundred records, equal values in any two fields make more pairs than a
    rule may, and to learn none would be to find nobody. The budget still decides what is kept.
    """
    whole = [i for i, choice in enumerate(index.choices) if choice.level == 0 and not choice.swaps]
    whole = [i for i in whole if i not in index.listed]
    together = min(2, limits.k, len(whole))
    pairs = [sample.pairs(keys) for keys in combinations(whole, together)]
    narrowest = min((n for n in pairs if n), default=0.0)
    if narrowest <= limits.pairs_of_rule:
        return limits
    of_rule = min(most, round(ROOM * narrowest))
    logger.info("the narrowest rule makes %s pairs; allowing more", f"{round(narrowest):,}")
    of_all = min(most, max(limits.pairs, RULES_OF_ROOM * of_rule))
    return replace(limits, pairs_of_rule=of_rule, pairs=of_all)


def _evidence(
    engine: DuckDBEngine,
    index: Index,
    sample: Sample,
    spec: PipelineSpec,
    limits: Limits,
    banned: _Banned,
    round_no: int,
    scorer: Scorer | None,
) -> tuple[Evidence, NDArray[np.bool_], int, bool]:
    """Gather what tells good rules: judged matches, probable ones, and pairs of any kind.

    Returns the evidence, its judged matches first, the keys that any candidates share, the number
    of judged matches, and whether the model told the probable ones.
    """
    first = list(loosest_affordable(index, sample, limits.pairs_of_rule, min(2, limits.k), banned))
    if not first:
        first = list(loosest_affordable(index, sample, limits.pairs_of_rule, limits.k, banned))
    sample_records(engine, sum(index.cost(keys).pairs for keys in first), f"{spec.seed}-{round_no}")
    # Keys affordable alone, too: what of theirs other rules make is told by their own pairs.
    alone = [(key,) for key in range(len(index.choices)) if not banned((key,))]
    first += [
        k for k in alone if k not in first and 0 < index.cost(k).pairs <= limits.pairs_of_rule
    ]
    logger.info("looking for probable matches with %s conjunctions", len(first))
    engine.make_table(
        "sampled_codes",
        "select * from key_codes where record_no in (select record_no from sampled_records)",
    )
    sample_pairs(engine, [_proposal(index, keys) for keys in first], index.mode)
    judged = engine.row("select count(*) from labelled where is_match")[0]
    counts = {"matches": judged, "non_matches": 0}
    single = [c for i, c in enumerate(index.choices) if i < len(spec.key_choices)]
    scores = scorer(engine, "sampled_pairs") if scorer else None
    _, estimate = fit_weights(engine, single, "sampled_pairs", counts, scores)
    engine.con.register("probabilities", _table(probability=estimate.probability))
    engine.make_table(
        "probable",
        """
        select p.left_no, p.right_no, q.probability from (
            select left_no, right_no, row_number() over (order by left_no, right_no) as nth
            from sampled_pairs
        ) as p join (select probability, row_number() over () as nth from probabilities) as q
            on q.nth = p.nth
        """,
    )
    engine.con.unregister("probabilities")
    order = f"md5(concat('{spec.seed} ', left_no, ' ', right_no)), left_no, right_no"
    engine.make_table(
        "evidence_pairs",
        f"""
        select cast(row_number() over (order by judged desc, left_no, right_no) - 1 as integer)
            as pair_no, left_no, right_no, worth, judged
        from (
            select left_no, right_no, 1.0 as worth, true as judged from labelled where is_match
            union all select * from (
                select left_no, right_no, probability, false from probable
                where probability >= {PROBABLE}
                    and (left_no, right_no) not in (select (left_no, right_no) from labelled)
                order by {order} limit {EVIDENCE_PAIRS}
            )
        )
        """,
    )
    found = engine.con.execute(
        "select left_no, right_no, worth, judged from evidence_pairs order by pair_no"
    ).fetchnumpy()
    worth = np.asarray(found["worth"], np.float64)
    is_judged = np.asarray(found["judged"], bool)
    n_judged = int(is_judged.sum())
    if n_judged >= LEAST_LABELS and (~is_judged).any():
        worth[~is_judged] *= WORTH_OF_PROBABLE * n_judged / worth[~is_judged].sum()
    left, right = np.asarray(found["left_no"], np.int64), np.asarray(found["right_no"], np.int64)
    shared = index.agreement("evidence_pairs", len(worth))
    evidence = Evidence(shared, worth, _entities(left, right), "evidence_pairs")
    seen = _agreement_of(
        index, f"select left_no, right_no from probable order by {order} limit {SEEN_PAIRS}"
    )
    return evidence, seen, n_judged, estimate.taught


def _write_weak_labels(engine: DuckDBEngine, lake: Lake, fingerprint: str, taught: bool) -> None:
    """Write down the pairs of which the model is sure, of those that were looked at.

    taught: it was listened to; else there are none.
    """
    with lake.writing("weak_labels", {"fingerprint": fingerprint}) as draft:
        engine.write(
            f"""
            select left_no, right_no, probability as match_probability from probable
            where {taught} and (probability >= {SURE} or probability <= {1 - SURE})
            order by left_no, right_no
            """,
            draft.file(),
        )


def _proposal(index: Index, keys: Keys) -> str:
    """Write the query of the pairs (a, b) that a conjunction proposes to sampled_codes, as a."""
    names = [f"code_{key}" for key in keys]
    lists = [key for key in keys if key in index.listed]
    kept = f"select {', '.join(names)} from ({index.blocks_sql(keys)}) where reason is null"
    sides = {"l": "sampled_codes", "r": "key_codes"}
    relations = {}
    for side, table in sides.items():
        relation = f"select c.record_no, {', '.join(_code(key, index) for key in keys)}"
        relation += f" from {table} as c"
        if lists:
            relation += f" join key_list_{lists[0]} as t on t.record_no = c.record_no"
        relations[side] = f"({relation})"
    same = " and ".join(f"l.{name} = r.{name}" for name in names)
    whole = " and ".join(f"b.{name} = l.{name}" for name in names)
    return (
        f"select l.record_no as a, r.record_no as b from {relations['l']} as l"
        f" join ({kept}) as b on {whole} join {relations['r']} as r on {same}"
    )


def _code(key: int, index: Index) -> str:
    return f"{'t' if key in index.listed else 'c'}.code_{key}"


def _agreement_of(index: Index, pairs: str) -> NDArray[np.bool_]:
    """Tell which keys the pairs of a query share: (n_pairs, n_keys)."""
    index.engine.make_table(
        "some_pairs",
        "select cast(row_number() over (order by left_no, right_no) - 1 as integer) as pair_no,"
        f" left_no, right_no from ({pairs})",
    )
    (n_pairs,) = index.engine.row("select count(*) from some_pairs")
    return index.agreement("some_pairs", n_pairs)


def _entities(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give every pair the smallest record that matches lead to from it."""
    parent: dict[int, int] = {}

    def root(record: int) -> int:
        while parent.setdefault(record, record) != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return np.array([root(a) for a in left.tolist()], np.int64)


def _table(**columns: NDArray[Any]) -> Any:
    import pyarrow as pa

    return pa.table(columns)


@dataclass(frozen=True)
class _HeldOut:
    """Recall on entities that the rules had not seen.

    found, entities: of all rules together, in entities. by_rule: the same of each rule, over the
    folds whose learning chose it.
    """

    found: float
    entities: int
    by_rule: dict[Keys, tuple[float, int]]

    @property
    def recall(self) -> float:
        """Share of the entities found."""
        return self.found / self.entities if self.entities else 0.0


def _hold_out(index: Index, judged: Evidence, learn: Any, seed: int) -> _HeldOut:
    """Learn on four fifths of the entities, test on the fifth, five times."""
    fold = folds(judged.entity, FOLDS, seed)
    found, entities = 0.0, 0
    by_rule: dict[Keys, tuple[float, int]] = {}
    for n in range(FOLDS):
        test = fold == n
        if not test.any() or test.all():
            continue
        rules = learn(~test)
        names, place = np.unique(judged.entity[test], return_inverse=True)
        size = np.bincount(place)

        def share_of(hit: NDArray[np.bool_]) -> float:
            # An entity of many pairs is one draw, not many.
            return float((np.bincount(place, weights=hit) / size).sum())  # noqa: B023

        union = np.zeros(int(test.sum()), bool)
        for rule in rules:
            hit: NDArray[np.bool_] = np.asarray(judged.shared[:, rule.keys].all(axis=1))
            lost = index.beyond_cap(rule.keys, judged.table)
            hit[lost[lost < len(hit)]] = False
            union |= hit[test]
            before = by_rule.get(rule.keys, (0.0, 0))
            by_rule[rule.keys] = (before[0] + share_of(hit[test]), before[1] + len(names))
        found += share_of(union)
        entities += len(names)
    return _HeldOut(found, entities, by_rule)


def rule_name(expressions: Sequence[str], taken: set[str]) -> str:
    """Name a rule after its keys: left(last_name, 4), phone is last_name_left_4_phone."""
    parts = []
    for expression in expressions:
        words = re.findall(r"[A-Za-z0-9_]+", expression)
        depth = expression.count("(")
        functions, arguments = words[:depth], words[depth:]
        parts.append("_".join([*arguments[:1], *reversed(functions), *arguments[1:]]))
    name = re.sub(r"_+", "_", "__".join(parts)).strip("_").lower()[:56]
    name = name if name[0].isalpha() else f"rule_{name}"
    unique, n = name, 2
    while unique in taken:
        unique, n = f"{name}_{n}", n + 1
    return unique


def _write(
    engine: DuckDBEngine,
    lake: Lake,
    spec: PipelineSpec,
    index: Index,
    limits: Limits,
    rules: Sequence[Rule],
    held_out: _HeldOut | None,
    labelled: dict[str, int],
    fingerprint: str,
    taught: bool,
) -> dict[str, Any]:
    taken = {strategy.lower() for strategy in spec.proposers}
    judged = _agreement_of(index, "select left_no, right_no from labelled where is_match")
    wrong = _agreement_of(index, "select left_no, right_no from labelled where not is_match")
    told: list[dict[str, Any]] = []
    for rule in rules:
        keys = [index.choices[key].key for key in rule.keys]
        expressions = [key.expression for key in keys]
        name = rule_name(expressions, taken)
        taken.add(name)
        tested = held_out.by_rule.get(rule.keys) if held_out else None
        recall = (tested[0] / tested[1], *interval(*tested)) if tested and tested[1] else None
        told.append(
            {
                "rule": name,
                "expressions": expressions,
                # What DuckDB computes; functions of our own over distinct values keep their name.
                "sql": " and ".join(key.expression if key.lookups else key.sql for key in keys),
                "source_columns": sorted({c for key in keys for c in key.source_columns}),
                "origin": rule.origin,
                "matches_found": int(judged[:, rule.keys].all(axis=1).sum()),
                "non_matches_made": int(wrong[:, rule.keys].all(axis=1).sum()),
                "evidence_found": rule.worth,
                "evidence_new": rule.new_worth,
                "recall": recall,
                "pairs": rule.pairs,
                "new_pairs": rule.new_pairs,
                "largest_block": rule.largest,
            }
        )
    learning = spec.learns
    assert learning is not None
    low, high = interval(held_out.found, held_out.entities) if held_out else (None, None)
    facts: dict[str, Any] = {
        "fingerprint": fingerprint,
        "rules": told,
        "ranking": learning.ranking,
        "seed": learning.seed,
        "pairs": sum(rule.pairs for rule in rules),
        "max_pairs_of_rule": limits.pairs_of_rule,
        "taught_by_model": taught,
        "conjunctions_counted": len(index.costs),
        "labelled_matches": labelled["matches"],
        "labelled_non_matches": labelled["non_matches"],
        "evidence_found": float(sum(rule.new_worth for rule in rules)),
        "held_out_entities": held_out.entities if held_out else 0,
        "recall": held_out.recall if held_out and held_out.entities else None,
        "recall_low": low,
        "recall_high": high,
    }
    with lake.writing("blocks_train", {"fingerprint": fingerprint}) as draft:
        engine.write(_train_sql(engine, spec), draft.file())
    with lake.writing("learned_rules", facts) as draft:
        engine.execute(
            "create or replace table rule_rows (rule_no integer, rule varchar, expression varchar,"
            " sql varchar, source_columns varchar[], origin varchar, support bigint,"
            " non_matches bigint, evidence_found double, evidence_new double, recall double,"
            " recall_low double, recall_high double, pairs bigint, new_pairs bigint,"
            " largest_block bigint, seed bigint)"
        )
        for i, rule_facts in enumerate(told):
            held = rule_facts["recall"] or (None, None, None)
            engine.execute(
                f"insert into rule_rows values ({', '.join('?' * 17)})",
                [
                    i,
                    rule_facts["rule"],
                    " and ".join(rule_facts["expressions"]),
                    rule_facts["sql"],
                    rule_facts["source_columns"],
                    rule_facts["origin"],
                    rule_facts["matches_found"],
                    rule_facts["non_matches_made"],
                    rule_facts["evidence_found"],
                    rule_facts["evidence_new"],
                    *held,
                    rule_facts["pairs"],
                    rule_facts["new_pairs"],
                    rule_facts["largest_block"],
                    learning.seed,
                ],
            )
        engine.write("select * from rule_rows order by rule_no", draft.file())
    return facts


def _train_sql(engine: DuckDBEngine, spec: PipelineSpec) -> str:
    """Write the query of blocks_train: sampled records with the text of each of their keys."""
    engine.make_table(
        "trained_on",
        "select * from cleaned_records where record_no in (select record_no from train_records)",
    )
    columns, joins = "", ""
    choices = (*spec.key_choices, *listed_choices(spec.field_kinds, spec.field_kinds))
    for i, choice in enumerate(choices):
        keyed = choice.conjunction.keyed_records(engine, "trained_on")
        key = "string_agg(block_key, ' ' order by block_key)" if choice.key.is_list else "block_key"
        engine.make_table(
            f"train_key_{i}",
            f"select record_no, {key} as block_key from ({keyed})"
            + " group by record_no" * choice.key.is_list,
        )
        columns += f", k{i}.block_key as {quoted(choice.expression)}"
        joins += f" left join train_key_{i} as k{i} on k{i}.record_no = r.record_no"
    return (
        f"select r.record_no, r.record_id, r.source{columns} from trained_on as r {joins}"
        " order by r.record_no"
    )


def learned_conjunctions(spec: PipelineSpec, facts: dict[str, Any]) -> tuple[Conjunction, ...]:
    """Read the learned rules, as facts of learned_rules tell them, as conjunctions."""
    return tuple(_conjunction(spec, rule["expressions"], rule["rule"]) for rule in facts["rules"])
