from typing import Any, get_args

import dagster as dg
import pytest

from er_pipeline.blocking.tables import pictures
from er_pipeline.blocking.tables.pictures import Picture
from er_pipeline.orchestration.asset_metadata import DRAWN, metadata_values
from er_pipeline.orchestration.charts import INLINE_LIMIT


def test_numbers_and_texts_keep_their_kind() -> None:
    values = metadata_values({"pairs": 3, "share": 0.5, "encoder": "lexical"})
    assert values == {
        "pairs": dg.MetadataValue.int(3),
        "share": dg.MetadataValue.float(0.5),
        "encoder": dg.MetadataValue.text("lexical"),
    }


def test_every_kind_of_picture_is_drawn() -> None:
    assert set(DRAWN) == set(get_args(Picture))


LEVELS = {"email": [{"m": 0.9, "u": 0.1, "weight": 3.2}, {"m": 0.1, "u": 0.9, "weight": -3.2}]}


@pytest.mark.parametrize(
    ("picture", "shown"),
    [
        (pictures.Grid(["rule", "pairs"], [["same name", "7"]]), "| same name | 7 |"),
        (pictures.Counts("causes", {"no key": 3}), "data:image/svg+xml"),
        (pictures.BlockSizes({"2-10": {"blocks": 2, "pairs": 4}}), "data:image/svg+xml"),
        (pictures.Similarities({"0.3-0.4": 5}), "data:image/svg+xml"),
        (pictures.Estimates({"recall": (0.8, 0.9, 1.0)}), "data:image/svg+xml"),
        (pictures.Overlap(["email", "name"], [[5, 2], [2, 9]]), "data:image/svg+xml"),
    ],
)
def test_a_picture_is_markdown(picture: Any, shown: str) -> None:
    value = metadata_values({"picture": picture})["picture"]
    assert isinstance(value, dg.MarkdownMetadataValue)
    assert shown in (value.md_str or "")


def test_what_is_too_long_to_stand_says_so_and_opens_whole_on_a_click() -> None:
    rows = [[f"change {i}", "x" * 60] for i in range(40)]
    values = metadata_values({"remedies": pictures.Grid(["change", "why"], rows), "n": 3})
    assert list(values) == ["remedies", "remedies_whole", "n"]
    part, whole = (str(values[name].value) for name in ("remedies", "remedies_whole"))
    assert len(part) < INLINE_LIMIT < len(whole)
    n_shown = part.count("| change ") - 1
    assert f"and {40 - n_shown} more: see remedies_whole" in part
    assert all(f"change {i}" in whole for i in range(40))


def test_no_field_of_a_model_is_left_out() -> None:
    levels = {f"field_{i}": [{"m": 0.5, "u": 0.5, "match_weight": 1.0}] * 5 for i in range(30)}
    for picture in (pictures.LevelShares(levels), pictures.LevelWeights(levels)):
        whole = str(metadata_values({"levels": picture})["levels_whole"].value)
        assert all(f"field_{i}" in whole for i in range(30))
