from collections.abc import Callable

from er_pipeline_tests.conftest import Dataset, Rows

PEOPLE: Rows = [
    {"id": "1", "first": "ann", "last": "lee", "born": "1980-01-01", "person_id": "p"},
    {"id": "2", "first": "ann", "last": "lee", "born": "1980-01-01", "person_id": "p"},
    {"id": "3", "first": "ann", "last": "lee", "born": "1980-05-05", "person_id": "r"},
    {"id": "4", "first": "bob", "last": "kim", "born": "1980-01-01", "person_id": "r"},
    {"id": "5", "first": None, "last": "kim", "born": None, "person_id": "r"},
]
RULES = {"same_name": ["upper(first)", "soundex(last)"], "same_year": "year(born)"}


def test_every_rule_is_counted_exactly_and_costs_add_up(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies={"last": "last"}, training_rules=RULES)
    facts = people.make("em_training_rules")
    # ann lee of three records: 3 pairs; 1980 of four: 6. A pair of both rules counts twice.
    assert people.rows("em_training_rules", order="rule") == [
        ("same_name", "upper(first) and soundex(last)", ["first", "last"], 3, 3, None),
        ("same_year", "year(born)", ["born"], 6, 4, None),
    ]
    assert facts["pairs"] == 9
    assert people.rows("em_training_blocks", "rule, block_key, record_no") == [
        ("same_name", "ANN|L000", 0),
        ("same_name", "ANN|L000", 1),
        ("same_name", "ANN|L000", 2),
        ("same_year", "1980", 0),
        ("same_year", "1980", 1),
        ("same_year", "1980", 2),
        ("same_year", "1980", 3),
    ]


def test_linking_trains_on_pairs_between_sources_within_the_cap(
    dataset: Callable[..., Dataset],
) -> None:
    both = dataset(
        PEOPLE[:4],
        PEOPLE[:2],
        strategies={"last": "last"},
        training_rules=RULES,
        blocks={"max_size": 5},
    )
    facts = both.make("em_training_rules")
    # ann lee: 3 by 2; 1980 has six records, over the cap.
    assert {name: rule["pairs"] for name, rule in facts["rules"].items()} == {
        "same_name": 6,
        "same_year": 0,
    }
    assert {rule for (rule,) in both.rows("em_training_blocks", "rule")} == {"same_name"}
