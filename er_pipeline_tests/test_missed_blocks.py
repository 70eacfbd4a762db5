from collections.abc import Callable

from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.explained_matches import TRUTH, causes, explained, many


def test_a_dropped_block_is_shown_with_its_size_and_what_raising_the_cap_costs(
    dataset: Callable[..., Dataset],
) -> None:
    rows = many(*["lee"] * 4, *["may"] * 6, "ray", "ray")
    people = dataset(rows, strategies={"name": "name"}, blocks={"max_size": 3}, **TRUTH)
    facts, missed = explained(people)
    assert missed[0, 1] == (
        "block_dropped",
        "name: block 'lee' of 4 records is over the cap of 3",
        "raise blocks: max_size to 4 (+6 pairs)",
    )
    assert missed[4, 5] == (
        "block_dropped",
        "name: block 'may' of 6 records is over the cap of 3",
        "raise blocks: max_size to 6 (+21 pairs)",
    )
    assert len(missed) == 5
    found = {row["remedy"]: (row["finds"], row["mends"]) for row in facts["remedies"]}
    # A cap of 6 finds the pairs of the block of 4, too.
    assert found == {
        "raise blocks: max_size to 4 (+6 pairs)": (2, 2),
        "raise blocks: max_size to 6 (+21 pairs)": (5, 3),
    }


def test_a_divided_block_is_shown_with_the_key_that_parts_the_pair(
    dataset: Callable[..., Dataset],
) -> None:
    rows = [
        {"id": f"{i}", "name": "lee", "town": town, "street": street, "person_id": person}
        for i, (town, street, person) in enumerate(
            [
                ("bath", "a", "p"),
                ("york", "b", "p"),
                ("york", "c", "q"),
                ("york", "d", "q"),
                ("bath", "e", "r"),
            ]
        )
    ]
    people = dataset(
        rows,
        strategies={"name": "name"},
        blocks={"max_size": 2, "oversized": "refine", "refine_by": ["town", "street"]},
        **TRUTH,
    )
    _, missed = explained(people)
    assert causes(missed) == {(0, 1): "block_dropped", (2, 3): "block_dropped"}
    assert missed[0, 1][1] == (
        "name: block 'lee' of 5 records was divided by town, which the two do not share"
    )
    # The smallest part that still holds both.
    assert missed[2, 3][1] == (
        "name: block 'lee > york' of 3 records was divided by street, which the two do not share"
    )
    assert missed[2, 3][2] == "raise blocks: max_size to 3 (+3 pairs)"


def test_a_block_below_the_least_size_is_shown(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        many("lee", "lee"), strategies={"name": "name"}, blocks={"min_size": 3}, **TRUTH
    )
    _, missed = explained(people)
    assert missed[0, 1][1] == "name: block 'lee' of 2 records is below min_size 3"


def test_the_second_pass_is_named_only_where_it_looked(dataset: Callable[..., Dataset]) -> None:
    rows = [
        {"id": str(i), "name": name, "town": town, "person_id": person}
        for i, (name, town, person) in enumerate(
            [
                ("lee", "bath", "p"),  # has a candidate, 1
                ("lee", "york", "q"),
                ("may", "york", "r"),  # has a candidate, 3
                ("may", "hull", "q"),
                ("ray", "bath", "p"),  # lonely: the second pass compares 0 with it, were it not
                ("roy", "bath", "s"),  # that three share the town
            ]
        )
    ]
    people = dataset(
        rows,
        strategies={"name": "name"},
        second_pass={"strategies": {"town": "town"}, "max_size": 2},
        **TRUTH,
    )
    _, missed = explained(people)
    assert missed[0, 4][:2] == (
        "block_dropped",
        "town: block 'bath' of 3 records is over the cap of 2",
    )
    assert missed[0, 4][2] == "raise second_pass: max_size to 3 (+3 pairs)"
    # Both have candidates, so the second pass never looked at the town of 1 and 3.
    assert missed[1, 3][:2] == ("keys_differ", "name: name is 'lee' and 'may'")
