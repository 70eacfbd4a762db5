import pytest

from er_pipeline.blocking.spec.kinds import default_training_rules, guess_kind
from er_pipeline_tests.small_spec import small_spec


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("first_name", "person_name"),
        ("surname", "person_name"),
        ("Email_Address", "email"),
        ("mobile", "phone"),
        ("tel", "phone"),
        ("hotel", "text"),
        ("company_name", "company"),
        ("org", "company"),
        ("organic", "text"),
        ("date_of_birth", "date"),
        ("dob", "date"),
        ("street_1", "address"),
        ("postcode", "identifier"),
        ("soc_sec_id", "identifier"),
        ("title", "text"),
        ("name", "text"),
    ],
)
def test_a_fields_kind_is_guessed_from_its_name(field: str, kind: str) -> None:
    assert guess_kind(field) == kind


@pytest.mark.parametrize(
    "kinds",
    [
        {"first_name": "person_name", "last_name": "person_name", "dob": "date", "email": "email"},
        {"title": "text", "authors": "text", "year": "text"},
        {"last_name": "person_name", "city": "text"},
    ],
)
def test_default_training_rules_leave_every_field_free_in_one(kinds: dict[str, str]) -> None:
    people = small_spec(fields=kinds, strategies={"key": next(iter(kinds))}, training_rules=None)
    rules = people.training_conjunctions
    assert [rule.name for rule in rules] == list(default_training_rules(kinds))
    for field in kinds:
        assert any(field not in rule.source_columns for rule in rules), field
