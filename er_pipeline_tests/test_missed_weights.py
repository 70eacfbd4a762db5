from collections.abc import Callable

from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.explained_matches import TRUTH, causes, explained


def test_what_a_budget_cut_is_shown_with_its_weight(dataset: Callable[..., Dataset]) -> None:
    rows: Rows = [
        {"id": "1", "name": "lee", "town": "bath", "person_id": "p"},
        {"id": "2", "name": "lee", "town": "bath", "person_id": "p"},
        {"id": "3", "name": "may", "town": "york", "person_id": "q"},
        {"id": "4", "name": "mai", "town": "york", "person_id": "q"},
        {"id": "5", "name": "ray", "town": "hull", "person_id": "r"},
        {"id": "6", "name": "rae", "town": "deal", "person_id": "s"},
    ]
    people = dataset(
        rows, strategies={"name": "name", "town": "town"}, budget={"max_pairs": 1}, **TRUTH
    )
    facts, missed = explained(people)
    assert causes(missed) == {(2, 3): "cut_by_budget"}
    whole = dataset(rows, strategies={"name": "name", "town": "town"}, **TRUTH)
    whole.pair()
    weights = whole.weights()
    assert missed[2, 3][1] == (
        f"weight {weights[2, 3]:.4f}, the least one kept has {weights[0, 1]:.4f}"
    )
    assert missed[2, 3][2] == "budget: max_pairs 2 (+1 pairs)"
    assert facts["remedies"][0]["finds"] == 1


def test_among_three_linked_sources_rivals_are_those_of_the_same_other_source(
    dataset: Callable[..., Dataset],
) -> None:
    def rows(*of_source: tuple[str, str, str]) -> Rows:
        return [
            {"id": str(i), "name": name, "town": town, "person_id": person}
            for i, (name, town, person) in enumerate(of_source)
        ]

    sources = (
        rows(("may", "york", "q"), ("lee", "bath", "p"), ("orr", "wells", "o")),
        rows(("mai", "york", "q"), ("lee", "bath", "p"), ("kay", "wells", "k")),
        rows(("may", "york", "q"), ("lee", "bath", "p"), ("fox", "ely", "f")),
    )
    by_both = {"strategies": {"name": "name", "town": "town"}}
    people = dataset(*sources, budget={"max_pairs": 4}, **by_both, **TRUTH)
    _, missed = explained(people)
    # Two records called may, and three called lee, agree in both; the q of the second in the town.
    assert causes(missed) == {(0, 3): "cut_by_budget", (3, 6): "cut_by_budget"}
    whole = dataset(*sources, **by_both, **TRUTH)
    whole.pair()
    weights = whole.weights()
    for pair, (_, evidence, _) in missed.items():
        assert evidence.startswith(f"weight {weights[pair]:.4f}, the least one kept")
