from collections import Counter

import pytest
from nicknames import name_triplets

from er_pipeline.blocking.values.full_names import full_names


@pytest.mark.parametrize(
    ("full_name", "nicknames"),
    [
        ("william", ["bill", "billy", "will", "willie"]),
        ("robert", ["bob", "bobby", "rob", "robby"]),
        ("elizabeth", ["liz", "beth", "betty", "betsy", "libby", "lizzie"]),
        ("margaret", ["peggy", "peg", "meg", "maggie"]),
        ("catherine", ["katherine", "kathryn", "kate", "katie", "kathy", "cathy"]),
        ("richard", ["dick", "rick", "rich", "ricky"]),
        ("john", ["jon", "jack", "johnny"]),
        ("james", ["jim", "jimmy", "jamie"]),
        ("stephen", ["steven", "steve"]),
        ("michael", ["mike", "mick"]),
        ("edward", ["ed", "eddie", "ned"]),
        ("theodore", ["ted", "teddy"]),
        ("albert", ["al", "bert"]),
        ("alan", ["allen", "allan"]),
        ("thomas", ["tom", "tommy"]),
        ("charles", ["charlie", "chuck"]),
        ("susan", ["sue", "susie"]),
        ("abigail", ["abby", "abbie"]),
    ],
)
def test_a_full_name_and_its_nicknames_are_one_class(full_name: str, nicknames: list[str]) -> None:
    assert {full_names()[name] for name in [full_name, *nicknames]} == {full_name}


def test_shared_nicknames_do_not_merge_full_names() -> None:
    names = ["albert", "alan", "alexander", "alfred", "robert", "william", "lisa", "erin"]
    assert [full_names()[name] for name in names] == names


def test_no_class_of_nicknames_is_larger_than_its_docstring_says() -> None:
    names = {name for full, _, short in name_triplets() for name in (full, short)}
    sizes = Counter(full_names()[name] for name in names)
    assert max(sizes.values()) <= 21
    assert len(sizes) > 900
    assert all(full_names()[full] == full for full in sizes)
