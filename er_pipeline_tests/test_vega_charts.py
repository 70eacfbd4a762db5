from typing import Any

import pytest

from er_pipeline.evaluation.page.vega_charts import (
    bars,
    columns,
    curve,
    heat_map,
    height_of,
    intervals,
    log_axis,
    small_multiples,
    tooltips,
)

ROWS = [{"name": "a", "n": 3, "share": 0.5, "text": "3"}, {"name": "b", "n": 900, "share": 1.0}]


def test_a_logarithmic_axis_has_room_above_and_names_whole_powers() -> None:
    axis = log_axis(900, "pairs")
    assert axis["axis"]["values"] == [1, 10, 100, 1_000, 10_000]
    assert axis["scale"]["domain"] == [0.7, 10_000]


def test_bars_stand_in_their_order_with_texts_beside_them() -> None:
    spec = bars(ROWS, "name", "n", "pairs", shown="text")
    bar, text = spec["layer"]
    assert bar["encoding"]["y"]["sort"] is None
    assert bar["encoding"]["x"]["scale"]["domain"][1] > 900
    assert text["encoding"]["text"] == {"field": "text"}
    assert spec["height"] == height_of(ROWS, "name")


def test_a_histogram_leaves_out_what_is_empty_and_marks_the_threshold() -> None:
    rows = [{"from": 0, "to": 1, "pairs": 0}, {"from": 1, "to": 2, "pairs": 4}]
    spec = columns(rows, "from", "to", "pairs", ("bits", "pairs"), 1.5, "threshold")
    assert spec["layer"][0]["data"]["values"] == rows[1:]
    assert spec["layer"][1]["data"]["values"] == [{"at": 1.5, "text": "threshold"}]


def test_numbers_in_tooltips_have_their_thousands() -> None:
    formats = {tip["field"]: tip.get("format") for tip in tooltips(ROWS)}
    assert formats == {"name": None, "n": ",", "share": ",.4~g", "text": None}


@pytest.mark.parametrize(
    "spec",
    [
        bars([], "name", "n", "pairs", is_log=True),
        columns([], "from", "to", "pairs", ("bits", "pairs")),
        curve([], [], "x", "y", ("pairs", "share")),
        heat_map([], "x", "y", "share", "text", "filled"),
        intervals([], "name", "low", "middle", "high", "recall"),
        small_multiples([], "run", "value", "figure"),
    ],
)
def test_a_picture_of_nothing_is_one(spec: dict[str, Any]) -> None:
    assert spec["$schema"].endswith("v5.json")
