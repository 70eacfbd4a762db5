"""The limit of memberships: a many-valued key on long texts is stopped before it fills the disk.

A strategy such as qgrams(text, 3) puts a record into as many blocks as its text has q-grams. Of a
million texts of 500 characters that is half a billion rows, of which most blocks are far too large
to be compared. A sample shows it before any of them is made; and since a sample only stops what is
sure to be over the limit, whatever it leaves open is counted.
"""

import logging
import math

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import BudgetError
from er_pipeline.blocking.values.key_failures import named_failures
from er_pipeline.blocking.values.keys import Conjunction

logger = logging.getLogger(__name__)

# Records whose keys are counted first: of texts of 500 characters they take 1.5 CPU s.
SAMPLED = 5_000
# The chance that a sample stops a strategy which is within the limit.
CHANCE_OF_ERROR = 1e-9
# A record counts for at most so many times the keys that the limit allows each record on average,
# so that few records of very many keys prove nothing about the others.
MOST_OF_RECORD = 4
# Keys that are counted at a time where a sample is not enough: their texts lie in memory.
_COUNTED_AT_ONCE = 2_000_000


def check_memberships(
    engine: Engine, conjunction: Conjunction, spec: PipelineSpec, what: str = "strategy"
) -> None:
    """Stop a many-valued conjunction that would make more memberships than the limit allows.

    Reads the engine's cleaned_records. What passes may still be over the limit, by little: see
    `check_made_memberships`.
    Raises BudgetError that names the conjunction and what to do.
    """
    if not conjunction.is_list:
        return
    limit = spec.checks.max_memberships
    (n_records,) = engine.row("select count(*) from cleaned_records")
    if n_records <= 2 * SAMPLED:
        n_keys, _ = _count_keys(engine, conjunction, what, "record_no >= 0", limit)
        if n_keys > limit:
            raise _error(conjunction, spec, what, n_records, f"{n_keys:,}", n_keys / n_records)
        return
    # By a hash, since the order of the ids may go with the length of the texts.
    sampled = (
        "record_no in (select record_no from (select record_no from cleaned_records"
        f" order by {engine.row_hash('cast(record_no as varchar)')} limit {SAMPLED}))"
    )
    allowed = limit / n_records
    n_keys, n_sure = _count_keys(engine, conjunction, what, sampled, MOST_OF_RECORD * allowed)
    per_record = n_keys / SAMPLED
    about = f"about {round(per_record * n_records):,}"
    # Hoeffding, "Probability Inequalities for Sums of Bounded Random Variables", JASA 58, 1963; it
    # holds without replacement, too. What is over the limit by a fifth or more is stopped here.
    margin = math.sqrt(-math.log(CHANCE_OF_ERROR) / (2 * SAMPLED))
    if n_sure / SAMPLED > allowed * (1 + MOST_OF_RECORD * margin):
        raise _error(conjunction, spec, what, n_records, about, per_record)
    if per_record <= allowed:
        return
    logger.info("%s: %s memberships in sight; counting them", conjunction.name, about)
    n_found, first = 0, 0
    step = max(1, int(_COUNTED_AT_ONCE / per_record))
    while first < n_records:
        some = f"record_no >= {first} and record_no < {first + step}"
        n_found += _count_keys(engine, conjunction, what, some, limit)[0]
        first += step
        if n_found > limit:
            raise _error(conjunction, spec, what, n_records, about, per_record)


def check_made_memberships(
    engine: Engine,
    conjunction: Conjunction,
    spec: PipelineSpec,
    members: str,
    what: str = "strategy",
) -> None:
    """Stop a many-valued conjunction that has made more memberships than the limit allows.

    members: engine table, one row per membership. Raises BudgetError as `check_memberships` does.
    """
    if not conjunction.is_list:
        return
    (n_made,) = engine.row(f"select count(*) from {members}")
    if n_made > spec.checks.max_memberships:
        (n_records,) = engine.row("select count(*) from cleaned_records")
        raise _error(conjunction, spec, what, n_records, f"{n_made:,}", n_made / n_records)


def _count_keys(
    engine: Engine, conjunction: Conjunction, what: str, some: str, most: float
) -> tuple[int, float]:
    """Count the keys of some records: all of them, and at most so many of each record."""
    engine.make_table("counted_records", f"select * from cleaned_records where {some}")
    with named_failures(engine, "counted_records", [conjunction], what):
        keyed = conjunction.keyed_records(engine, "counted_records")
        n_keys, n_sure = engine.row(
            f"select coalesce(sum(n), 0)::bigint, coalesce(sum(least(n, {most!r})), 0)::double"
            f" from (select count(*) as n from ({keyed}) group by record_no)"
        )
    engine.drop("counted_records")
    return int(n_keys), float(n_sure)


def _error(
    conjunction: Conjunction,
    spec: PipelineSpec,
    what: str,
    n_records: int,
    memberships: str,
    per_record: float,
) -> BudgetError:
    return BudgetError(
        f"{what} {conjunction.name!r}: {conjunction.expression} gives a record"
        f" {per_record:,.0f} keys on average, so {n_records:,} records {memberships}"
        f" memberships, and checks: max_memberships allows {spec.checks.max_memberships:,}."
        " Take a shorter field, fewer keys (a larger q, or the first words alone), or raise the"
        " limit"
    )
