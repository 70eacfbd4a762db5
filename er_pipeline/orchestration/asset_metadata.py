"""What an asset shows of its facts, as Dagster takes it: numbers plot, pictures stand inline."""

from collections.abc import Callable, Mapping
from typing import Any

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


def metadata_values(shown: Mapping[str, Shown]) -> dict[str, dg.MetadataValue[Any]]:
    """Turn what a step shows into metadata."""
    return {name: _metadata_value(value) for name, value in shown.items()}


def _metadata_value(value: Shown) -> dg.MetadataValue[Any]:
    if isinstance(value, str):
        return dg.MetadataValue.text(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    if isinstance(value, float):
        return dg.MetadataValue.float(value)
    return dg.MetadataValue.md(DRAWN[type(value)](value))
