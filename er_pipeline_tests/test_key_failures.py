from collections.abc import Callable

import duckdb
import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.values.key_failures import named_failures
from er_pipeline.blocking.values.key_parser import parse_conjunction
from er_pipeline_tests.conftest import Dataset

ROWS = [{"id": str(i), "name": f"n{i}", "zip": "ab12" if i == 37 else str(i)} for i in range(90)]


def test_a_key_that_fails_names_strategy_key_value_and_record(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        ROWS,
        fields={"name": "person_name", "zip": "identifier"},
        strategies={"good": "name", "number": ["left(name, 1)", "cast(zip as integer)"]},
    )
    with pytest.raises(SpecError) as caught:
        people.make("blocks_number")
    for part in ("strategy 'number'", "'cast(zip as integer)'", "zip = 'ab12'", "'37'", "try_cast"):
        assert part in str(caught.value)


def test_the_first_record_that_fails_is_the_one_that_is_named(engine: Engine) -> None:
    engine.make_table(
        "cleaned_records",
        "select i as record_no, cast(i as varchar) as record_id, 's' as source, 0 as source_no,"
        " case when i in (40, 70) then 'x' else '1' end as zip from range(100) as t(i)",
    )
    rule = parse_conjunction("trial", "cast(zip as integer)", ("zip",))
    with (
        pytest.raises(SpecError, match="record '40' of s"),
        named_failures(engine, "cleaned_records", [rule], "strategy"),
    ):
        engine.rows(rule.keyed_records(engine, "cleaned_records"))


def test_an_error_that_no_key_has_stays_what_it_is(engine: Engine) -> None:
    engine.make_table(
        "cleaned_records",
        "select 0 as record_no, 'a' as record_id, 's' as source, 0 as source_no, 'x' as name",
    )
    rule = parse_conjunction("trial", "name", ("name",))
    with (
        pytest.raises(duckdb.ConversionException),
        named_failures(engine, "cleaned_records", [rule], "strategy"),
    ):
        engine.rows("select cast('x' as integer)")
