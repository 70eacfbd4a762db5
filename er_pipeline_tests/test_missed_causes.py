import tempfile
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.explained_matches import TRUTH, explained


class Person(NamedTuple):
    first: str | None
    last: str | None
    words: str | None
    person_id: str


# Strategies in SQL, and what they mean in Python: one list of members per key of the record.
MEANINGS: dict[str | tuple[str, ...], Callable[[Person], list[tuple[str | None, ...]]]] = {
    "first": lambda p: [(p.first,)],
    "left(last, 1)": lambda p: [(p.last and p.last[:1],)],
    ("last", "left(first, 2)"): lambda p: [(p.last, p.first and p.first[:2])],
    "tokens(words)": lambda p: [(word,) for word in sorted(set((p.words or "").split()))],
    ("last", "tokens(words)"): lambda p: [
        (p.last, word) for word in sorted(set((p.words or "").split()))
    ],
}


def keys_of(person: Person, key: str | tuple[str, ...]) -> set[tuple[str | None, ...]]:
    return {members for members in MEANINGS[key](person) if all(members)}


def cause_of(
    left: int, right: int, people: Sequence[Person], keys: Sequence[Any], cap: int, found: bool
) -> str | None:
    """Say by brute force why a pair is missed; None where it was proposed."""
    shares_any = False
    for key in keys:
        for shared in keys_of(people[left], key) & keys_of(people[right], key):
            shares_any = True
            if sum(shared in keys_of(person, key) for person in people) <= cap:
                return None if found else "cut_by_budget"
    if shares_any:
        return "block_dropped"
    both = any(keys_of(people[left], key) and keys_of(people[right], key) for key in keys)
    return "keys_differ" if both else "no_key"


persons = st.builds(
    Person,
    st.sampled_from(["ann", "anna", "bo", None]),
    st.sampled_from(["lee", "li", "may", None]),
    st.sampled_from(["x", "x y", "y z x", "z", None]),
    st.sampled_from(["p", "q", "r"]),
)


@settings(max_examples=25, deadline=None)
@given(
    sources=st.lists(st.lists(persons, min_size=2, max_size=9), min_size=1, max_size=2),
    keys=st.lists(st.sampled_from(list(MEANINGS)), min_size=1, max_size=4, unique=True),
    cap=st.sampled_from([2, 3, 500]),
    refine=st.booleans(),
    within=st.booleans(),
    budget=st.sampled_from([None, 1, 3]),
    threshold=st.sampled_from([None, 0.5]),
)
def test_every_cause_is_that_of_brute_force_and_all_add_up(
    sources: list[list[Person]],
    keys: list[str | tuple[str, ...]],
    cap: int,
    refine: bool,
    within: bool,
    budget: int | None,
    threshold: float | None,
) -> None:
    rows: list[Rows] = [
        [{"id": f"{i:02}", **person._asdict()} for i, person in enumerate(source)]
        for source in sources
    ]
    everyone = [(s, person) for s, source in enumerate(sources) for person in source]
    people = [person for _, person in everyone]
    mode = "dedupe" if len(sources) == 1 else "link_and_dedupe" if within else "link"
    true = {
        (left, right)
        for left, right in combinations(range(len(people)), 2)
        if people[left].person_id == people[right].person_id
        and (mode != "link" or everyone[left][0] != everyone[right][0])
    }
    assume(true)
    with tempfile.TemporaryDirectory() as folder:
        dataset = Dataset(
            Path(folder),
            rows,
            mode=mode,
            fields=dict.fromkeys(["first", "last", "words"], "text"),
            strategies={f"s{i}": k if isinstance(k, str) else list(k) for i, k in enumerate(keys)},
            blocks={"max_size": cap, "oversized": "refine" if refine else "drop"},
            budget={"max_pairs": budget} if budget else None,
            threads=1,
            **TRUTH,
        )
        scores = None
        if threshold is not None:
            scores = {pair: sum(pair) % 10 / 10 for pair in combinations(range(len(people)), 2)}
        facts, missed = explained(dataset, threshold, scores)
        candidates = set(dataset.rows("unified_pairs", "left_no, right_no"))
    assert facts["true_pairs"] == len(true)
    for pair in true:
        if pair in candidates:
            low = threshold is not None and scores is not None and scores[pair] < threshold
            assert (pair in missed) == low
            assert not low or missed[pair][0] == "below_threshold"
            continue
        expected = cause_of(*pair, people, keys, cap, found=False)
        if refine and expected == "block_dropped":  # a part may have been made, and cut
            assert missed[pair][0] in ("block_dropped", "cut_by_budget")
        else:
            assert missed[pair][0] == expected
    assert set(missed) <= true
