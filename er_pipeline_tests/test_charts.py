import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from er_pipeline.orchestration.charts import (
    INLINE_LIMIT,
    overlap_picture,
    similarity_histogram,
    size_histogram,
)

SIZES = {
    name: {"blocks": 11_512_345, "pairs": 270_648_123}
    for name in ("1", "2-10", "11-99", "100-cap", "over the cap")
}
SIX = ["email_exact", "email_domain", "name_key", "soundex", "company_word", "name_combo"]


def drawing(markdown: str) -> ElementTree.Element:
    found = re.fullmatch(r"!\[[^]]+\]\(data:image/svg\+xml,(.*)\)", markdown)
    assert found
    return ElementTree.fromstring(unquote(found[1]))


@pytest.mark.parametrize(
    "picture",
    [
        size_histogram(SIZES),
        similarity_histogram({f"{i / 10:.1f}-{(i + 1) / 10:.1f}": 12345 for i in range(1, 10)}),
        overlap_picture(SIX, [[100 if i == j else 40 for j in range(6)] for i in range(6)]),
    ],
)
def test_pictures_are_small_enough_to_show_inline(picture: str) -> None:
    assert drawing(picture).tag.endswith("svg")
    assert len(picture) < INLINE_LIMIT


def test_the_longest_bar_is_the_largest_class() -> None:
    picture = size_histogram({"1": {"blocks": 9, "pairs": 0}, "2-10": {"blocks": 1, "pairs": 10}})
    path = next(part for part in drawing(picture) if part.tag.endswith("path"))
    assert path.attrib["d"] == "M85,8h0M85,26h150"
    assert "1 blocks, 10 pairs" in [part.text for part in drawing(picture)]


def test_a_name_cannot_break_the_picture() -> None:
    texts = [part.text for part in drawing(overlap_picture(["<b>&"], [[1]]))]
    assert "<b>&" in texts


def test_no_pairs_make_an_empty_picture_not_an_error() -> None:
    assert len(drawing(overlap_picture(["a"], [[0]]))) == 2
