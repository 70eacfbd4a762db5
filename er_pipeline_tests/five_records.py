"""Five records whose figures are counted by hand, and their blocking report."""

from typing import Any

from er_pipeline_tests.conftest import Dataset, Rows

# By last name: {1, 2, 3}, {4}; by city: {1, 2}, {3, 4}; 5 has neither.
FIVE: Rows = [
    {"id": "1", "last": "lee", "city": "york", "person_id": "p"},
    {"id": "2", "last": "lee", "city": "york", "person_id": "p"},
    {"id": "3", "last": "lee", "city": "bath", "person_id": "q"},
    {"id": "4", "last": "may", "city": "bath", "person_id": "q"},
    {"id": "5", "last": None, "city": None, "person_id": "q"},
]


STRATEGIES = {"last": "last", "city": "city"}


def figures_of(people: Dataset) -> dict[str, Any]:
    """Run everything up to blocking_report; return its figures."""
    figures: dict[str, Any] = people.make("blocking_report")
    return figures
