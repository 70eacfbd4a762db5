"""Made-up people, matched, of whom some pairs are lost: what explains pairs and records."""

from pathlib import Path
from typing import Any

from er_pipeline_tests.conftest import Dataset, made_up_people

MATCHED: dict[str, Any] = {
    "fields": {
        "first_name": "person_name",
        "last_name": "person_name",
        "email": "email",
        "birth_date": "date",
    },
    "strategies": {"mail": "email", "sound": "soundex(last_name)"},
    "blocks": {"max_size": 6},
    "training_rules": {
        "name": ["soundex(last_name)", "left(first_name, 1)"],
        "born": "birth_date",
        "mail": "email",
    },
    "matching": True,
    "truth": {"cluster_column": "person_id"},
}


def make_lossy_people(folder: Path) -> Dataset:
    """Run 600 people up to missed_matches, in a folder."""
    wanted = ("id", *MATCHED["fields"], "person_id")
    rows = [{name: row[name] for name in wanted} for row in made_up_people(folder, 600)]
    people = Dataset(folder, [rows], **MATCHED)
    people.make("missed_matches")
    return people
