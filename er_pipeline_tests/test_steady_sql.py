import time

import pytest

from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.values.key_parser import parse_conjunction
from er_pipeline.blocking.values.pair_conditions import parse_condition
from er_pipeline.blocking.values.steady_sql import (
    LONG_VALUE,
    MOST_GROWTH,
    check_steady,
    parsing_database,
)

FIELDS = ("name", "zip", "born", "user")


def functions_by_stability(stability: str) -> set[str]:
    """List the scalar functions of DuckDB of which every overload has this stability."""
    rows = (
        parsing_database()
        .cursor()
        .execute(
            "select function_name from duckdb_functions() where function_type = 'scalar'"
            " group by 1 having bool_and(stability = ?)",
            [stability],
        )
        .fetchall()
    )
    return {str(name) for (name,) in rows}


@pytest.mark.parametrize("stability", ["VOLATILE", "CONSISTENT_WITHIN_QUERY"])
def test_every_function_that_duckdb_calls_unsteady_is_refused(stability: str) -> None:
    names = {name for name in functions_by_stability(stability) if name.isidentifier()}
    assert len(names) > 5
    for name in names:
        with pytest.raises(SpecError, match=r"same value (every night|on every machine)"):
            check_steady(f"{name}(name)", f"{name}(name)", "key", FIELDS)


@pytest.mark.parametrize(
    "part",
    [
        *("current_user", "session_user", "user()", "current_date", "localtimestamp", "today()"),
        *("pg_postmaster_start_time()", "pg_conf_load_time()", "ago(interval 1 day)", "version()"),
        *("current_schema()", "getvariable('x')", "age(cast(born as timestamp))", "txid_current()"),
    ],
)
@pytest.mark.parametrize("where", ["name || {}", "case when name = {} then name end", "[name, {}]"])
def test_session_and_time_are_refused_wherever_they_stand(part: str, where: str) -> None:
    with pytest.raises(SpecError, match="same value every night"):
        parse_conjunction("trial", where.format(f"cast({part} as varchar)"), FIELDS)
    other = part.replace("born", "born_l")
    with pytest.raises(SpecError, match="same value every night"):
        parse_condition(f"name_l = name_r or name_l = cast({other} as varchar)", ("name", "born"))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("name || #1", "#1 counts columns"),
        ("cast(born as timestamptz)", "on every machine"),
        ("cast(to_timestamp(5) as varchar) || name", "on every machine"),
        ("name || $1", "holds a parameter"),
        ("name; drop table x", "one expression"),
    ],
)
def test_what_is_no_plain_expression_is_refused(key: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_conjunction("trial", key, FIELDS)


@pytest.mark.parametrize(
    "key",
    [
        *("user", "split_part(name, ' ', 1)", "array_to_string(string_split(name, ' '), '')"),
        *("year(born)", "date_trunc('month', cast(born as date))", "name collate nocase"),
        *("lpad(zip, 5, '0')", "list_transform(range(1, length(name)), i -> name[i:i+2])"),
        *("replace(replace(name, 'ae', 'a'), 'oe', 'o')", "format('{:05d}', try_cast(zip as int))"),
        *("date_add(cast(born as date), interval 3 month)", "if(name = 'a', zip, born)"),
    ],
)
def test_usual_keys_are_taken(key: str) -> None:
    assert parse_conjunction("trial", key, FIELDS).keys


@pytest.mark.parametrize(
    "key",
    [
        *("len(range(1000000000)) || name", "lpad(name, 500000000, 'x')", "repeat(name, 1000000)"),
        *("repeat(repeat(repeat(name, 900), 900), 900)", "lpad(name, cast(zip as int), 'x')"),
        *("lpad(name, 10 * 10 * 10 * 10 * 10, 'x')", "printf('%1000000000d', 5) || name"),
        *("bitstring('01', 1000000000)::varchar || name", "format(name, zip)"),
        "list_transform(range(900), x -> repeat(name, 900))",
        "replace(replace(name, 'a', '" + "a" * 200 + "'), 'a', '" + "a" * 200 + "')",
    ],
)
def test_a_key_that_may_grow_without_bound_is_refused_at_once(key: str) -> None:
    began = time.process_time()
    with pytest.raises(SpecError, match=f"{MOST_GROWTH:,} are the most") as caught:
        parse_conjunction("trial", key, FIELDS)
    assert key in str(caught.value)
    assert time.process_time() - began < 5


def test_the_growth_that_is_named_is_the_one_that_holds() -> None:
    parse_conjunction("trial", f"lpad(name, {MOST_GROWTH}, 'x')", FIELDS)
    with pytest.raises(SpecError, match=rf"lpad\(\) may make {MOST_GROWTH + 1:,}"):
        parse_conjunction("trial", f"lpad(name, {MOST_GROWTH + 1}, 'x')", FIELDS)
    times = MOST_GROWTH // LONG_VALUE
    parse_conjunction("trial", f"repeat(name, length(name) * {times})", FIELDS)
    with pytest.raises(SpecError, match="may make"):
        parse_conjunction("trial", f"repeat(name, length(name) * {times + 1})", FIELDS)
