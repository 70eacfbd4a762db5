"""Offers: changes that would find missed pairs, each with its cost, as two tables of the engine."""

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, arrow_of

# (remedy, pairs, finds), and (left_no, right_no, remedy).
REMEDIES, OPTIONS = "remedies", "remedy_options"
REMEDY = Column("remedy", "VARCHAR", "The change, and its cost")
PAIRS = Column("pairs", "BIGINT", "Pairs that it adds")
FINDS = Column("finds", "BIGINT", "Missed pairs that it would find")


def begin_offers(engine: Engine) -> None:
    """Make the tables, with no offer yet."""
    engine.put(REMEDIES, arrow_of((REMEDY, PAIRS, FINDS)))
    engine.put(OPTIONS, arrow_of((LEFT_NO, RIGHT_NO, REMEDY)))


def offer(engine: Engine, options: str, costs: str) -> None:
    """Add remedies.

    options: query of (left_no, right_no, remedy). costs: query of (remedy, pairs, finds).
    """
    engine.append(REMEDIES, costs)
    engine.append(
        OPTIONS,
        f"select distinct o.* from ({options}) as o join {REMEDIES} as r on r.remedy = o.remedy",
    )


def leave_within(engine: Engine, most: int | None) -> None:
    """Take the remedies back that add more pairs than may be."""
    if most is not None:
        engine.make_table(REMEDIES, f"select * from {REMEDIES} where pairs <= {most}")


def rounded_up(number: str) -> str:
    """Write the expression that rounds a whole number up to two digits: 812 becomes 820."""
    step = f"cast(pow(10, greatest(length(cast({number} as varchar)) - 2, 0)) as bigint)"
    return f"(({number} + {step} - 1) // {step} * {step})"
