from typing import Any

import yaml

from er_pipeline.blocking.spec.declared_comparisons import comparisons_with, not_compared
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline_tests.test_entities import spec_with

FIELDS = {"name": "person_name", "email": "email", "city": "text"}


def pasted(spec: PipelineSpec, text: str) -> PipelineSpec:
    settings: dict[str, Any] = {"fields": FIELDS, **yaml.safe_load(text)}
    return spec_with(**settings)


def test_a_change_keeps_every_other_field_compared_as_it_was() -> None:
    spec = spec_with(fields=FIELDS)
    text = comparisons_with(spec, {"email": "exact"})
    assert text == "comparisons: {name: true, email: exact, city: true}"
    assert pasted(spec, text).comparison_fields == spec.comparison_fields
    assert comparisons_with(spec, {"city": None}) == "comparisons: {name: true, email: true}"


def test_what_is_declared_stays_declared() -> None:
    declared = {
        "name": {"levels": "jaro", "thresholds": [0.9], "sql": ["name_l = city_r"]},
        "email": "exact",
        "city": True,
    }
    spec = spec_with(fields=FIELDS, comparisons=declared)
    changed = pasted(spec, comparisons_with(spec, {"city": {"term_frequency": False}}))
    assert changed.comparisons
    assert spec.comparisons
    assert changed.comparisons["city"].term_frequency is False
    for name in ("name", "email"):
        assert changed.comparisons[name] == spec.comparisons[name]


def test_what_a_section_leaves_out_is_named() -> None:
    assert not_compared(spec_with(fields=FIELDS)) == ""
    assert not_compared(spec_with(fields=FIELDS, comparisons=list(FIELDS))) == ""
    said = not_compared(spec_with(fields=FIELDS, comparisons={"email": "exact"}))
    assert said.startswith("comparisons: only email is compared")
    assert said.endswith("left out: name, city")
