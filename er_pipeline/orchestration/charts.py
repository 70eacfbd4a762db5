"""The pictures an asset shows: tiny SVG drawings inside Markdown, each with title and axes.

The UI shows Markdown of fewer than 1,000 characters where it stands, anything longer behind a
click. So the drawings are written by hand, as few characters as they need, instead of by a library
whose smallest chart has 7,000; the title and the legend are text of the Markdown, where a character
is one and not three. A picture is always whole: `asset_metadata.py` says what does not fit.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from er_pipeline.blocking.tables.printable import markdown_cell

INLINE_LIMIT = 1000  # characters of Markdown, in Dagster 1.13's UI
COLOR = "#4C6EF5"
WEIGHT_CLASSES = 9  # as many bars as fit into a picture
SHADES = (1.0, 0.7, 0.5, 0.3, 0.1)  # opacity, for shares of at least so much; none below
CHARACTER = 7  # pixels at most of one in a label, of 12 pixels' height
LONGEST = 150  # pixels of the longest bar
# Bars whose lengths differ by more are drawn by their logarithms: a fiftieth is three pixels.
LINEAR_RANGE = 50
MARKS = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


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
    return _bars("pairs by size of block", rows, axis="pairs")


def similarity_histogram(classes: Mapping[str, int]) -> str:
    """Draw how many pairs have which similarity; classes: range -> pairs. Returns Markdown."""
    # "0.3-0.4" is written as 0.3: with ten rows every character counts.
    rows = [(f"{name.split('-')[0]}: {_short(n)}", n, "") for name, n in classes.items() if n]
    return _bars("pairs by similarity", rows, axis="pairs, of a similarity from so much")


def count_picture(title: str, counts: Mapping[str, int]) -> str:
    """Draw how many there are of each name, in their order. Returns Markdown."""
    rows = [(f"{name.replace('_', ' ')}: {_short(n)}", n, "") for name, n in counts.items()]
    return _bars(title, rows, axis="bars: how many")


def level_weights(levels: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Draw the match weights of every comparison's levels.

    levels: comparison -> its levels, that of equal values first, each with match_weight. A weight
    is a bar to the right (for a match) or to the left of a line. Returns Markdown.
    """
    return _weight_bars(levels)


def level_shares(levels: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Draw m and u of every comparison's levels.

    levels: as in `level_weights`, each with m and u: m is a dark bar, u a pale one beside it.
    Returns Markdown.
    """
    return _share_bars(levels)


def _weight_bars(levels: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    most = max((abs(x["match_weight"]) for row in levels.values() for x in row), default=1) or 1
    line = _label_width(levels) + 100
    bars, texts, y = "", "", 4
    for name, row in levels.items():
        texts += _text(0, y + 8, name)
        for level in row:
            bars += f"M{line},{y}h{round(100 * level['match_weight'] / most)}"
            y += 7
        y += 6
    drawing = f"<path stroke='{COLOR}' stroke-width='5' d='{bars}'/>{texts}"
    caption = f"right: for a match, left: against, up to {most:.0f} bits; equal values first"
    return _picture("match weights by level", line + 110, y, drawing, caption)


def _share_bars(levels: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    of_m = _label_width(levels)
    of_u = of_m + 110
    dark, pale, texts, y = "", "", "", 4
    for name, row in levels.items():
        texts += _text(0, y + 8, name)
        for level in row:
            dark += _share_bar(of_m, y, level["m"])
            pale += _share_bar(of_u, y, level["u"])
            y += 7
        y += 6
    lines = (
        f"<g stroke='{COLOR}' stroke-width='5'><path d='{dark}'/>"
        f"<path opacity='.5' d='{pale}'/></g>"
    )
    caption = "m: of matches, u (pale): of others; equal values first, a full bar is 100%"
    return _picture("m and u by level", of_u + 110, y, lines + texts, caption)


def _share_bar(x: int, y: int, share: float) -> str:
    return f"M{x},{y}h{round(100 * share)}" if share >= 0.005 else ""


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
        return _bars("pairs by weight", rows, axis="pairs, of a weight from so much")
    return _bars("pairs by weight", rows, kept, axis="pairs; those cut are pale")


def match_weight_histogram(counts: Mapping[int, int]) -> str:
    """Draw how many pairs have which match weight, in classes that fit; counts: bits -> pairs.

    Returns Markdown.
    """
    rows = [(f"{bits}: {_short(n)}", n, "") for bits, n in _weight_classes(counts, WEIGHT_CLASSES)]
    return _bars("pairs by match weight", rows, axis="pairs, of a weight from so many bits")


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

    lines: name -> points; one of several points is a line, of one point a mark that the legend
    names. Returns Markdown.
    """
    points = [point for line in lines.values() for point in line if point[0] > 0]
    if not points:
        return _picture("no pairs", 10, 10, "")
    low = math.log2(min(x for x, _ in points))
    width = max(1e-9, math.log2(max(x for x, _ in points)) - low)
    least = min(0.9, *(y for _, y in points)) if len(points) > 1 else 0.0

    def place(point: tuple[float, float]) -> tuple[int, int]:
        x = 40 + 240 * (math.log2(point[0]) - low) / width
        return round(x), round(10 + 120 * (1 - point[1]) / max(1e-9, 1 - least))

    drawing = "<path fill='none' stroke='gray' d='M36,4V136H290'/>"
    drawing += _text(0, 14, "100%") + _text(0, 134, f"{least:.0%}")
    drawing += _text(36, 150, _figure(2**low)) + _text(264, 150, _figure(2 ** (low + width)))
    legend: list[str] = []
    marks: list[tuple[str, tuple[int, int]]] = []
    for name, line in lines.items():
        placed = [place(point) for point in line if point[0] > 0]
        if len(placed) > 1:
            path = "M" + "L".join(f"{x},{y}" for x, y in placed)
            drawing += f"<path fill='none' stroke='{COLOR}' d='{path}'/>"
            legend.append(f"line: {name}")
        elif placed:
            mark = MARKS[len(marks) % len(MARKS)]
            marks.append((mark, placed[0]))
            legend.append(f"{mark}: {name}")
    drawing += _marks(marks)
    axes = "up: completeness; right: pairs per record, doubling"
    caption = f"{axes}; {', '.join(legend)}"
    return _picture("completeness by pairs per record", 300, 156, drawing, caption)


def _marks(marks: Sequence[tuple[str, tuple[int, int]]]) -> str:
    """Put one character at each place: a text may have a place for each of its characters."""
    if not marks:
        return ""
    places = [place for _, place in marks]
    xs, ys = (" ".join(str(place[i] + by) for place in places) for i, by in ((0, -3), (1, 4)))
    return f"<text fill='{COLOR}' x='{xs}' y='{ys}'>{''.join(mark for mark, _ in marks)}</text>"


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
    caption = "up: share; right: threshold; line: F1, pale: precision, dashed: recall"
    return _picture("precision and recall by threshold", 300, 160, drawing, caption)


def recall_picture(estimates: Mapping[str, tuple[float, float, float]]) -> str:
    """Draw estimates of recall as dots, each with its interval as a pale bar.

    estimates: name -> (low, recall, high). Returns Markdown.
    """
    least = math.floor(10 * min((low for low, _, _ in estimates.values()), default=0.0)) / 10

    left = _label_width(estimates)

    def place(share: float) -> int:
        return left + round(200 * (share - least) / max(1e-9, 1 - least))

    bars, dots, texts = "", "", ""
    for i, (name, (low, recall, high)) in enumerate(estimates.items()):
        y = 18 * i + 8
        bars += f"M{place(low)},{y}H{place(high)}"
        dots += f"M{place(recall) - 1},{y}h3"
        texts += _text(0, y + 4, name) + _text(left + 210, y + 4, f"{recall:.1%}")
    y = 18 * len(estimates) + 12
    texts += _text(left, y, f"{least:.0%}") + _text(left + 175, y, "100%")
    lines = (
        f"<g stroke='{COLOR}' stroke-width='12'>"
        f"<path opacity='.4' d='{bars}'/><path d='{dots}'/></g>"
    )
    caption = "share of the matches that are candidates; pale: 95% interval"
    return _picture("estimated recall", left + 260, y + 6, lines + texts, caption)


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
    size = 20 * len(strategies) + _label_width(strategies), 16 * len(strategies)
    caption = "share of a row's pairs that the columns, in the same order, have too"
    return _picture("overlap of the strategies", *size, lines + texts, caption)


def _bars(
    title: str, rows: Sequence[tuple[str, int, str]], dark: Sequence[int] = (), axis: str = ""
) -> str:
    """Draw a bar per row of (name, length, text beside it).

    dark: lengths of dark bars upon these, which are pale then. axis: what the lengths are.
    """
    lengths = [length for _, length, _ in rows]
    is_log = _vary_much(lengths)
    longest = _scaled(max(lengths, default=0), is_log=is_log) or 1
    left = _label_width([name for name, _, _ in rows])
    beside = max((len(text) for _, _, text in rows), default=0)

    def bar(i: int, length: int) -> str:
        return f"M{left},{18 * i + 8}h{round(LONGEST * _scaled(length, is_log=is_log) / longest)}"

    bars, texts = "", ""
    for i, (name, length, text) in enumerate(rows):
        bars += bar(i, length)
        texts += _text(0, 18 * i + 12, name)
        if text:
            texts += _text(int(bars.rpartition("h")[2]) + left + 5, 18 * i + 12, text)
    pale = " opacity='.4'" if dark else ""
    lines = f"<path stroke='{COLOR}' stroke-width='12'{pale} d='{bars}'/>"
    if dark:
        bars = "".join(bar(i, n) for i, n in enumerate(dark))
        lines += f"<path stroke='{COLOR}' stroke-width='12' d='{bars}'/>"
    caption = "; ".join(part for part in (axis, "logarithmic" if is_log else "") if part)
    width = left + LONGEST + 10 + CHARACTER * beside
    return _picture(title, width, 18 * len(rows), lines + texts, caption)


def _vary_much(lengths: Sequence[int]) -> bool:
    """Say whether the shortest bars would vanish beside the longest one."""
    some = [length for length in lengths if length > 0]
    return bool(some) and max(some) > LINEAR_RANGE * min(some)


def _scaled(length: int, *, is_log: bool) -> float:
    return math.log2(1 + length) if is_log else length


def _label_width(names: Iterable[str]) -> int:
    """Return the pixels that labels take, so that nothing is drawn over them."""
    return CHARACTER * max((len(name) for name in names), default=0) + 8


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


def _picture(title: str, width: int, height: int, drawing: str, caption: str = "") -> str:
    # Gray text reads on a light and on a dark page alike.
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'"
        f" font-size='12' font-family='sans-serif' fill='gray'>{drawing}</svg>"
    )
    # Between <> an address may hold spaces as they are.
    encoded = quote(svg, safe="=:/',.- ")
    parts = [f"**{title}**", f"![{title}](<data:image/svg+xml,{encoded}>)", markdown_cell(caption)]
    return "\n\n".join(part for part in parts if part)
