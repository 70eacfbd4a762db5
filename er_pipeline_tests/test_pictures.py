import re
from typing import Any, get_args
from urllib.parse import unquote

import dagster as dg
import pytest

from er_pipeline.blocking.tables.pictures import (
    BlockSizes,
    Counts,
    Curve,
    Estimates,
    Grid,
    LevelShares,
    LevelWeights,
    MatchWeights,
    Overlap,
    Picture,
    Quality,
    Similarities,
    WeightClasses,
    numbers,
)
from er_pipeline.orchestration.asset_metadata import metadata_values

# Each picture with a text that its drawing must show.
DRAWINGS: list[tuple[Picture, str]] = [
    (Counts("votes on pairs", {"match": 30, "no match": 12}), "no match"),
    (BlockSizes({"1": {"blocks": 9, "pairs": 0}, "2-10": {"blocks": 4, "pairs": 60}}), "60 pairs"),
    (Similarities({"0.3-0.4": 5, "0.9-1.0": 1}), "0.9: 1"),
    (LevelWeights({"last_name": [{"match_weight": 7.1}, {"match_weight": -2.5}]}), "last_name"),
    (LevelShares({"last_name": [{"m": 0.9, "u": 0.01}, {"m": 0.1, "u": 0.99}]}), "last_name"),
    (WeightClasses([{"weight": 3.5, "pairs": 8, "kept": 5}]), "3.5"),
    (MatchWeights({-4: 100, 12: 7}), "12"),
    (Curve({"ranked": [(0.5, 0.6), (4.0, 0.9)], "soundex": [(1.0, 0.5)]}), "soundex"),
    (
        Quality(
            [{"threshold": t / 10, "precision": 0.9, "recall": 0.8, "f1": 0.85} for t in (5, 9)]
        ),
        "0.5",
    ),
    (Estimates({"recall": (0.8, 0.9, 0.95)}), "recall"),
    (Overlap(["email", "soundex"], [[4, 1], [1, 6]]), "soundex"),
]


def test_a_picture_of_every_kind_is_tried() -> None:
    assert {type(picture) for picture, _ in DRAWINGS} | {Grid} == set(get_args(Picture))


@pytest.mark.parametrize(
    ("picture", "text"), DRAWINGS, ids=[type(picture).__name__ for picture, _ in DRAWINGS]
)
def test_a_picture_is_drawn_as_markdown_that_shows_its_names(picture: Picture, text: str) -> None:
    markdown = markdown_of(picture)
    drawn = re.search(r"!\[[^]]+\]\(<data:image/svg\+xml,([^>]*)>\)(.*)", markdown, re.DOTALL)
    assert drawn, markdown
    assert text in unquote(drawn[1]) + drawn[2]


def test_a_grid_is_a_markdown_table() -> None:
    header, rule, *rows = markdown_of(Grid(["key", "pairs"], [["email", "3"]])).splitlines()
    assert [cell.strip() for cell in header.strip("|").split("|")] == ["key", "pairs"]
    assert set(rule) <= set("|-: ")
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows] == [
        ["email", "3"]
    ]


def markdown_of(picture: Picture) -> str:
    (value,) = metadata_values({"shown": picture}).values()
    assert isinstance(value, dg.MarkdownMetadataValue)
    return value.value or ""


def test_numbers_are_all_that_a_ui_can_plot() -> None:
    facts: dict[str, Any] = {
        "pairs": 3,
        "share": 0.5,
        "text": "3",
        "is_exact": True,
        "none": None,
        "classes": {"1": 2},
        "list": [1],
    }
    assert numbers(facts) == {"pairs": 3, "share": 0.5}
    assert numbers({}) == {}
