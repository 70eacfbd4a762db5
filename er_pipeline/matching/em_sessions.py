"""EM sessions: one training rule each, handed to Splink so that it sees every field the rule reads.

Splink leaves a comparison out of a session when the rule's SQL names one of its columns. A rule on
a derived column, such as soundex of a name, would leave the comparison of the name in: it agrees in
every pair, and its m comes out wrong without a word. So a rule is handed over as

    l._em_block_0 = r._em_block_0 and (l.name is null or l.name is not null)

The first part is the number of the record's kept block, NULL where it has none: exactly the pairs
that em_training_blocks counted, whatever function the rule uses and whatever the cap drops, and one
hash join. The second is true of every record, so it changes no pair; it names the fields. Splink
parses the rule and leaves out every comparison that reads a column named there, on whichever side
and in whichever place (EMTrainingSession and get_columns_used_from_sql, Splink 5.0), and starts its
share of matches from the levels of equal values of those columns. What Splink has left out is
compared with what the rule reads after each session, so that another version cannot change this
without a word.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import BlockingError
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.values.keys import Conjunction
from er_pipeline.matching.comparisons import compared_value
from er_pipeline.matching.splink_linker import linker_of, model_settings

logger = logging.getLogger(__name__)

RECORDS = "em_records"
# Where a session starts from; it ends elsewhere, since every session estimates its own share.
START_SHARE = 0.0001


class TrainingError(BlockingError):
    """The model cannot be trained as declared."""


@dataclass(frozen=True)
class Session:
    """What one training rule taught.

    pairs: of its blocks. match_share: estimated share of matches among them. m: of every trained
    comparison the share of the matches on each level, the level of equal values first; None where
    no pair was on it.
    """

    rule: str
    pairs: int
    match_share: float
    iterations: int
    converged: bool
    m: Mapping[str, tuple[float | None, ...]]

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
    columns = ["r.record_no", "r.source", "r.source_no"]
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


def rule_sql(i: int, rule: Conjunction, link_mode: str) -> str:
    """Write the i-th training rule as Splink gets it; see the top of this module."""
    column = block_column(i)
    named = "".join(
        f" and (l.{quoted(name)} is null or l.{quoted(name)} is not null)"
        for name in rule.source_columns
    )
    across = " and l.source_no <> r.source_no" if link_mode == "link" else ""
    return f"l.{column} = r.{column}{across}{named}"


def run_session(
    engine: Engine,
    spec: PipelineSpec,
    i: int,
    pairs: int,
    comparisons: Sequence[Mapping[str, Any]],
) -> Session:
    """Train m on the pairs of the i-th rule; every session starts afresh, so their order is free.

    comparisons: with u, which stays fixed. Term frequencies are left out: EM then runs over the
    distinct patterns of agreement, not over the pairs.

    Raises TrainingError if the session trained another set of comparisons than the rule leaves
    free.
    """
    rule = spec.training_conjunctions[i]
    plain = [without_frequencies(comparison) for comparison in comparisons]
    assert spec.matching is not None, "matching is on"
    most = spec.matching.max_iterations
    while True:
        settings = model_settings(spec, plain, START_SHARE, "dedupe_only")
        settings["max_iterations"] = most
        try:
            with linker_of(engine, [RECORDS], settings) as (linker, _):
                session = linker.training.estimate_parameters_using_expectation_maximisation(
                    rule_sql(i, rule, spec.link_mode), estimate_without_term_frequencies=True
                )
                trained = {c.output_column_name for c in session.core_model_settings.comparisons}
                model = linker.misc.save_model_to_json()
                chart = session.probability_two_random_records_match_iteration_chart()
                history = [
                    float(point["probability_two_random_records_match"])
                    for point in chart.raw_records
                ]
            break
        except (ValueError, ZeroDivisionError) as error:
            # Splink stops where an m or the share falls to 0, as it does in a few pairs that are
            # all matches, or none; what the iterations before have found is kept.
            zero = isinstance(error, ZeroDivisionError) or "m_probability" in str(error)
            if not zero or most == 1:
                raise
            most //= 2
    share, iterations = history[-1], len(history) - 1
    free = free_comparisons(spec, i)
    if trained != free:
        raise TrainingError(
            f"training rule {rule.name!r}: Splink trained {sorted(trained)}, but the rule leaves"
            f" {sorted(free)} free; its m would be wrong. Report this, with the version of Splink"
        )
    logger.info("session %s: %s iterations, %.4f matches", rule.name, iterations, share)
    return Session(
        rule.name,
        pairs,
        round(share, 6),
        iterations,
        iterations < most,
        {
            comparison["output_column_name"]: tuple(
                _rounded(level.get("m_probability")) for level in levels_of(comparison)
            )
            for comparison in model["comparisons"]
            if comparison["output_column_name"] in free
        },
    )


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


def _rounded(value: Any) -> float | None:
    # Sums of floats differ in their last digits with the number of threads.
    return None if value is None else round(float(value), 6)
