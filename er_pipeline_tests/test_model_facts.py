from pathlib import Path

from er_pipeline.matching.model_facts import ModelFacts, SessionFacts, model_facts
from er_pipeline_tests.conftest import Dataset, made_up_people


def test_facts_beside_a_trained_model_are_those_declared(tmp_path: Path) -> None:
    people = Dataset(
        tmp_path,
        [made_up_people(tmp_path, 400)],
        fields={"first_name": "person_name", "last_name": "person_name", "birth_date": "date"},
        strategies={"last": "last_name"},
        training_rules={"last": "last_name", "born": "birth_date"},
        matching={"max_u_pairs": 10_000},
    )
    people.train()
    facts = model_facts(people.lake)
    assert set(facts) == set(ModelFacts.__annotations__)
    assert [session["rule"] for session in facts["sessions"]] == ["last", "born"]
    for session in facts["sessions"]:
        assert set(session) == set(SessionFacts.__annotations__)
        assert {*session["trained"], *session["left_out"]} == set(people.spec.comparison_fields)
    assert set(facts["levels"]) == set(people.spec.comparison_fields)
    assert 0 < facts["prior"] < 1
