import pytest

from er_pipeline.blocking.tables import wide_joins
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.wide_joins import join_in_parts

N_TABLES = 7


def joined(engine: DuckDBEngine) -> list[tuple[int, ...]]:
    """Join seven tables, each of which lacks some rows, to rows of two numbers."""
    engine.make_table("rows_", "select i // 10 as a, i % 10 as b, i as n from range(50) as t(i)")
    tables = []
    for i in range(N_TABLES):
        engine.make_table(
            f"t{i}", f"select n, 100 * n + {i} as v from rows_ where n % 3 <> {i % 3}"
        )
        tables.append((f", t{i}.v as v{i}, r.a + {i} as w{i}", f" left join t{i} on t{i}.n = r.n"))
    columns, joins = join_in_parts(engine, "rows_", ["a", "b"], tables, "part")
    return engine.rows(f"select r.n{columns} from rows_ as r{joins} order by r.n")


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 6])
def test_parts_give_what_one_join_gives(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    whole = joined(engine)
    monkeypatch.setattr(wide_joins, "TABLES_OF_PART", at_a_time)
    assert joined(engine) == whole
    made = [name for (name,) in engine.rows("select table_name from duckdb_tables()")]
    assert sum(name.startswith("part_") for name in made) == -(-N_TABLES // at_a_time)
    for n, *values in whole:
        for i in range(N_TABLES):
            assert values[2 * i] == (100 * n + i if n % 3 != i % 3 else None)
            assert values[2 * i + 1] == n // 10 + i


def test_few_tables_are_joined_as_they_are(engine: DuckDBEngine) -> None:
    joined(engine)
    made = [name for (name,) in engine.rows("select table_name from duckdb_tables()")]
    assert not [name for name in made if name.startswith("part_")]
