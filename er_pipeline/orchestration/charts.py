"""The pictures an asset shows: small SVG drawings inside Markdown, which the UI renders inline."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

COLOR = "#4C6EF5"


def size_histogram(size_classes: Mapping[str, Mapping[str, int]]) -> str:
    """Draw how many blocks fall into each class of size, and how many pairs they hold.

    size_classes: class -> {"blocks": n, "pairs": n}, in the order to draw. Returns Markdown.
    """
    import altair as alt

    rows = [
        {"size": name, "what": what, "n": counts[what]}
        for name, counts in size_classes.items()
        for what in ("blocks", "pairs")
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("size:N", sort=list(size_classes), title="records in the block"),
        x=alt.X("n:Q", title=None, axis=alt.Axis(format="~s", tickCount=4)),
    )
    labels = base.mark_text(align="left", dx=3, fontSize=9).encode(
        text=alt.Text("n:Q", format=",")
    )
    bars = (base.mark_bar(color=COLOR) + labels).properties(width=220, height=110)
    chart = bars.facet(column=alt.Column("what:N", title=None)).resolve_scale(x="independent")
    table = _markdown_table(
        ("block size", "blocks", "pairs"),
        [(name, f"{c['blocks']:,}", f"{c['pairs']:,}") for name, c in size_classes.items()],
    )
    return f"{_picture(chart, 'Blocks and pairs by block size')}\n\n{table}"


def overlap_picture(strategies: Sequence[str], shared_pairs: Sequence[Sequence[int]]) -> str:
    """Draw how many pairs every two strategies propose together.

    shared_pairs: (n_strategies, n_strategies) counts; the diagonal holds a strategy's own pairs.
    A cell's shade is the share of the row's pairs that the column's strategy proposes too.
    Returns Markdown.
    """
    import altair as alt

    rows: list[dict[str, Any]] = [
        {
            "row": row,
            "column": column,
            "pairs": shared_pairs[i][j],
            "share": shared_pairs[i][j] / shared_pairs[i][i] if shared_pairs[i][i] else 0.0,
        }
        for i, row in enumerate(strategies)
        for j, column in enumerate(strategies)
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("column:N", sort=list(strategies), title="is proposed by this strategy too"),
        y=alt.Y("row:N", sort=list(strategies), title="of this strategy's pairs"),
    )
    cells = base.mark_rect().encode(
        color=alt.Color("share:Q", scale=alt.Scale(scheme="blues", domain=[0, 1]), title="share")
    )
    numbers = base.mark_text(fontSize=9).encode(
        text=alt.Text("share:Q", format=".0%"),
        color=alt.condition("datum.share > 0.6", alt.value("white"), alt.value("black")),
    )
    side = 46 * len(strategies) + 40
    return _picture(
        (cells + numbers).properties(width=side, height=side * 0.6), "Overlap of the strategies"
    )


def verdict_table(rows: Sequence[tuple[str, ...]], header: Sequence[str]) -> str:
    """Write rows as a Markdown table."""
    return _markdown_table(header, rows)


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _picture(chart: Any, title: str) -> str:
    drawn = io.StringIO()
    chart.save(drawn, format="svg")
    encoded = base64.b64encode(drawn.getvalue().encode()).decode()
    return f"![{title}](data:image/svg+xml;base64,{encoded})"
