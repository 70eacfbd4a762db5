"""The pictures an asset shows: tiny SVG drawings inside Markdown.

The UI shows Markdown of fewer than 1,000 characters where it stands, anything longer behind a
click. So the drawings are written by hand, as few characters as they need, instead of by a library
whose smallest chart has 7,000.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from er_pipeline.blocking.tables.printable import markdown_cell

INLINE_LIMIT = 1000  # characters of Markdown, in Dagster 1.13's UI
COLOR = "#4C6EF5"
WEIGHT_CLASSES = 9  # as many bars as fit into a picture
SHADES = (1.0, 0.7, 0.5, 0.3, 0.1)  # opacity, for shares of at least so much; none below


def size_histogram(size_classes: Mapping[str, Mapping[str, int]]) -> str:
    """Draw how many pairs the blocks of each class of size hold, beside the number of blocks.

    size_classes: class -> {"blocks": n, "pairs": n}, in the order to draw. Returns Markdown.
    """
    rows = [
        (
            name,
            counts["pairs"],
            f"{_short(counts['blocks'])} blocks, {_short(counts['pairs'])} pairs",
        )
        for name, counts in size_classes.items()
    ]
    return _bars("pairs by size of block", rows)


def similarity_histogram(classes: Mapping[str, int]) -> str:
    """Draw how many pairs have which similarity; classes: range -> pairs. Returns Markdown."""
    # "0.3-0.4" is written as 0.3: with ten rows every character counts.
    rows = [(f"{name.split('-')[0]}: {_short(n)}", n, "") for name, n in classes.items() if n]
    return _bars("pairs by similarity", rows)


def count_picture(title: str, counts: Mapping[str, int]) -> str:
    """Draw how many there are of each name, in their order. Returns Markdown."""
    return _bars(title, [(f"{name}: {_short(n)}", n, "") for name, n in counts.items()])


def level_weights(levels: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Draw the match weights of every comparison's levels, as many comparisons as fit.

    levels: comparison -> its levels, that of equal values first, each with match_weight. A weight
    is a bar to the right (for a match) or to the left of a line. Returns Markdown.
    """
    return _fitting(levels, _weight_bars)


def level_shares(levels: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Draw m and u of every comparison's levels, as many comparisons as fit.

    levels: as in `level_weights`, each with m and u: m is a dark bar, u a pale one beside it.
    Returns Markdown.
    """
    return _fitting(levels, _share_bars)


def _fitting(
    levels: Mapping[str, Sequence[Mapping[str, float]]],
    draw: Callable[[Mapping[str, Sequence[Mapping[str, float]]]], str],
) -> str:
    """Draw as many comparisons as fit into a picture, the first ones."""
    for n in range(len(levels), 1, -1):
        drawn = draw(dict(list(levels.items())[:n]))
        if len(drawn) < INLINE_LIMIT:
            return drawn
    return draw(dict(list(levels.items())[:1]))


def _weight_bars(levels: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    most = max((abs(x["match_weight"]) for row in levels.values() for x in row), default=1) or 1
    bars, texts, y = "", "", 4
    for name, row in levels.items():
        texts += _text(0, y + 8, name)
        for level in row:
            bars += f"M210,{y}h{round(100 * level['match_weight'] / most)}"
            y += 7
        y += 6
    line = f"<path stroke='{COLOR}' stroke-width='5' d='{bars}'/>"
    return _picture(f"match weights, up to {most:.0f} bits", 320, y, line + texts)


def _share_bars(levels: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    dark, pale, texts, y = "", "", "", 4
    for name, row in levels.items():
        texts += _text(0, y + 8, name)
        for level in row:
            dark += f"M110,{y}h{round(100 * level['m'])}"
            pale += f"M220,{y}h{round(100 * level['u'])}"
            y += 7
        y += 6
    lines = (
        f"<path stroke='{COLOR}' stroke-width='5' d='{dark}'/>"
        f"<path stroke='{COLOR}' stroke-width='5' opacity='.5' d='{pale}'/>"
    )
    return _picture("m, and u in pale", 330, y, lines + texts)


def weight_histogram(classes: Sequence[Mapping[str, float]]) -> str:
    """Draw how many pairs of each class of weight were made; what was cut of them is pale.

    classes: weight (the lower end), pairs and kept, heaviest first; the lightest are put together
    where there are more than fit. Returns Markdown.
    """
    shown = [(f"{row['weight']:g}", int(row["pairs"]), int(row["kept"])) for row in classes]
    if len(shown) > WEIGHT_CLASSES:
        shown, rest = shown[: WEIGHT_CLASSES - 1], shown[WEIGHT_CLASSES - 1 :]
        shown.append(("less", sum(n for _, n, _ in rest), sum(k for _, _, k in rest)))
    rows = [(f"{name}: {_short(pairs)}", pairs, "") for name, pairs, _ in shown]
    kept = [n for _, _, n in shown]
    if kept == [pairs for _, pairs, _ in shown]:
        return _bars("pairs by weight", rows)
    return _bars("pairs by weight, those cut are pale", rows, kept)


def match_weight_histogram(counts: Mapping[int, int]) -> str:
    """Draw how many pairs have which match weight, in classes that fit; counts: bits -> pairs.

    Returns Markdown.
    """
    return count_picture("pairs by match weight", dict(_weight_classes(counts, WEIGHT_CLASSES)))


def _weight_classes(counts: Mapping[int, int], most: int) -> list[tuple[str, int]]:
    """Put match weights together into at most so many classes of equal width, heaviest first."""
    if not counts:
        return []
    width = max(1, -(-(max(counts) - min(counts) + 1) // most))
    classes: dict[int, int] = {}
    for weight, n in counts.items():
        start = weight // width * width
        classes[start] = classes.get(start, 0) + n
    return [(str(start), classes[start]) for start in sorted(classes, reverse=True)]


def curve_picture(lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Draw pairs completeness against pairs per record, the latter in steps of doubling.

    lines: name -> points; one of several points is a line, of one point a dot with its name, as
    many as fit. Returns Markdown.
    """
    points = [point for line in lines.values() for point in line if point[0] > 0]
    if not points:
        return _picture("no pairs", 10, 10, "")
    low = math.log2(min(x for x, _ in points))
    width = max(1e-9, math.log2(max(x for x, _ in points)) - low)
    least = min(0.9, *(y for _, y in points)) if len(points) > 1 else 0.0

    def place(point: tuple[float, float]) -> tuple[int, int]:
        x = 30 + 230 * (math.log2(point[0]) - low) / width
        return round(x), round(10 + 120 * (1 - point[1]) / max(1e-9, 1 - least))

    drawing = _text(0, 14, "100%") + _text(0, 134, f"{least:.0%}")
    drawing += _text(30, 150, _figure(2**low)) + _text(250, 150, _figure(2 ** (low + width)))
    for name, line in lines.items():
        placed = [place(point) for point in line if point[0] > 0]
        if len(placed) > 1:
            path = "M" + "L".join(f"{x},{y}" for x, y in placed)
            drawing += f"<path fill='none' stroke='{COLOR}' d='{path}'/>"
        elif placed:
            (x, y) = placed[0]
            dot = f"<path stroke='{COLOR}' d='M{x},{y - 3}v6'/>" + _text(x + 3, y + 4, name)
            if len(_picture("curve", 300, 160, drawing + dot)) < INLINE_LIMIT - 40:
                drawing += dot
    return _picture("completeness by pairs per record", 340, 160, drawing)


def quality_picture(rows: Sequence[Mapping[str, float]]) -> str:
    """Draw precision (pale), recall (dashed) and F1 over the thresholds, in their order.

    rows: threshold, precision, recall and f1, lowest threshold first. Returns Markdown.
    """
    least = min((row[name] for row in rows for name in ("precision", "recall", "f1")), default=0.0)
    least = math.floor(10 * least) / 10

    def path(name: str) -> str:
        points = (
            f"{30 + round(230 * i / max(1, len(rows) - 1))},"
            f"{round(10 + 120 * (1 - row[name]) / max(1e-9, 1 - least))}"
            for i, row in enumerate(rows)
        )
        return "M" + "L".join(points)

    drawing = _text(0, 14, "100%") + _text(0, 134, f"{least:.0%}")
    if rows:
        drawing += _text(30, 150, f"{rows[0]['threshold']:.2g}")
        drawing += _text(240, 150, f"{rows[-1]['threshold']:.4g}")
        drawing += f"<g fill='none' stroke='{COLOR}'>"
        drawing += f"<path opacity='.4' d='{path('precision')}'/>"
        drawing += f"<path stroke-dasharray='3' d='{path('recall')}'/>"
        drawing += f"<path d='{path('f1')}'/></g>"
    return _picture("F1, precision (pale), recall (dashed)", 300, 160, drawing)


def recall_picture(estimates: Mapping[str, tuple[float, float, float]]) -> str:
    """Draw estimates of recall as dots, each with its interval as a pale bar.

    estimates: name -> (low, recall, high). Returns Markdown.
    """
    least = math.floor(10 * min((low for low, _, _ in estimates.values()), default=0.0)) / 10

    def place(share: float) -> int:
        return 85 + round(200 * (share - least) / max(1e-9, 1 - least))

    bars, dots, texts = "", "", ""
    for i, (name, (low, recall, high)) in enumerate(estimates.items()):
        y = 18 * i + 8
        bars += f"M{place(low)},{y}H{place(high)}"
        dots += f"M{place(recall) - 1},{y}h3"
        texts += _text(0, y + 4, name) + _text(295, y + 4, f"{recall:.1%}")
    y = 18 * len(estimates) + 12
    texts += _text(85, y, f"{least:.0%}") + _text(260, y, "100%")
    lines = (
        f"<g stroke='{COLOR}' stroke-width='12'>"
        f"<path opacity='.4' d='{bars}'/><path d='{dots}'/></g>"
    )
    return _picture("estimated recall", 340, y + 6, lines + texts)


def overlap_picture(strategies: Sequence[str], shared_pairs: Sequence[Sequence[int]]) -> str:
    """Draw which share of each strategy's pairs (a row) the others propose too (the columns).

    shared_pairs: (n_strategies, n_strategies) counts; the diagonal holds a strategy's own pairs.
    The darker a cell, the larger the share. Returns Markdown.
    """
    cells = dict.fromkeys(SHADES, "")
    texts = ""
    for i, row in enumerate(strategies):
        for j in range(len(strategies)):
            share = shared_pairs[i][j] / shared_pairs[i][i] if shared_pairs[i][i] else 0.0
            shade = next((level for level in SHADES if share >= level), None)
            if shade is None:
                continue
            cells[shade] += f"M{20 * j},{16 * i + 8}h18"
        texts += _text(20 * len(strategies) + 4, 16 * i + 12, row)
    lines = "".join(
        f"<path opacity='{shade:g}' d='{path}'/>" for shade, path in cells.items() if path
    )
    lines = f"<g stroke='{COLOR}' stroke-width='14'>{lines}</g>"
    size = 20 * len(strategies) + 200, 16 * len(strategies)
    return _picture("overlap of the strategies", *size, lines + texts)


def _bars(title: str, rows: Sequence[tuple[str, int, str]], dark: Sequence[int] = ()) -> str:
    """Draw a bar per row of (name, length, text beside it).

    dark: lengths of dark bars upon these, which are pale then.
    """
    longest = max((length for _, length, _ in rows), default=0) or 1
    bars, texts = "", ""
    for i, (name, length, text) in enumerate(rows):
        y = 18 * i
        width = round(150 * length / longest)
        bars += f"M85,{y + 8}h{width}"
        texts += _text(0, y + 12, name) + (_text(90 + width, y + 12, text) if text else "")
    pale = " opacity='.4'" if dark else ""
    lines = f"<path stroke='{COLOR}' stroke-width='12'{pale} d='{bars}'/>"
    if dark:
        bars = "".join(f"M85,{18 * i + 8}h{round(150 * n / longest)}" for i, n in enumerate(dark))
        lines += f"<path stroke='{COLOR}' stroke-width='12' d='{bars}'/>"
    return _picture(title, 420, 18 * len(rows), lines + texts)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write rows as a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(markdown_cell, line)) + " |" for line in lines)


def _text(x: int, y: int, text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    place = f" x='{x}'" if x else ""
    return f"<text{place} y='{y}'>{escaped}</text>"


def _short(n: int) -> str:
    """Write a count in at most five characters: 1234567 -> 1.2M."""
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if n >= unit:
            divisor = 1000 if name == "k" else unit
            return f"{n / divisor:.1f}".removesuffix(".0") + name
    return str(n)


def _figure(x: float) -> str:
    """Write a figure with two digits: 0.25, 7.5, 200."""
    return f"{x:.2g}" if x < 99.5 else f"{x:.0f}"


def _picture(title: str, width: int, height: int, drawing: str) -> str:
    # Gray text reads on a light and on a dark page alike.
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'"
        f" font-size='12' fill='gray'>{drawing}</svg>"
    )
    encoded = quote(svg, safe="=:/',.-")
    return f"![{title}](data:image/svg+xml,{encoded})"
