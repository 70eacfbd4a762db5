from collections.abc import Callable
from typing import Any

import pytest

from er_pipeline.blocking.neighbours.view_lists import carries_lists
from er_pipeline_tests.conftest import Dataset, Rows

ROWS: Rows = [{"id": "1", "name": "ann", "v": "[1]"}]


@pytest.mark.parametrize(
    ("embedding", "carries"),
    [
        ({"encoder": "lexical", "whole_record": False}, True),
        ({"encoder": "static"}, True),  # by the words of whole records
        ({"encoder": "static", "whole_record": False}, False),
        ({"encoder": "column", "column": "v"}, False),
    ],
)
def test_lists_by_tf_idf_are_left_for_another_night(
    dataset: Callable[..., Dataset], embedding: dict[str, Any], carries: bool
) -> None:
    people = dataset(ROWS, fields={"name": "text"}, strategies={}, embedding=embedding)
    assert carries_lists(people.spec) == carries
