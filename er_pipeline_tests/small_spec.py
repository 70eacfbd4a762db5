"""The smallest declarations that are valid, to be changed by one setting each."""

from pathlib import Path
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec

HEAD = """\
type: er_pipeline.BlockingPipeline
attributes:
  dataset: people
  sources: [{path: people.csv}]
  fields: {first_name: person_name, last_name: person_name, email: email, company: company}
"""


def read_small_spec(
    folder: Path, more: str = "", overrides: dict[str, Any] | None = None
) -> PipelineSpec:
    file = folder / "defs.yaml"
    file.write_text(HEAD + more)
    return read_spec(file, overrides)


def small_spec(**settings: Any) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": [{"path": "people.csv"}],
            "fields": {"name": "text"},
            "strategies": {"name": "name"},
            **settings,
        }
    )
