"""What an asset shows of its facts, as Dagster takes it: numbers plot, pictures stand inline."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import dagster as dg

from er_pipeline.blocking.tables import pictures
from er_pipeline.blocking.tables.pictures import Shown
from er_pipeline.orchestration import charts

DRAWN: dict[type, Callable[[Any], str]] = {
    pictures.Grid: lambda grid: charts.markdown_table(grid.header, grid.rows),
    pictures.Counts: lambda picture: charts.count_picture(picture.title, picture.counts),
    pictures.BlockSizes: lambda picture: charts.size_histogram(picture.classes),
    pictures.Similarities: lambda picture: charts.similarity_histogram(picture.classes),
    pictures.LevelWeights: lambda picture: charts.level_weights(picture.levels),
    pictures.LevelShares: lambda picture: charts.level_shares(picture.levels),
    pictures.WeightClasses: lambda picture: charts.weight_histogram(picture.rows),
    pictures.MatchWeights: lambda picture: charts.match_weight_histogram(picture.counts),
    pictures.Curve: lambda picture: charts.curve_picture(picture.lines),
    pictures.Quality: lambda picture: charts.quality_picture(picture.rows),
    pictures.Estimates: lambda picture: charts.recall_picture(picture.estimates),
    pictures.Overlap: lambda picture: charts.overlap_picture(
        picture.strategies, picture.shared_pairs
    ),
}


# The part of a picture that can be shown in part: a mapping or a sequence of so many.
PARTS = {
    pictures.Grid: "rows",
    pictures.Counts: "counts",
    pictures.BlockSizes: "classes",
    pictures.Similarities: "classes",
    pictures.LevelWeights: "levels",
    pictures.LevelShares: "levels",
    pictures.Curve: "lines",
    pictures.Estimates: "estimates",
    pictures.Overlap: "strategies",
}
WHOLE = "_whole"  # ends the name of what is shown behind a click, where it is too long to stand


def metadata_values(shown: Mapping[str, Shown]) -> dict[str, dg.MetadataValue[Any]]:
    """Turn what a step shows into metadata.

    What is too long to be shown where it stands is shown as far as that goes, and says so; the
    whole of it is another entry, NAME_whole, which the UI opens on a click.
    """
    values: dict[str, dg.MetadataValue[Any]] = {}
    wholes: dict[str, dg.MetadataValue[Any]] = {}
    for name, value in shown.items():
        if isinstance(value, int | float | str):
            values[name] = _plain_value(value)
            continue
        whole = DRAWN[type(value)](value)
        part = whole if len(whole) < charts.INLINE_LIMIT else _part_of(name, value)
        values[name] = dg.MetadataValue.md(whole if part is None else part)
        if part not in (whole, None):
            wholes[f"{name}{WHOLE}"] = dg.MetadataValue.md(whole)
    return _before_numbers(values, wholes)


def _plain_value(value: int | float | str) -> dg.MetadataValue[Any]:
    if isinstance(value, str):
        return dg.MetadataValue.text(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    return dg.MetadataValue.float(value)


def _part_of(name: str, value: Shown) -> str | None:
    """Draw as many of a picture's parts as stand inline, with how many more there are.

    None if there are none: the UI then shows the whole behind a click.
    """
    part = PARTS.get(type(value))
    if part is None:
        return None
    parts = getattr(value, part)
    for n in range(len(parts) - 1, 0, -1):
        taken = dict(list(parts.items())[:n]) if isinstance(parts, Mapping) else parts[:n]
        drawn = DRAWN[type(value)](replace(cast(Any, value), **{part: taken}))
        drawn += f"\n\nand {len(parts) - n:,} more: see {name}{WHOLE}"
        if len(drawn) < charts.INLINE_LIMIT:
            return drawn
    return None


def _before_numbers(
    values: Mapping[str, dg.MetadataValue[Any]], wholes: Mapping[str, dg.MetadataValue[Any]]
) -> dict[str, dg.MetadataValue[Any]]:
    """Put what opens on a click between what stands and the numbers at the end."""
    numeric = (dg.IntMetadataValue, dg.FloatMetadataValue)
    plotted = {name: value for name, value in values.items() if isinstance(value, numeric)}
    return {**{n: v for n, v in values.items() if n not in plotted}, **wholes, **plotted}
