import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.sql import exact_sum, literal, quoted

ODD_NAMES = ["select", 'a"b', "it's", "naïve 🙂", "a;b--c"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_and_any_text_can_be_quoted(engine: DuckDBEngine, name: str) -> None:
    engine.make_table(name, f"select {literal(name)} as {quoted(name)}")
    assert engine.rows(f"select {quoted(name)} from {quoted(name)}") == [(name,)]


TEXTS = st.text(st.characters(codec="utf-8"))  # half a surrogate pair is no text


@given(TEXTS)
def test_a_text_comes_back_from_duckdb_as_it_went_in(text: str) -> None:
    assert duckdb.execute(f"select {literal(text)}, 'after'").fetchone() == (text, "after")


@given(TEXTS.filter(bool))
def test_a_name_comes_back_from_duckdb_as_it_went_in(name: str) -> None:
    found = duckdb.execute(f"select 1 as {quoted(name)}, 2 as after")
    assert [column[0] for column in found.description or ()] == [name, "after"]


PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(PROBABILITIES.flatmap(lambda p: st.tuples(st.just(p), st.permutations(p))))
def test_an_exact_sum_does_not_depend_on_the_order(
    lists: tuple[list[float], list[float]],
) -> None:
    one, other = (
        duckdb.execute(f"select {exact_sum('unnest')} from unnest(?)", [values]).fetchall()[0][0]
        for values in lists
    )
    assert one == other
    assert one == pytest.approx(sum(lists[0]), abs=1e-9 * len(lists[0]))


def test_an_exact_sum_of_nothing_is_null(engine: DuckDBEngine) -> None:
    assert engine.row(f"select {exact_sum('p')} from (select 0.5 as p where false)") == (None,)
