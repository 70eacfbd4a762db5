"""Tables of other sorts than people: each written as CSV from a seed, its truth in CLUSTER."""

from collections.abc import Callable, Mapping
from pathlib import Path

CLUSTER = "person_id"
WRITERS: Mapping[str, Callable[[Path, int, int], list[Path]]] = {}
