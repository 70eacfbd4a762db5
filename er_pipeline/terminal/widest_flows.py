"""The widest flows: declarations that together switch every step on, for the reference pages."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.step import Step
from er_pipeline.flow import flow

# Names that stand for those of any dataset. Its files are never opened.
EVERYTHING: Mapping[str, Any] = {
    "dataset": "DATASET",
    "sources": [{"path": "people.csv"}],
    "fields": {"last_name": "person_name", "city": "text"},
    "strategies": {"STRATEGY": "last_name"},
    "learning": {},
    "budget": {"pairs_per_record": 5},
    "embedding": True,
    "second_pass": {"strategies": {"second": "city"}, "embedding": True},
    "training_rules": {"same_name": "last_name", "same_city": "city"},
    "matching": True,
    "survivorship": True,
    "truth": {"cluster_column": "person_id"},
    "labels": {},
}
# Each one is everything but for some settings, so that tables are made of others.
DECLARATIONS: tuple[Mapping[str, Any], ...] = (
    EVERYTHING,
    {**EVERYTHING, "matching": False, "survivorship": None},
    {**EVERYTHING, "second_pass": None},
    {**EVERYTHING, "second_pass": None, "budget": None, "embedding": None},
    {**EVERYTHING, "training_rules": None},
)


@cache
def widest_flows() -> tuple[tuple[Step, ...], ...]:
    """Return the steps of every declaration, the fullest one first."""
    specs = (PipelineSpec.model_validate(declared) for declared in DECLARATIONS)
    return tuple(tuple(flow(spec)) for spec in specs)
