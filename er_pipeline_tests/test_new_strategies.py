from collections.abc import Callable
from itertools import combinations

from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.explained_matches import FEW, TRUTH, explained


def test_a_remedy_costs_what_its_blocks_hold(dataset: Callable[..., Dataset]) -> None:
    people = dataset(FEW, strategies={"last": "last"}, **TRUTH)
    facts, missed = explained(people)
    # The mail finds all pairs of the first three: three pairs for three matches, nothing more.
    for pair in combinations(range(3), 2):
        assert missed[pair][2] == "add strategy mail: costs 3 pairs"
    assert missed[0, 3][2] == "no key of one or two fields finds it; try embedding: true"
    assert facts["remedies"][0] == {
        "remedy": "add strategy mail: costs 3 pairs",
        "pairs": 3,
        "finds": 3,
        "mends": 3,
        "pairs_per_match": 1.0,
    }
    assert all(row["mends"] == 0 for row in facts["remedies"][1:])
