"""Sampled records against all: what is taken over from the night before equals a look at all."""

import random
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation.sampled_bounds import BOUNDED, LOOKED_AT, SAMPLE
from er_pipeline_tests.conftest import made_up_people
from er_pipeline_tests.nights import Nights
from er_pipeline_tests.rebuilt_nights import (
    OF_HISTORY,
    Person,
    edited,
    give_learned,
    settings_of,
)

# Few enough comparisons that the sample ends where they do.
RECALL = {"records": 100, "comparisons": 1_000, "min_probability": 0.01}


def nights_of(folder: Path, mode: str = "dedupe", **more: Any) -> Nights:
    matching = {"min_probability": 0.001, "recall": RECALL}
    return Nights(
        folder, {**settings_of("caps", mode), "labels": None, "matching": matching, **more}
    )


def facts_of(lake: Lake) -> dict[str, Any]:
    return {k: v for k, v in lake.facts(SAMPLE).items() if k not in OF_HISTORY}


@pytest.mark.parametrize("mode", ["dedupe", "link"])
def test_nights_equal_a_look_at_all(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("er_pipeline.evaluation.sampled_bounds.CELLS_PER_SLICE", 2_000)
    rng = random.Random(f"sampled {mode}")
    people: list[Person] = made_up_people(tmp_path, 260)
    pool = people[200:]
    n_sources = 1 if mode == "dedupe" else 2
    files = [people[i:200:n_sources] for i in range(n_sources)]
    nights = nights_of(tmp_path / "nights", mode)
    for night in range(3):  # the last one takes over what the second one did
        if night:
            files = [edited(rows, rng, pool) for rows in files]
        lake = nights.night(*files, until=SAMPLE)
        assert (lake.facts(SAMPLE).get("taken_over", 0) > 10) == (night > 0)
    rebuilt = nights_of(tmp_path / "rebuilt", mode)
    give_learned(lake, rebuilt.lake)
    other = rebuilt.night(*files, until=SAMPLE, publish=False, threads=1)
    for table in (SAMPLE, BOUNDED.name, LOOKED_AT.name):
        assert nights.rows(table) == rebuilt.rows(table), table
        assert nights.rows(table)
    assert facts_of(lake) == facts_of(other)


def test_only_what_was_looked_at_alike_is_taken_over(tmp_path: Path) -> None:
    people = made_up_people(tmp_path, 120)
    nights = nights_of(tmp_path / "nights")
    assert "taken_over" not in nights.night(people, until=SAMPLE).facts(SAMPLE)
    nights.settings["matching"] = {
        **nights.settings["matching"],
        "recall": {**RECALL, "min_probability": 0.02},
    }
    facts = nights.night(people[1:], until=SAMPLE).facts(SAMPLE)
    assert facts["done_in_full"] == "recall is estimated otherwise than by the last good run"
    facts = nights.night(people[:100], until=SAMPLE).facts(SAMPLE)
    assert facts["done_in_full"].startswith("only 83% of the records")
    facts = nights.night(people[:99], until=SAMPLE, full=True).facts(SAMPLE)
    assert not {"taken_over", "done_in_full"} & facts.keys()
