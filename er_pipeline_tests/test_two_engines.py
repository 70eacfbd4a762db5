"""The same tables from DuckDB and from Sail: table by table, pair by pair, weight by weight."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.two_engines import differing, made_by_both, need_sail

need_sail()

# Values that meet often, with quotes, marks of our own, letters of other scripts, and none.
WORDS = ("ann", "anna", "o'neill", "a|b", "x > y", "ÿn", "李", "back\\slash", None, None)
NAME = ["left(last, 3)", "left(first, 1)"]
CASES: dict[str, dict[str, Any]] = {
    "dedupe": {
        "strategies": {"name": NAME, "town": "city", "words": "qgrams(last, 2)"},
        "blocks": {"max_size": 9, "oversized": "refine"},
        "training_rules": {"same_town": "city", "same_name": ["soundex(last)", "first"]},
        "budget": {"pairs_per_record": 2, "floor_per_record": 1},
        "second_pass": {"strategies": {"near": "left(last, 1)"}},
    },
    "link": {
        "strategies": {"name": NAME, "town": "city"},
        "blocks": {"max_size": 20},
        "training_rules": {"same_town": "city"},
        "budget": {"pairs_per_record": 1},
    },
    "link_and_dedupe": {
        "mode": "link_and_dedupe",
        "strategies": {"town": ["city", "first"]},
        "learning": {"max_rules": 3},
        "training_rules": {"same_town": "city"},
    },
}


def drawn_records(seed: int, n_records: int, first_no: int = 0) -> list[dict[str, str | None]]:
    """Draw small tables: half of the records repeat an earlier one with a change."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, str | None]] = []
    for no in range(first_no, first_no + n_records):
        row = {name: WORDS[rng.integers(len(WORDS))] for name in ("first", "last", "city")}
        if rows and rng.random() < 0.5:
            row = {**rows[rng.integers(len(rows))], "city": row["city"]}
        rows.append({**row, "id": f"{no}"})
    return [{"id": row["id"], **row} for row in rows]


@pytest.mark.parametrize("case", CASES)
def test_every_table_is_the_same(case: str, tmp_path: Path) -> None:
    sources = [drawn_records(len(case), 160)]
    if case != "dedupe":
        sources.append(drawn_records(len(case) + 1, 60, 1_000))
    dataset = Dataset(tmp_path, sources, **CASES[case])
    made, found = [], []
    for step, *lakes in made_by_both(dataset.spec, tmp_path):
        for table in step.writes:
            made.append(table.name)
            found.append(differing((lakes[0], lakes[1]), table.name))
    assert [text for text in found if text] == []
    assert {"filtered_blocks", "record_codes", "key_codes", "unified_pairs"} <= set(made)
