"""Asset keys: what Dagster calls a table of a dataset, under the prefix that a team wants."""

from er_pipeline.blocking.spec.pipeline import PipelineSpec


def path_of_dataset(spec: PipelineSpec) -> list[str]:
    """Return what all keys of a dataset begin with: [people], or [crm, eu, people]."""
    return [*(spec.key_prefix or ()), spec.dataset]


def name_of_dataset(spec: PipelineSpec) -> str:
    """Write the same as Dagster does, for tags and selections: crm/eu/people."""
    return "/".join(path_of_dataset(spec))


def asset_key(spec: PipelineSpec, name: str) -> list[str]:
    """Return the key of a table, of the catalog or of a place: [crm, eu, people, matches]."""
    return [*path_of_dataset(spec), name]
