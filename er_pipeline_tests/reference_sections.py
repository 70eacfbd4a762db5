"""The reference pages as they are committed, and the steps they describe."""

import re
from collections.abc import Iterator

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.step import Step
from er_pipeline.flow import flow
from er_pipeline.terminal.docs import DOCS
from er_pipeline_tests.test_flow import DECLARED


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


def section(name: str, heading: str) -> str:
    """Return what stands below a heading of a page."""
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page(name), re.DOTALL | re.MULTILINE)
    return str(found)


def steps() -> Iterator[Step]:
    """Give the steps of other declarations than those that the pages are made from."""
    for settings in DECLARED.values():
        declared = {
            "dataset": "people",
            "sources": [{"path": "people.csv", "columns": {"last_name": "name", "city": "town"}}],
            **settings,
        }
        yield from flow(PipelineSpec.model_validate(declared))


def as_in_the_page(table: str, strategies: set[str]) -> str:
    return "blocks_STRATEGY" if table in strategies else table


def blocks_of_strategies() -> set[str]:
    """Name the tables that are named after a strategy."""
    return {step.name for step in steps() if step.name.startswith("blocks_")}
