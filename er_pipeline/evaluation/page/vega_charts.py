"""The pictures of the page, as specifications in Vega-Lite: plain data, drawn by the browser.

Text and axes have the colour of the text around them, so that a picture suits a light page, a dark
one and a printed one without being drawn again. Names of axes say what is counted and in which
unit; counts whose small classes would vanish have a logarithmic axis.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Spec = dict[str, Any]

# That of Splink's Vega-Lite; the subset used here is the same in the versions after it.
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
BLUE, ORANGE, GREEN, PURPLE, GREY = "#4C6EF5", "#E8590C", "#0CA678", "#AE3EC9", "#868E96"
# Told apart on white and on black, also by those who see no red or green.
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, "#F08C00", "#1098AD", "#D6336C", GREY)
INK = "currentColor"
# That of the page: labels are measured in it before they are drawn.
FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
CONFIG: Spec = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "tickColor": INK,
        "domainColor": INK,
        "gridColor": INK,
        "domainOpacity": 0.4,
        "tickOpacity": 0.4,
        "gridOpacity": 0.12,
        "labelLimit": 0,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": INK,
        "titleColor": INK,
        "labelLimit": 0,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "orient": "top",
    },
    "header": {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "labelLimit": 0},
    "title": {"color": INK, "fontSize": 12, "anchor": "start"},
    "text": {"fill": INK, "fontSize": 12},
    "rule": {"stroke": INK},
    "range": {"category": list(PALETTE)},
}
LEAST_ON_LOG = 0.7  # where bars of a logarithmic axis begin: below one pair
TICKS = 8  # about so many on an axis
BAR = 22  # pixels of a bar and its gap


def whole(content: Spec) -> Spec:
    """Make a specification that stands by itself, as wide as its place on the page."""
    return {
        "$schema": SCHEMA,
        "config": CONFIG,
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        **content,
    }


def log_axis(most: float, title: str) -> Spec:
    """Give a logarithmic axis of counts from one up, as scale and axis of an encoding."""
    top = max(10, 10 ** math.ceil(math.log10(max(1.0, most) * 1.2)))
    powers = [10**i for i in range(round(math.log10(top)) + 1)]
    return {
        "scale": {"type": "log", "domain": [LEAST_ON_LOG, top], "nice": False},
        "axis": {"title": title, "values": powers, "format": "~s"},
    }


def bars(
    rows: Sequence[Row],
    label: str,
    value: str,
    title: str,
    *,
    shown: str = "",
    colour: str = "",
    is_log: bool = False,
    domain: Sequence[float] | None = None,
) -> Spec:
    """Draw a bar to the right per row, from the top in their order.

    label, value: columns. title: of the value's axis. shown: column of the text at the end of a
    bar. colour: column that colours it. domain: of the value's axis; a fifth more than the longest
    if omitted, so that texts have room.
    """
    most = max((row[value] for row in rows), default=0)
    x: Spec = {"field": value, "type": "quantitative", "title": title}
    if is_log:
        x |= log_axis(most, title)
    else:
        x["scale"] = {"domain": list(domain or (0, most * 1.2 or 1)), "nice": False}
        x["axis"] = {"format": "%" if domain else "~s", "tickCount": TICKS}
    y = {"field": label, "type": "nominal", "sort": None, "title": None}
    bar: Spec = {"x": x, "y": y, "tooltip": tooltips(rows)}
    if is_log:
        bar["x2"] = {"datum": LEAST_ON_LOG}
        bar["x"] = {**x, "stack": None}
    if colour:
        bar["color"] = {"field": colour, "type": "nominal", "sort": None, "title": colour}
    layers: list[Spec] = [{"mark": {"type": "bar", "color": BLUE}, "encoding": bar}]
    if shown:
        text = {"x": x, "y": y, "text": {"field": shown}}
        layers.append({"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": text})
    content = {"data": {"values": list(rows)}, "height": height_of(rows, label), "layer": layers}
    return whole(content)


def columns(
    rows: Sequence[Row],
    low: str,
    high: str,
    count: str,
    titles: tuple[str, str],
    mark_at: float | None = None,
    mark_text: str = "",
) -> Spec:
    """Draw a histogram with a logarithmic axis of counts; rows of no count have no column.

    low, high, count: columns. titles: of both axes. mark_at: where a line stands, with mark_text.
    """
    filled = [row for row in rows if row[count]]
    y = {"field": count, "type": "quantitative"}
    y |= log_axis(max((row[count] for row in filled), default=1), titles[1])
    x = {"field": low, "type": "quantitative", "title": titles[0], "axis": {"tickCount": 12}}
    encoding = {
        "x": x,
        "x2": {"field": high},
        "y": {**y, "stack": None},
        "y2": {"datum": LEAST_ON_LOG},
        "tooltip": tooltips(filled),
    }
    layers: list[Spec] = [
        {
            "data": {"values": filled},
            "mark": {"type": "bar", "color": BLUE, "binSpacing": 1},
            "encoding": encoding,
        }
    ]
    if mark_at is not None:
        place = {"x": {"field": "at", "type": "quantitative"}}
        data = {"values": [{"at": mark_at, "text": mark_text}]}
        rule = {"type": "rule", "color": ORANGE, "strokeWidth": 2}
        text = {"type": "text", "align": "left", "dx": 5, "baseline": "top", "color": ORANGE}
        named = {**place, "y": {"value": 2}, "text": {"field": "text"}}
        layers += [
            {"data": data, "mark": rule, "encoding": place},
            {"data": data, "mark": text, "encoding": named},
        ]
    return whole({"height": 240, "layer": layers})


def heat_map(
    rows: Sequence[Row], across: str, down: str, share: str, shown: str, title: str
) -> Spec:
    """Draw a cell per row, the darker the larger its share; shown: column of the text in it."""
    place: Spec = {
        "x": {
            "field": across,
            "type": "nominal",
            "sort": None,
            "title": None,
            "axis": {"orient": "top", "labelAngle": 0, "labelOverlap": False},
        },
        "y": {"field": down, "type": "nominal", "sort": None, "title": None},
    }
    strength = {
        "field": share,
        "type": "quantitative",
        "scale": {"domain": [0, 1], "range": [0.04, 0.75]},
        "title": title,
        "legend": None,
    }
    cell = {**place, "opacity": strength, "tooltip": tooltips(rows)}
    layers = [
        {"mark": {"type": "rect", "color": BLUE}, "encoding": cell},
        {"mark": "text", "encoding": {**place, "text": {"field": shown}}},
    ]
    return whole(
        {"data": {"values": list(rows)}, "height": height_of(rows, down, 28), "layer": layers}
    )


def curve(
    ranked: Sequence[Row], points: Sequence[Row], x: str, y: str, titles: tuple[str, str]
) -> Spec:
    """Draw a line over a logarithmic axis, and named points beside it; x, y: columns of both."""
    every = [*ranked, *points]
    least = min((row[y] for row in every), default=0.0)
    low = max(0.0, math.floor(10 * least - 0.001) / 10)
    encoding = {
        "x": {
            "field": x,
            "type": "quantitative",
            "scale": {"type": "log", "nice": False, "padding": 45},
            "axis": {"title": titles[0], "format": "~g", "labelOverlap": True},
        },
        "y": {
            "field": y,
            "type": "quantitative",
            "scale": {"domain": [low, 1], "nice": False},
            "axis": {"title": titles[1], "format": "%"},
        },
        "tooltip": tooltips(every),
    }
    line = {"type": "line", "color": BLUE, "point": {"color": BLUE, "size": 36}}
    dot = {"type": "point", "color": ORANGE, "filled": True, "size": 70}
    named = {**encoding, "text": {"field": "name"}}
    layers: list[Spec] = [
        {"data": {"values": list(ranked)}, "mark": line, "encoding": encoding},
        {"data": {"values": list(points)}, "mark": dot, "encoding": encoding},
        {
            "data": {"values": list(points)},
            "mark": {"type": "text", "align": "center", "baseline": "top", "dy": 8},
            "encoding": named,
        },
    ]
    # An axis that has to show nothing, too, has no end.
    filled = [layer for layer in layers if layer["data"]["values"]]
    return whole({"height": 300, "layer": filled})


def small_multiples(rows: Sequence[Row], x: str, y: str, name: str, n_columns: int = 3) -> Spec:
    """Draw a small line for each name, every one with an axis of its own; x: times."""
    encoding = {
        "x": {
            "field": x,
            "type": "temporal",
            "title": None,
            "axis": {"tickCount": 3, "labelOverlap": True},
        },
        "y": {
            "field": y,
            "type": "quantitative",
            "title": None,
            "scale": {"zero": False},
            "axis": {"format": "~s", "tickCount": 4},
        },
        "tooltip": tooltips(rows),
    }
    line = {"type": "line", "color": BLUE, "point": {"color": BLUE, "size": 30}}
    return {
        "$schema": SCHEMA,
        "config": CONFIG,
        "data": {"values": list(rows)},
        "columns": n_columns,
        "facet": {"field": name, "type": "nominal", "sort": None, "title": None},
        "spec": {"width": 270, "height": 90, "mark": line, "encoding": encoding},
        "resolve": {"scale": {"y": "independent"}, "axis": {"x": "independent"}},
    }


def intervals(rows: Sequence[Row], name: str, low: str, middle: str, high: str, title: str) -> Spec:
    """Draw estimates as dots, each with its interval as a line; the columns of each are named."""
    least = math.floor(10 * min((row[low] for row in rows), default=0.0) - 0.001) / 10
    scale = {"domain": [max(0.0, least), 1], "nice": False, "padding": 6}
    y = {"field": name, "type": "nominal", "sort": None, "title": None}
    axis = {"format": "~%", "tickCount": TICKS}
    x = {"type": "quantitative", "title": title, "scale": scale, "axis": axis}
    span = {"x": {"field": low, **x}, "x2": {"field": high}, "y": y}
    dot = {"x": {"field": middle, **x}, "y": y, "tooltip": tooltips(rows)}
    layers = [
        {"mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.5}, "encoding": span},
        {"mark": {"type": "point", "filled": True, "size": 80, "color": BLUE}, "encoding": dot},
    ]
    return whole(
        {"data": {"values": list(rows)}, "height": height_of(rows, name, 26), "layer": layers}
    )


def height_of(rows: Sequence[Row], label: str, step: int = BAR) -> int:
    """Give the height of a picture with a line of so many pixels for every label."""
    return step * max(1, len({row[label] for row in rows}))


def tooltips(rows: Sequence[Row]) -> list[Spec]:
    """Show every column of the rows beside the pointer, counts with their thousands."""
    names = dict.fromkeys(name for row in rows for name in row)
    found = []
    for name in names:
        values = [row[name] for row in rows if row.get(name) is not None]
        is_number = all(isinstance(value, int | float) for value in values)
        is_count = all(isinstance(value, int) for value in values)
        kind = {"type": "quantitative", "format": "," if is_count else ",.4~g"}
        found.append({"field": name, **(kind if is_number else {"type": "nominal"})})
    return found
