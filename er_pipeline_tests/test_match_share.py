from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.records.match_share import (
    Identifier,
    count_agreeing_pairs,
    expected_match_share,
    share_agreeing,
    strong_identifiers,
)
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.coded_records import put_rows
from er_pipeline_tests.small_spec import small_spec

NULL = -1
ROWS = st.lists(st.tuples(st.integers(0, 2), *[st.integers(NULL, 2)] * 3), min_size=1, max_size=14)


@settings(max_examples=60, deadline=None)
@given(
    rows=ROWS,
    mode=st.sampled_from(["dedupe", "link", "link_and_dedupe"]),
    n_columns=st.integers(0, 2),
    is_known=st.booleans(),
)
def test_agreeing_pairs_are_those_found_pair_by_pair(
    rows: list[tuple[int, ...]], mode: str, n_columns: int, is_known: bool
) -> None:
    columns = [f"nullif({name}, {NULL})" for name in ("a", "b")[:n_columns]]
    known = [f"nullif(c, {NULL})"] if is_known else []

    def agree(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
        keys, others = slice(1, 1 + n_columns), slice(3, 3 + is_known)
        return (
            (mode != "link" or left[0] != right[0])
            and left[keys] == right[keys]
            and NULL not in (*left[keys], *left[others], *right[others])
        )

    with DuckDBEngine(threads=1) as engine:
        put_rows(engine, "records", "source_no, a, b, c", rows)
        counted = count_agreeing_pairs(engine, mode, "records", columns, known)
    assert counted == sum(agree(left, right) for left, right in combinations(rows, 2))


def test_the_share_is_of_the_pairs_that_have_both_values(engine: Engine) -> None:
    engine.make_table(
        "records",
        "select 0 as source_no, unnest(['x', 'x', 'y', null]) as name, 1 as block",
    )
    assert share_agreeing(engine, small_spec(), "records", ["block"], "name") == (1 / 3, 3)
    engine.make_table("none", "select * from records where name is null")
    assert share_agreeing(engine, small_spec(), "none", [], "name") == (0, 0)


def test_fields_of_a_strong_kind_identify_and_damage_lowers_what_is_kept(engine: Engine) -> None:
    # 500 people twice each: all keep their passport, every fifth has another email.
    engine.make_table(
        "cleaned_records",
        """
        select i as record_no, 0 as source_no, 'p' || i // 2 as passport,
            case when i % 10 = 0 then 'other' || i else 'e' || i // 2 end as email,
            't' || i // 2 % 3 as town, 'n' || i // 2 % 250 as name
        from range(1000) as t(i)
        """,
    )
    kinds = {"passport": "identifier", "email": "email", "town": "text", "name": "person_name"}
    spec = small_spec(fields=kinds, strategies={"town": "town"})
    found = strong_identifiers(engine, spec)
    assert set(found) == {"passport", "email"}  # a name is rare as well, but of no strong kind
    assert found["email"].kept == pytest.approx(0.8)
    assert found["passport"].kept == 1
    assert found["passport"].chance == pytest.approx(500 / (1000 * 999 / 2))


@pytest.mark.parametrize(("kept", "expected"), [(1.0, 0.5), (0.625, 0.8)])
def test_what_damage_hides_is_added_to_the_share(
    engine: Engine, kept: float, expected: float
) -> None:
    # Blocks of two records; in every other block they agree.
    engine.make_table(
        "members",
        "select i // 2 as _block_no, 0 as source_no,"
        " case when i // 2 % 2 = 0 then 'x' || i // 2 else 'y' || i end as name"
        " from range(4000) as t(i)",
    )
    share = expected_match_share(engine, small_spec(), "members", {"name": Identifier(0, kept)})
    assert share == pytest.approx(expected, abs=0.001)


def test_pairs_without_a_value_say_nothing_and_few_pairs_never_say_none(engine: Engine) -> None:
    engine.make_table(
        "members",
        "select 0 as _block_no, 0 as source_no, unnest(['x', 'y']) as name, null as email",
    )
    name, email = Identifier(0.001, 1), Identifier(0.001, 1)
    spec = small_spec(fields={"name": "text", "email": "email"})
    assert expected_match_share(engine, spec, "members", {"email": email}) is None
    assert expected_match_share(engine, spec, "members", {}) is None
    both = {"email": email, "name": name}
    assert expected_match_share(engine, spec, "members", both) == pytest.approx(0.25, abs=0.01)
