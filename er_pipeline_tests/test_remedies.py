from collections.abc import Callable

from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.explained_matches import TRUTH, many


def test_what_raising_the_cap_is_said_to_cost_is_what_it_costs(
    dataset: Callable[..., Dataset],
) -> None:
    rows = many(*["lee"] * 4, *["may"] * 6, "ray", "ray")
    kept = [
        dataset(rows, strategies={"name": "name"}, blocks={"max_size": cap}, **TRUTH).pair()
        for cap in (3, 4, 6)
    ]
    assert [facts["pairs"] - kept[0]["pairs"] for facts in kept] == [0, 6, 21]
