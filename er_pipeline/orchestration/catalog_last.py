"""The catalog comes last in every run: it shows nothing before what it is made of is made.

In the graph it hangs on the tables that no step reads, and so on all others. A run of some tables
alone may leave those out, and Dagster then sees nothing that the catalog would have to wait for.
"""

from collections.abc import Mapping

from dagster._core.execution.plan.plan import ExecutionPlan

CATALOG_ASSET = "catalog"
# Of two steps that are ready the one of higher priority goes first; the others have 0. Where one
# process does all, that alone puts the catalog last, whoever runs it.
RUN_LAST = {"dagster/priority": "-1"}


class CatalogLast(ExecutionPlan):
    """A plan in which the catalog of a dataset waits for all else that is run of the dataset.

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
    """Name all other steps of a dataset if the step is that of its catalog."""
    dataset = step.removesuffix(f"__{CATALOG_ASSET}")
    if step != catalog_step(dataset):
        return set()
    return {other for other in steps if other != step and other.startswith(f"{dataset}__")}
