from typing import Any

import pytest

from er_pipeline.evaluation.remedy_settings import COMPARED_BY, NO_MATCH, as_declared, change_of
from er_pipeline_tests.small_spec import small_spec

KEYS = "[left(name, 3), split_part(mail, ',', 1)]"


def spec(**settings: Any) -> Any:
    fields = {"name": "person_name", "mail": "email"}
    return small_spec(fields=fields, **{"strategies": {"name": "name"}, **settings})


@pytest.mark.parametrize(
    ("declared", "remedy", "settings", "adds", "number", "bound"),
    [
        (
            {},
            f"add strategy {KEYS}: costs 1,234 pairs",
            {
                "strategies": {
                    "name": "name",
                    "added": ["left(name, 3)", "split_part(mail, ',', 1)"],
                }
            },
            "strategy",
            1234,
            "",
        ),
        (
            {"strategies": "auto", "learning": {"k": 2}},
            "learning: pin mail: costs 5 pairs",
            {"learning": {"k": 2, "pin": ["mail"]}},
            "strategy",
            5,
            "",
        ),
        (
            {"blocks": {"min_size": 3}},
            "raise blocks: max_size to 820 (+1,000 pairs)",
            {"blocks": {"min_size": 3, "max_size": 820}},
            "blocks",
            1000,
            "",
        ),
        (
            {},
            "lower blocks: min_size to 2 (at least +7 pairs)",
            {"blocks": {"min_size": 2}},
            "blocks",
            7,
            "at least",
        ),
        (
            {"budget": {"pairs_per_record": 1, "max_pairs": 9}},
            "budget: pairs_per_record 1.5, max_pairs 12 (+3 pairs)",
            {"budget": {"pairs_per_record": 1.5, "max_pairs": 12}},
            "candidates",
            3,
            "",
        ),
        (
            {"embedding": True},
            "embedding: k 20, min_share_of_best 0.5 (at most +40 pairs)",
            {"embedding": {"encoder": "lexical", "k": 20, "min_share_of_best": 0.5}},
            "neighbours",
            40,
            "at most",
        ),
        (
            {"second_pass": {"strategies": {"mail": "mail"}}},
            "raise second_pass: max_size to 3000 (+2 pairs)",
            {"second_pass": {"strategies": {"mail": "mail"}, "max_size": 3000}},
            "second_pass",
            2,
            "",
        ),
        (
            {"matching": True},
            "matching: threshold 0.04 (+2,702 matches; precision 99.4% to 95.6%)",
            {"matching": {"threshold": 0.04}},
            "matches",
            2702,
            "",
        ),
    ],
)
def test_a_remedy_is_read_as_the_settings_it_names(
    declared: dict[str, Any],
    remedy: str,
    settings: dict[str, Any],
    adds: str,
    number: int,
    bound: str,
) -> None:
    before = spec(**declared)
    change = change_of(before, remedy)
    assert change
    assert change.settings == settings
    assert (change.adds, change.number, change.bound) == (adds, number, bound)
    before.changed(change.settings)  # it can be declared


def test_a_larger_budget_comes_with_its_change() -> None:
    before = spec(budget={"pairs_per_record": 1})
    change = change_of(
        before, "add strategy mail: costs 5 pairs; budget: pairs_per_record 2 (at most +4 pairs)"
    )
    assert change
    assert change.budget
    assert (change.number, change.budget.number, change.budget.bound) == (5, 4, "at most")
    assert change.settings["budget"] == {"pairs_per_record": 2.0}
    assert (
        as_declared(change)
        == "strategies: {name: name, added: mail}, budget: {pairs_per_record: 2.0}"
    )


def test_what_makes_a_candidate_and_no_match_is_marked() -> None:
    change = change_of(spec(), f"{NO_MATCH}{COMPARED_BY}add strategy mail: costs 5 pairs")
    assert change
    assert not change.makes_match
    assert change_of(spec(), NO_MATCH) is None
    assert change_of(spec(), "no key of one or two fields finds it; try embedding: true") is None
