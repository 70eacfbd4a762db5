"""The limit of memberships: a many-valued key on long texts is stopped before it fills the disk.

A strategy such as qgrams(text, 3) puts a record into as many blocks as its text has q-grams. Of a
million texts of 500 characters that is half a billion rows, of which most blocks are far too large
to be compared.
"""

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import BudgetError
from er_pipeline.blocking.values.key_failures import named_failures
from er_pipeline.blocking.values.keys import Conjunction

# Records whose keys are counted; the mean of so many is known to a few percent.
COUNTED = 20_000


def check_memberships(
    engine: Engine, conjunction: Conjunction, spec: PipelineSpec, what: str = "strategy"
) -> None:
    """Stop a many-valued conjunction that would make more memberships than the limit allows.

    Reads the engine's cleaned_records; counts the keys of some of them, evenly spread.
    Raises BudgetError that names the conjunction and what to do.
    """
    if not conjunction.is_list:
        return
    (n_records,) = engine.row("select count(*) from cleaned_records")
    step = max(1, n_records // COUNTED)
    engine.make_view(
        "counted_records", f"select * from cleaned_records where record_no % {step} = 0"
    )
    keyed = conjunction.keyed_records(engine, "counted_records")
    with named_failures(engine, "counted_records", [conjunction], what):
        n_keys, n_counted = engine.row(
            f"select count(*), (select count(*) from counted_records) from ({keyed})"
        )
    per_record = n_keys / max(1, n_counted)
    expected = round(per_record * n_records)
    if expected > spec.checks.max_memberships:
        raise BudgetError(
            f"{what} {conjunction.name!r}: {conjunction.expression} gives a record"
            f" {per_record:,.0f} keys on average, so {n_records:,} records about {expected:,}"
            f" memberships, and checks: max_memberships allows {spec.checks.max_memberships:,}."
            " Take a shorter field, fewer keys (a larger q, or the first words alone), or raise the"
            " limit"
        )
