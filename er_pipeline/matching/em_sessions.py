"""EM sessions: one training rule each, over the pairs of its blocks.

A session counts the patterns of agreement among exactly the pairs that em_training_blocks counted,
whatever function the rule uses and whatever the cap drops, and `mixture` finds the two classes in
them. What the rule reads agrees in every pair, so a comparison that reads one of its columns is
left out: its m would come out wrong without a word. Splink leaves out what the SQL of a rule names;
a rule on a derived column, such as soundex of a name, would leave the comparison of the name in.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.matching.comparisons import compared_value
from er_pipeline.matching.mixture import EQUAL_AT_START, Patterns, fit_mixture
from er_pipeline.matching.swapped_names import says_nothing, without_swapped

logger = logging.getLogger(__name__)

RECORDS = "em_records"
# Where a session starts from; it ends elsewhere, since every session estimates its own share.
START_SHARE = 0.0001
MOST_AT_START = 0.99
# Pairs that a session counts, about: of more a sample is drawn. Where one in a thousand is a match,
# the share of matches is then known to 2% of itself, a fortieth of a bit; Splink draws, too.
MAX_SESSION_PAIRS = 2_000_000
DRAW = "_em_draw"


@dataclass(frozen=True)
class Session:
    """What one training rule taught.

    pairs: of its blocks. match_share: estimated share of matches among them. m: of every trained
    comparison the share of the matches on each level, the level of equal values first; None where
    no pair was on it. u: the same of its other pairs, none of them 0.
    """

    rule: str
    pairs: int
    match_share: float
    iterations: int
    converged: bool
    m: Mapping[str, tuple[float | None, ...]]
    u: Mapping[str, tuple[float, ...]]

    @property
    def matches(self) -> float:
        """The expected number of matches among its pairs."""
        return self.match_share * self.pairs


def block_column(i: int) -> str:
    """Name the column with the number of a record's block in the i-th rule."""
    return f"_em_block_{i}"  # no field begins with _


def number_blocks(engine: Engine, spec: PipelineSpec) -> None:
    """Make the engine's table em_records: cleaned records with their block in every rule.

    Reads the engine's cleaned_records and em_training_blocks.
    """
    # Of the id, not of the number: the order of the records decides nothing.
    name = f"concat({literal(str(spec.seed))}, ' ', r.source_no, ' ', r.record_id)"
    columns = ["r.record_no", "r.source", "r.source_no", f"{engine.row_hash(name)} as {DRAW}"]
    columns += [compared_value(name, "r.") for name in spec.field_kinds]
    joins = ""
    for i, rule in enumerate(spec.training_conjunctions):
        columns.append(f"b{i}.block_no as {block_column(i)}")
        joins += f"""
            left join (
                select record_no,
                    cast(dense_rank() over (order by block_key) as integer) as block_no
                from em_training_blocks where rule = {literal(rule.name)}
            ) as b{i} on b{i}.record_no = r.record_no
        """
    engine.make_table(
        RECORDS,
        f"select {', '.join(columns)} from cleaned_records as r {joins} order by r.record_no",
    )


def free_comparisons(spec: PipelineSpec, i: int) -> set[str]:
    """Give the compared fields whose comparison reads nothing that the i-th training rule reads."""
    fixed = spec.training_conjunctions[i].source_columns
    return {
        field for field, columns in spec.compared_columns.items() if not set(columns) & set(fixed)
    }


def run_session(
    engine: Engine,
    spec: PipelineSpec,
    i: int,
    pairs: int,
    comparisons: Sequence[Mapping[str, Any]],
) -> Session:
    """Train m and u on the pairs of the i-th rule; sessions know nothing of each other.

    comparisons: with u of random pairs. Term frequencies are left out.
    """
    rule = spec.training_conjunctions[i]
    free = free_comparisons(spec, i)
    taught = [c for c in comparisons if c["output_column_name"] in free]
    patterns = agreement_patterns(engine, spec, i, taught, MAX_SESSION_PAIRS / pairs)
    assert spec.matching is not None, "matching is on"
    chance = [[level["u_probability"] for level in levels_of(c)] for c in taught]
    found = fit_mixture(
        patterns,
        chance,
        _start_share(c for c in comparisons if c["output_column_name"] not in free),
        spec.matching.max_iterations,
        spec.matching.convergence,
    )
    names = [comparison["output_column_name"] for comparison in taught]
    logger.info(
        "session %s: %s iterations, %.4f matches", rule.name, found.iterations, found.match_share
    )
    levels_by_name = {c["output_column_name"]: levels_of(c) for c in taught}
    m = {}
    for name, shares, levels in zip(names, found.m, patterns.levels.T, strict=True):
        seen = set(levels.tolist())
        m[name] = without_swapped(
            [round(float(share), 6) if no in seen else None for no, share in enumerate(shares)],
            levels_by_name[name],
            rule.source_columns,
        )
    return Session(
        rule.name,
        pairs,
        round(found.match_share, 6),
        found.iterations,
        found.converged,
        m,
        {
            name: tuple(round(float(u), 12) for u in shares)
            for name, shares in zip(names, found.u, strict=True)
        },
    )


def _start_share(fixed: Iterable[Mapping[str, Any]]) -> float:
    """Expect of pairs that agree on some comparisons what their agreement says."""
    odds = START_SHARE / (1 - START_SHARE)
    for comparison in fixed:
        odds *= EQUAL_AT_START / levels_of(comparison)[0]["u_probability"]
    return min(odds / (1 + odds), MOST_AT_START)


def agreement_patterns(
    engine: Engine,
    spec: PipelineSpec,
    i: int,
    comparisons: Sequence[Mapping[str, Any]],
    share: float = 1.0,
) -> Patterns:
    """Count how the pairs of the i-th rule agree, in the order of the comparisons.

    share: of the pairs that are drawn, the same ones every time; 1 or more takes all.
    """
    fields = sorted({c for name in spec.compared_columns for c in spec.compared_columns[name]})
    column = block_column(i)
    sides = ", ".join(
        f"{side}.{quoted(field)} as {quoted(f'{field}_{side}')}"
        for field in fields
        for side in "lr"
    )
    across = " and l.source_no <> r.source_no" if spec.link_mode == "link" else ""
    # Of two well-mixed numbers, what differs is one, too.
    drawn = f" and xor(l.{DRAW}, r.{DRAW}) < {int(share * 2**64)}" if share < 1 else ""
    levels = [f"level_{n}" for n in range(len(comparisons))]
    graded = ", ".join(
        f"{level_sql(comparison)} as {level}"
        for comparison, level in zip(comparisons, levels, strict=True)
    )
    listed = ", ".join(levels)
    found = engine.columns(
        f"""
        select {listed}, count(*) as n from (
            select {graded} from (
                select {sides} from {RECORDS} as l join {RECORDS} as r
                    on l.{column} = r.{column} and l.record_no < r.record_no{across}{drawn}
            )
        ) group by {listed} order by {listed}
        """
    )
    graded_pairs = []
    for comparison, name in zip(comparisons, levels, strict=True):
        level = np.asarray(found[name], np.int64)
        graded_pairs.append(np.where(level < 0, -1, len(levels_of(comparison)) - 1 - level))
    return Patterns(np.stack(graded_pairs, axis=1), np.asarray(found["n"], np.int64))


def level_sql(comparison: Mapping[str, Any]) -> str:
    """Write the level of a pair: the highest for equal values, 0 for others, -1 if one is missing.

    It is -1, too, where another comparison says it. Reads the columns <field>_l and <field>_r.
    """
    cases, value = "", len(levels_of(comparison)) - 1
    for level in comparison["comparison_levels"]:
        if level.get("is_null_level"):
            cases += f" when {level['sql_condition']} then -1"
            continue
        if says_nothing(level):
            cases += f" when {level['sql_condition']} then -1"
        elif level["sql_condition"] != "ELSE":
            cases += f" when {level['sql_condition']} then {value}"
        value -= 1
    return f"cast(case{cases} else 0 end as tinyint)"


def levels_of(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the levels of a comparison of Splink's settings but for that of missing values."""
    return [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]


def without_frequencies(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Give a comparison of Splink's settings without term frequencies."""
    return {
        **comparison,
        "comparison_levels": [
            {name: value for name, value in level.items() if not name.startswith("tf_")}
            for level in comparison["comparison_levels"]
        ],
    }
