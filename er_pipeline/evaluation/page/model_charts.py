"""The pictures of strategies and of the model: overlap, weights, m and u, the score of a pair."""

import math
from collections.abc import Sequence
from typing import Any

from er_pipeline.evaluation.page.vega_charts import (
    BAR,
    BLUE,
    CONFIG,
    GREY,
    INK,
    ORANGE,
    SCHEMA,
    TICKS,
    Row,
    Spec,
    height_of,
    log_axis,
    tooltips,
    whole,
)

DIFFERENCE = "more like a match or less"


def upset(combinations: Sequence[tuple[Sequence[str], int]], names: Sequence[str]) -> Spec:
    """Draw which strategies propose the same pairs: columns over a matrix of their members.

    combinations: (strategies, pairs), most first. names: of all strategies, from the top.
    Source: Lex et al., "UpSet: Visualization of Intersecting Sets", IEEE TVCG 20(12), 2014.
    """
    counted: list[Row] = [
        {"place": place, "strategies": ", ".join(members), "pairs": n}
        for place, (members, n) in enumerate(combinations)
    ]
    cells: list[Row] = [
        {"place": place, "strategy": name, "is in": name in members}
        for place, (members, _) in enumerate(combinations)
        for name in names
    ]
    spans: list[Row] = []
    for place, (members, _) in enumerate(combinations):
        inside = [name for name in names if name in members]
        if len(inside) > 1:
            spans.append({"place": place, "from": inside[0], "to": inside[-1]})
    most = max((n for _, n in combinations), default=1)
    width = min(900, max(260, 44 * len(combinations)))
    x = {"field": "place", "type": "ordinal", "axis": None}
    y = {"field": "pairs", "type": "quantitative", **log_axis(most, "pairs (log)")}
    column = {
        "x": x,
        "y": {**y, "stack": None},
        "y2": {"datum": 0.7},
        "tooltip": tooltips(counted)[1:],
    }
    number = {"x": x, "y": y, "text": {"field": "pairs", "format": ".3~s"}}
    every: Spec = {"type": "nominal", "sort": None, "scale": {"domain": list(names)}}
    row: Spec = {
        "field": "strategy",
        **every,
        "title": None,
        "axis": {"grid": False, "domain": False, "ticks": False, "labelPadding": 8},
    }
    strength = {"condition": {"test": "datum['is in']", "value": 1}, "value": 0.15}
    return {
        "$schema": SCHEMA,
        "config": CONFIG,
        "spacing": 6,
        "resolve": {"scale": {"x": "shared"}},
        "vconcat": [
            {
                "width": width,
                "height": 200,
                "data": {"values": counted},
                "layer": [
                    {"mark": {"type": "bar", "color": BLUE}, "encoding": column},
                    {"mark": {"type": "text", "dy": -7, "fontSize": 11}, "encoding": number},
                ],
            },
            {
                "width": width,
                "height": {"step": BAR},
                "layer": [
                    {
                        "data": {"values": cells},
                        "mark": {"type": "circle", "size": 110, "color": INK},
                        "encoding": {"x": x, "y": row, "opacity": strength},
                    },
                    {
                        "data": {"values": spans},
                        "mark": {"type": "rule", "strokeWidth": 2},
                        "encoding": {
                            "x": x,
                            "y": {"field": "from", **every, "title": None},
                            "y2": {"field": "to"},
                        },
                    },
                ],
            },
        ],
    }


def weight_bars(levels: Sequence[Row]) -> Spec:
    """Draw what every level says, in bits; levels: with name and bits, in their order."""
    rows: list[Row] = [
        {**level, DIFFERENCE: "for a match" if level["bits"] > 0 else "against one"}
        for level in levels
    ]
    encoding = {
        "x": {
            "field": "bits",
            "type": "quantitative",
            "title": "match weight in bits: each doubles the odds of a match, or halves them",
            "axis": {"tickCount": TICKS},
        },
        "y": {"field": "name", "type": "nominal", "sort": None, "title": None},
        "color": _signs(DIFFERENCE),
        "tooltip": tooltips(rows),
    }
    return whole(
        {
            "data": {"values": rows},
            "height": height_of(rows, "name", 18),
            "mark": "bar",
            "encoding": encoding,
        }
    )


def shares_by_level(levels: Sequence[Row]) -> Spec:
    """Draw m and u of every level on a logarithmic axis; levels: with name, m and u."""
    both: list[Row] = [
        {"name": level["name"], "share": max(level[kind], 1e-9), "of": title}
        for level in levels
        for kind, title in (("m", "m: of matches"), ("u", "u: of other pairs"))
    ]
    spans: list[Row] = [
        {"name": level["name"], "m": max(level["m"], 1e-9), "u": max(level["u"], 1e-9)}
        for level in levels
    ]
    least = min((row["share"] for row in both), default=0.1)
    powers = [10.0**i for i in range(math.floor(math.log10(least)), 1)]
    y = {"field": "name", "type": "nominal", "sort": None, "title": None}
    x: Spec = {
        "type": "quantitative",
        "scale": {"type": "log", "domain": [powers[0], powers[-1]], "nice": False},
        "axis": {"title": "share of pairs at the level (log)", "format": "~g", "values": powers},
    }
    colour = {
        "field": "of",
        "type": "nominal",
        "title": None,
        "scale": {
            "domain": ["m: of matches", "u: of other pairs"],
            "range": [BLUE, ORANGE],
        },
    }
    layers = [
        {
            "data": {"values": spans},
            "mark": {"type": "rule", "opacity": 0.4},
            "encoding": {"x": {"field": "m", **x}, "x2": {"field": "u"}, "y": y},
        },
        {
            "data": {"values": both},
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
            "encoding": {
                "x": {"field": "share", **x},
                "y": y,
                "color": colour,
                "tooltip": tooltips(both),
            },
        },
    ]
    return whole({"height": height_of(spans, "name", 18), "layer": layers})


def session_dots(rows: Sequence[Row]) -> Spec:
    """Draw the m of every field's equal values by session; rows: field, session, m."""
    encoding = {
        "x": {
            "field": "m",
            "type": "quantitative",
            "scale": {"domain": [0, 1]},
            "axis": {
                "title": "m of equal values: share of matches that agree",
                "format": "%",
                "tickCount": TICKS,
            },
        },
        "y": {"field": "field", "type": "nominal", "sort": None, "title": None},
        "color": {"field": "session", "type": "nominal", "sort": None, "title": "session"},
        "shape": {"field": "session", "type": "nominal", "sort": None, "title": "session"},
        "tooltip": tooltips(rows),
    }
    return whole(
        {
            "data": {"values": list(rows)},
            "height": height_of(rows, "field", 26),
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 0.8},
            "encoding": encoding,
        }
    )


def level_name(label: str, field: str) -> str:
    """Write a level as a picture names it, beside the field that it is of."""
    return label.replace(f" on {field}", "")


def waterfall(n_terms: int) -> Spec:
    """Draw how the score of a pair comes about, term by term; the page puts the terms in.

    The data are called terms: name, from, to (bits before and after), end (where
    its text stands), bits (as text), kind. n_terms:
    how many there will be.
    """
    y = {"field": "name", "type": "nominal", "sort": None, "title": None}
    x: dict[str, Any] = {
        "type": "quantitative",
        "title": "match weight in bits",
        "axis": {"tickCount": TICKS},
        "scale": {"padding": 45},
    }
    kinds = ["for a match", "against one", "sum"]
    colour = {
        "field": "kind",
        "type": "nominal",
        "title": None,
        "scale": {"domain": kinds, "range": [BLUE, ORANGE, GREY]},
    }
    tips = [{"field": name, "type": "nominal"} for name in ("name", "bits")]
    layers = [
        {
            "mark": {"type": "bar", "height": 14},
            "encoding": {
                "x": {"field": "from", **x},
                "x2": {"field": "to"},
                "y": y,
                "color": colour,
                "tooltip": tips,
            },
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 5},
            "encoding": {
                "x": {"field": "end", **x},
                "y": y,
                "text": {"field": "bits", "type": "nominal"},
            },
        },
        {"mark": {"type": "rule", "opacity": 0.5}, "encoding": {"x": {"datum": 0}}},
    ]
    height = BAR * max(1, n_terms)
    return whole({"data": {"name": "terms", "values": []}, "height": height, "layer": layers})


def _signs(field: str) -> Spec:
    return {
        "field": field,
        "type": "nominal",
        "title": None,
        "scale": {"domain": ["for a match", "against one"], "range": [BLUE, ORANGE]},
    }
