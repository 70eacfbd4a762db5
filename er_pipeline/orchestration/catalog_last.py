"""The catalog comes last in every run: it shows nothing before what it is made of is made.

In the graph it hangs on the tables that no step reads, and so on all others. A run of some tables
alone may leave those out, and Dagster then sees nothing that the catalog would have to wait for.
The places of `publish` come after it, and so after all else.
"""

from collections.abc import Mapping

from dagster._core.execution.plan.plan import ExecutionPlan

CATALOG_ASSET = "catalog"
# Of two steps that are ready the one of higher priority goes first; the others have 0. Where one
# process does all, that alone puts the catalog last, whoever runs it.
RUN_LAST = {"dagster/priority": "-1"}
RUN_AFTER_CATALOG = {"dagster/priority": "-2"}
# Begins the names of the assets that write what the catalog shows to places outside the lake.
PUBLISH_PREFIX = "publish_"


class CatalogLast(ExecutionPlan):
    """A plan in which the catalog of a dataset waits for all tables that are run of the dataset.

    If one of those fails that no line joins it with, the catalog publishes what is good of the run.
    """

    def get_executable_step_deps(self) -> Mapping[str, set[str]]:
        """Return step -> the steps that it waits for."""
        deps = super().get_executable_step_deps()
        return {step: waited | _all_else(step, deps) for step, waited in deps.items()}


def catalog_last(plan: ExecutionPlan) -> ExecutionPlan:
    """Return the plan of a run with each catalog at its end."""
    return CatalogLast(*plan)


def catalog_step(dataset: str) -> str:
    """Name the step that publishes a dataset."""
    return f"{dataset}__{CATALOG_ASSET}"


def _all_else(step: str, steps: Mapping[str, set[str]]) -> set[str]:
    """Name all that makes tables if a step is that of the catalog, or comes after it."""
    place = f"__{PUBLISH_PREFIX}"
    dataset = step.partition(place)[0] if place in step else step.removesuffix(f"__{CATALOG_ASSET}")
    if dataset == step:
        return set()
    last = (catalog_step(dataset), f"{dataset}{place}")
    return {
        other for other in steps if other.startswith(f"{dataset}__") and not other.startswith(last)
    }
