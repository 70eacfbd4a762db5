import tempfile
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.blocks.record_codes import codes_facts
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.test_filtered_blocks import PEOPLE, STRATEGIES


def test_a_record_without_a_kept_block_has_a_code_nobody_else_has(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        PEOPLE, strategies={"letters": "tokens(last)", **STRATEGIES}, blocks={"max_size": 4}
    )
    people.filter()
    assert people.rows("record_codes") == [
        (0, 0, 0, -1),
        (1, 0, 0, -2),
        (2, 0, 0, -3),
        (3, 0, 1, -4),
        (4, 0, 1, -5),
        (5, 0, -6, -6),
        (6, 0, -7, -7),
    ]


def test_the_facts_count_the_single_valued_strategies(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies={"letters": "tokens(last)", **STRATEGIES})
    people.filter()
    assert codes_facts(people.lake) == {
        "codes": 2,
        "names": ["last", "city"],
        "rules": [],
        "single_rules": [],
        "listed_rules": [],
    }


VALUES = st.sampled_from(["x", "y", "z", None])


@settings(max_examples=10, deadline=None)
@given(
    rows=st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=12),
    cap=st.sampled_from([2, 3, None]),
)
def test_equal_codes_are_the_blocks_that_were_kept(
    rows: list[tuple[str | None, str | None]], cap: int | None
) -> None:
    records: Rows = [{"id": f"{i:02}", "a": a, "b": b} for i, (a, b) in enumerate(rows)]
    with tempfile.TemporaryDirectory() as folder:
        people = Dataset(
            Path(folder), [records], strategies={"a": "a", "b": "b"}, blocks={"max_size": cap}
        )
        people.filter()
        codes = people.rows("record_codes", "code_0, code_1", "record_no")
    for column in (0, 1):
        values = [row[column] for row in rows]
        for i, j in combinations(range(len(rows)), 2):
            kept = values[i] is not None and (cap is None or values.count(values[i]) <= cap)
            is_pair = kept and values[i] == values[j]
            assert (codes[i][column] == codes[j][column]) == is_pair


def test_a_key_of_half_of_all_records_joins_no_more_than_the_cap(
    dataset: Callable[..., Dataset],
) -> None:
    # The pairs come of a join on codes: the largest task is as long as its largest group.
    rows: Rows = [
        {"id": f"{i:03}", "last": "li" if i % 2 else f"name {i // 8}", "city": f"{i % 5}"}
        for i in range(120)
    ]
    strategies = {"last": "last", "both": ["last", "city"]}
    people = dataset(rows, strategies=strategies, blocks={"max_size": 12})
    people.filter()
    codes = people.rows("record_codes", "code_0, code_1")
    for place, largest in ((0, 4), (1, 12)):
        sizes = Counter(row[place] for row in codes if row[place] >= 0)
        assert max(sizes.values()) == largest
