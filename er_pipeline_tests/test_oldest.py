"""The oldest versions that CI runs are the oldest that pyproject.toml allows."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
OLDEST = Path(__file__).with_name("oldest.txt")
# What the tables may depend on, of all that is needed.
NEEDED = {"duckdb", "pandas", "pyarrow", "numpy", "dagster"}


def test_the_constraints_are_the_lower_bounds() -> None:
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    bounds = dict(re.match(r"([\w.-]+)>=([\d.]+)", line).groups() for line in listed)  # type: ignore[union-attr, misc]
    pins = dict(line.split("==") for line in OLDEST.read_text("utf-8").splitlines() if "==" in line)
    assert pins.keys() >= NEEDED

    def parts(version: str) -> list[int]:
        return [int(part) for part in re.sub(r"(\.0)+$", "", version).split(".")]

    assert {n: parts(v) for n, v in pins.items()} == {n: parts(bounds[n]) for n in pins}
