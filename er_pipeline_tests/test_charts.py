import re
from collections.abc import Mapping
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from er_pipeline.orchestration import charts
from er_pipeline.orchestration.charts import (
    INLINE_LIMIT,
    curve_picture,
    overlap_picture,
    quality_picture,
    recall_picture,
    similarity_histogram,
    size_histogram,
    weight_histogram,
)

SIZES = {
    name: {"blocks": 11_512_345, "pairs": 270_648_123}
    for name in ("1", "2-10", "11-99", "100-cap", "over the cap")
}
WEIGHTS: list[Mapping[str, float]] = [
    {"weight": 4.5 - i / 2, "pairs": 999_900_000 + i, "kept": 98_700_000} for i in range(40)
]
LINE = [(0.2497 * 2**i, 1 - 0.3 / (i + 1)) for i in range(16)]
QUALITY = [
    {"threshold": 0.0123456 * (i + 1), "precision": 0.9, "recall": 0.8 - i / 40, "f1": 0.7 + i / 50}
    for i in range(17)
]
SIX = ["email_exact", "email_domain", "name_key", "soundex", "company_word", "name_combo"]


def drawing(markdown: str) -> ElementTree.Element:
    found = re.search(r"!\[[^]]+\]\(<data:image/svg\+xml,([^>]*)>\)", markdown)
    assert found
    return ElementTree.fromstring(unquote(found[1]))


@pytest.mark.parametrize(
    "picture",
    [
        size_histogram(SIZES),
        similarity_histogram({f"{i / 10:.1f}-{(i + 1) / 10:.1f}": 12345 for i in range(1, 10)}),
        weight_histogram(WEIGHTS),
        weight_histogram(WEIGHTS[30:]),
        curve_picture({"expected": LINE}),
        curve_picture({"ranked": LINE, **{name: [(50.25, 0.4)] for name in SIX}}),
        curve_picture({"ranked": LINE, **{f"rule {i}": [(i + 1.5, i / 9)] for i in range(9)}}),
        quality_picture(QUALITY),
        recall_picture({name: (0.123, 0.456, 0.789) for name in ("sample", "families")}),
        overlap_picture(SIX, [[100 if i == j else 40 for j in range(6)] for i in range(6)]),
    ],
)
def test_pictures_are_small_enough_to_show_inline(picture: str) -> None:
    assert drawing(picture).tag.endswith("svg")
    assert len(picture) < INLINE_LIMIT


def test_the_longest_bar_is_the_largest_class() -> None:
    picture = size_histogram({"1": {"blocks": 9, "pairs": 0}, "2-10": {"blocks": 1, "pairs": 10}})
    path = next(part for part in drawing(picture) if part.tag.endswith("path"))
    assert path.attrib["d"] == "M36,8h0M36,26h150"
    assert "1 blocks, 10 pairs" in [part.text for part in drawing(picture)]


def test_a_name_cannot_break_the_picture() -> None:
    texts = [part.text for part in drawing(overlap_picture(["<b>&"], [[1]]))]
    assert "<b>&" in texts


def test_no_pairs_make_an_empty_picture_not_an_error() -> None:
    assert len(drawing(overlap_picture(["a"], [[0]]))) == 2


def paths(picture: str) -> list[str]:
    return [part.attrib["d"] for part in drawing(picture) if part.tag.endswith("path")]


def texts(picture: str) -> list[str | None]:
    return [part.text for part in drawing(picture) if part.tag.endswith("text")]


def test_pairs_that_were_cut_are_pale_behind_those_that_were_kept() -> None:
    classes: list[dict[str, float]] = [
        {"weight": 2.5, "pairs": 30, "kept": 30},
        {"weight": -1, "pairs": 100, "kept": 20},
    ]
    picture = weight_histogram(classes)
    assert paths(picture) == ["M57,8h45M57,26h150", "M57,8h45M57,26h30"]
    assert texts(picture) == ["2.5: 30", "-1: 100"]
    assert "cut are pale" in picture
    whole = weight_histogram([{**row, "kept": row["pairs"]} for row in classes])
    assert paths(whole) == ["M57,8h45M57,26h150"]


def test_the_lightest_classes_of_weight_are_put_together() -> None:
    shown = texts(weight_histogram([{"weight": 9 - i, "pairs": 1, "kept": 0} for i in range(12)]))
    assert shown == [*(f"{9 - i}: 1" for i in range(8)), "less: 4"]


def test_the_curve_goes_up_and_its_axis_doubles() -> None:
    picture = curve_picture({"ranked": [(0.5, 0.8), (1, 0.9), (2, 1.0)], "soundex": [(2, 0.8)]})
    # Completeness from 100% at the top, y 10, to the least at y 130; twice the pairs, one step.
    assert paths(picture)[1:] == ["M40,130L160,70L280,10"]
    assert texts(picture) == ["100%", "80%", "0.5", "2", "1"]
    assert "line: ranked, 1: soundex" in picture


def test_every_single_point_has_a_mark_and_its_name_in_the_legend() -> None:
    picture = curve_picture({f"rule {i}": [(i + 1, i / 40)] for i in range(40)})
    (mark,) = [part for part in drawing(picture) if len(part.text or "") == 40]
    assert len(mark.attrib["x"].split()) == len(mark.attrib["y"].split()) == 40
    assert all(f"rule {i}" in picture for i in range(40))


def test_no_label_lies_under_a_bar() -> None:
    names = {"a": 3, "an unusually long name of a class": 5}
    picture = charts.count_picture("counts", names)
    (bars,) = paths(picture)
    starts = {int(part.split(",")[0]) for part in bars.split("M")[1:]}
    longest = max(len(text or "") for text in texts(picture))
    assert starts == {longest * charts.CHARACTER + 8}


def test_small_classes_do_not_vanish_beside_large_ones() -> None:
    picture = charts.count_picture("counts", {"many": 100_000, "few": 10, "none": 0})
    lengths = [int(part.split("h")[1]) for part in paths(picture)[0].split("M")[1:]]
    assert lengths[0] == charts.LONGEST
    assert lengths[1] > charts.LONGEST / 10
    assert lengths[2] == 0
    assert "logarithmic" in picture
    assert "logarithmic" not in charts.count_picture("counts", {"many": 40, "few": 1})


def test_the_lines_of_quality_end_at_the_last_threshold() -> None:
    rows: list[Mapping[str, float]] = [
        {"threshold": 0.01, "precision": 0.5, "recall": 1.0, "f1": 0.75},
        {"threshold": 0.99, "precision": 1.0, "recall": 0.5, "f1": 0.75},
    ]
    picture = quality_picture(rows)
    lines = [part.attrib["d"] for part in drawing(picture).iter() if part.tag.endswith("path")]
    assert lines == ["M30,130L260,10", "M30,10L260,130", "M30,70L260,70"]
    assert texts(picture) == ["100%", "50%", "0.01", "0.99"]
    assert texts(quality_picture([])) == ["100%", "0%"]


def test_an_interval_lies_around_its_estimate() -> None:
    picture = recall_picture({"sample": (0.6, 0.8, 1.0), "families": (0.9, 0.9, 0.9)})
    lines = [part.attrib["d"] for part in drawing(picture).iter() if part.tag.endswith("path")]
    assert lines == ["M64,8H264M214,26H214", "M163,8h3M213,26h3"]
    assert texts(picture) == ["sample", "80.0%", "families", "90.0%", "60%", "100%"]


@pytest.mark.parametrize("lines", [{}, {"ranked": []}, {"ranked": [(0.0, 0.0)]}])
def test_no_pairs_make_an_empty_curve(lines: dict[str, list[tuple[float, float]]]) -> None:
    assert list(drawing(curve_picture(lines))) == []


@pytest.mark.parametrize("points", [[(3.0, 0.5)], [(3.0, 1.0), (3.0, 1.0)]])
def test_a_curve_of_one_place_is_drawn(points: list[tuple[float, float]]) -> None:
    assert drawing(curve_picture({"ranked": points})).tag.endswith("svg")
    assert "ranked" in curve_picture({"ranked": points})


def test_match_weights_are_classed_heaviest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "WEIGHT_CLASSES", 4)
    shown = unquote(charts.match_weight_histogram({-3: 5, 0: 2, 7: 1, 8: 4}))
    assert [shown.index(text) for text in ("6: 5", "0: 2", "-3: 5")] == sorted(
        shown.index(text) for text in ("6: 5", "0: 2", "-3: 5")
    )
    assert "<text" not in unquote(charts.match_weight_histogram({}))
