from typing import Any

import pytest
from pydantic import ValidationError

from er_pipeline_tests.small_spec import small_spec

MATCHED: dict[str, Any] = {
    "fields": {"name": "text", "seen": "date"},
    "training_rules": {"name": "name"},
    "matching": True,
}


@pytest.mark.parametrize(
    ("survivorship", "more", "message"),
    [
        (True, {"matching": None}, "golden records are of entities; write matching: true"),
        ({"fields": {"nmae": "longest"}}, {}, "did you mean 'name'"),
        ({"fields": {"name": "newset"}}, {}, "most_frequent"),
        ({"default": "newest"}, {}, "write newest_by"),
        ({"fields": {"name": "newest"}}, {}, "write newest_by"),
        ({"newest_by": "name"}, {}, "'name' is of the kind text"),
        ({"newest_by": "nobody"}, {}, "'nobody' is unknown"),
        ({"source_order": ["crm"]}, {}, "'crm' is no source; there are people"),
        (True, {"fields": {"name": "text", "name_source": "text"}}, "no field may be called so"),
        (True, {"fields": {"name": "text", "records": "text"}}, "no field may be called so"),
    ],
)
def test_what_does_not_fit_is_said_with_the_cure(
    survivorship: Any, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        small_spec(**{**MATCHED, **more, "survivorship": survivorship})


def test_a_field_has_its_own_rule_or_the_default() -> None:
    spec = small_spec(
        **MATCHED,
        survivorship={"default": "longest", "fields": {"name": "newest"}, "newest_by": "seen"},
    )
    assert spec.survivorship
    assert [spec.survivorship.rule_of(name) for name in ("name", "seen")] == ["newest", "longest"]
    assert spec.survivorship.sources_in_order(["a", "b"]) == ["a", "b"]


def test_sources_that_are_not_named_come_last() -> None:
    spec = small_spec(**MATCHED, survivorship={"source_order": ["people"]})
    assert spec.survivorship
    assert spec.survivorship.sources_in_order(["a", "people"]) == ["people", "a"]
