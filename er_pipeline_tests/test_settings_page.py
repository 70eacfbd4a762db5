import re

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.terminal.settings_page import Setting, settings_rows
from er_pipeline_tests.reference_sections import page

# The least that is valid, with every section that a setting may belong to.
LEAST = {
    "dataset": "people",
    "sources": [{"path": "people.csv"}],
    "fields": {"name": "text"},
    "strategies": {"name": "name"},
}


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


def _declared(place: str, value: object) -> dict[str, object]:
    """Put a value at a dotted place of the smallest declaration."""
    settings: dict[str, object] = {}
    here: dict[str, object] = settings
    *above, last = place.split(".")
    for name in above:
        here[name] = {}
        here = here[name]  # type: ignore[assignment]
    here[last] = value
    return settings


@pytest.mark.parametrize(
    "row",
    [
        row
        for row in settings_rows()
        if row.bounds
        and row.kind.startswith(("whole number", "number"))
        and not any(sign in row.place for sign in ("[]", "FIELD", "NAME", " "))
    ],
    ids=lambda row: row.place,
)
def test_every_limit_that_is_listed_is_the_one_that_holds(row: Setting) -> None:
    """At the limit a value is taken, beyond it refused with that limit in the message."""
    for bound in row.bounds:
        sign, text = bound.rsplit(" ", 1)
        limit = float(text.replace(",", ""))
        step = 1 if row.kind.startswith("whole") else max(1e-6, abs(limit) * 1e-6)
        beyond = {">=": limit - step, ">": limit, "<=": limit + step, "<": limit}[sign]
        within = {">=": limit, ">": limit + step, "<=": limit, "<": limit - step}[sign]
        whole = row.kind.startswith("whole")
        for value, is_taken in ((within, True), (beyond, False)):
            declared = _declared(row.place, int(value) if whole else value)
            try:
                PipelineSpec.model_validate({**LEAST, **declared})
                said = ""
            except ValueError as error:
                said = str(error)
            of_this = [line for line in said.splitlines() if "than" in line]
            assert bool(of_this) != is_taken, (row.place, value, said)
