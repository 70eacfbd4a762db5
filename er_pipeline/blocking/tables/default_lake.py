"""The folder that holds the lake where a command or Dagster is given none."""

import os
from pathlib import Path

LAKE_VARIABLE = "ER_PIPELINE_LAKE"
DEFAULT_LAKE = ".lake"


def default_lake() -> Path:
    """Find the lake: the variable ER_PIPELINE_LAKE, or .lake in the working directory."""
    return Path(os.environ.get(LAKE_VARIABLE) or DEFAULT_LAKE).absolute()
