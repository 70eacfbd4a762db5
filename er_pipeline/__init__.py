"""er_pipeline: blocking for entity resolution, end to end.

`er_pipeline.blocking` is the plain library: an engine and a spec in, tables out.
`er_pipeline.orchestration` is the Dagster half: assets, checks, a job and a schedule per dataset.
`er_pipeline.BlockingPipeline` is the component type that a dataset's `defs.yaml` names.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from er_pipeline.orchestration.component import BlockingPipeline

__all__ = ["BlockingPipeline"]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `er_pipeline.blocking` never imports Dagster.
    if name == "BlockingPipeline":
        from er_pipeline.orchestration.component import BlockingPipeline

        return BlockingPipeline
    raise AttributeError(f"module 'er_pipeline' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
