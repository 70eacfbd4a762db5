"""The demo: the declaration in defs/people, with as many made-up people as wanted."""

from pathlib import Path
from typing import Any

DEMO_DEFS = Path(__file__).parents[1] / "defs" / "people" / "defs.yaml"
# The six strategies make some 190 pairs per record at a million people; a demo of any size may.
DEMO_PAIRS_PER_RECORD = 400
DEMO_TRAINING_PAIRS_PER_RECORD = 200


def demo_overrides(n_records: int, seed: int) -> dict[str, Any]:
    """Return the settings of a demo of so many people, by dotted name; budgets grow with them."""
    return {
        "sources.0.generate.records": n_records,
        "sources.0.generate.seed": seed,
        "checks.max_pairs": max(20_000_000, DEMO_PAIRS_PER_RECORD * n_records),
        "checks.max_training_pairs": max(10_000_000, DEMO_TRAINING_PAIRS_PER_RECORD * n_records),
    }
