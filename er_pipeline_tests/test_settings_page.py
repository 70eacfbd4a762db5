import re

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.terminal.settings_page import Setting, settings_rows
from er_pipeline_tests.reference_sections import page


def test_every_setting_stands_in_the_page_once_with_its_meaning() -> None:
    items = re.findall(r"^- `([^`]+)`: .+?  \n  (.+?)(?=\n- |\n\n)", page("settings"), re.S | re.M)
    found = {place: " ".join(meaning.split()) for place, meaning in items}
    assert len(found) == len(items)
    assert found == {row.place: row.meaning for row in settings_rows()}
    assert {place.replace("[]", "").split(".")[0] for place in found} == set(
        PipelineSpec.model_fields
    )
    assert all(found.values())


def test_settings_show_their_kind_bounds_and_default() -> None:
    rows = {row.place: row for row in settings_rows()}
    assert rows["blocks.max_size"] == Setting(
        "blocks.max_size",
        "whole number or null",
        "`500`",
        (">= 2",),
        (),
        "Cap: largest block compared, in records; null for no cap.",
    )
    assert rows["mode"].choices == ("dedupe", "link", "link_and_dedupe")
    assert rows["learning.pin"].kind == "list of (key or list of keys)"
    assert rows["sources[].columns"].kind == "mapping of names to (text or null)"
    assert rows["comparisons.FIELD.thresholds"].bounds == ("length >= 1", "length <= 6")
    assert "`blocks.max_size`: whole number or null, >= 2, default `500`.  \n" in page("settings")
