from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, parquet_files
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.matching.golden_records import (
    golden_facts,
    judge_golden_records,
    make_golden_records,
    steps,
)

FIELDS = ("name", "town", "phone", "updated")
# source, name, town, phone, updated, of entity
Record = tuple[str, str | None, str | None, str | None, str | None, int]


def spec_with(survivorship: Any) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": [{"path": "crm.csv", "name": "crm"}, {"path": "shop.csv", "name": "shop"}],
            "mode": "link_and_dedupe",
            "fields": {"name": "text", "town": "text", "phone": "text", "updated": "date"},
            "strategies": {"name": "name"},
            "training_rules": {"name": "name"},
            "matching": True,
            "survivorship": survivorship,
        }
    )


IDS = "record_no, entity_no, 100 + entity_no as entity_id"


def golden(
    lake: Lake, records: Sequence[Record], survivorship: Any, threads: int = 2
) -> list[tuple[Any, ...]]:
    """Make the golden records of records in the order of their numbers; give all rows."""
    with DuckDBEngine(threads=2) as engine:
        engine.execute(
            "create table r (record_no integer, record_id varchar, source varchar,"
            " name varchar, town varchar, phone varchar, updated varchar, entity_no integer)"
        )
        for record_no, (source, *values) in enumerate(records):
            engine.execute(
                "insert into r values (?, ?, ?, ?, ?, ?, ?, ?)",
                [record_no, f"r{record_no}", source, *values],
            )
        with lake.writing("cleaned_records") as draft:
            engine.write("select * exclude (entity_no) from r", draft.file())
        with lake.writing("entities") as draft:
            engine.write(f"select {IDS} from r", draft.file())
    with DuckDBEngine(threads=threads) as engine:
        make_golden_records(engine, lake, spec_with(survivorship))
    with DuckDBEngine(threads=2) as engine:
        lake.open(engine, "golden_records")
        return engine.rows("from golden_records")


THREE: list[Record] = [
    ("crm", "ann", "york", None, "2020-01-01", 0),
    ("crm", "bob", None, "1", None, 1),
    ("shop", "anne", "leeds", "7", "2021-05-05", 0),
    ("shop", "ann", "york", "22", None, 0),
]


@pytest.mark.parametrize(
    ("survivorship", "expected"),
    [
        (True, (0, 3, "ann", 0, "york", 0, "7", 2, "2020-01-01", 0)),
        ({"default": "longest"}, (0, 3, "anne", 2, "leeds", 2, "22", 3, "2020-01-01", 0)),
        (
            {"default": "newest", "newest_by": "updated"},
            (0, 3, "anne", 2, "leeds", 2, "7", 2, "2021-05-05", 2),
        ),
        (
            {"default": "source_order", "source_order": ["shop"]},
            (0, 3, "anne", 2, "leeds", 2, "7", 2, "2021-05-05", 2),
        ),
        ({"default": "source_order"}, (0, 3, "ann", 0, "york", 0, "7", 2, "2020-01-01", 0)),
        (
            {"fields": {"town": "longest", "updated": "newest"}, "newest_by": "updated"},
            (0, 3, "ann", 0, "leeds", 2, "7", 2, "2021-05-05", 2),
        ),
    ],
)
def test_one_value_of_each_field_survives_by_its_rule(
    tmp_path: Path, survivorship: Any, expected: tuple[Any, ...]
) -> None:
    rows = golden(Lake(tmp_path, "people"), THREE, survivorship)
    assert rows == [expected, (1, 1, "bob", 1, None, None, "1", 1, None, None)]


def by_hand(records: Sequence[Record], rules: Mapping[str, str]) -> list[tuple[Any, ...]]:
    """Choose as the documentation says, record by record."""
    rows = []
    for entity in sorted({record[-1] for record in records}):
        members = [(no, record) for no, record in enumerate(records) if record[-1] == entity]
        row: list[Any] = [entity, len(members)]
        for place, field in enumerate(FIELDS, 1):
            filled = [(no, record) for no, record in members if record[place] is not None]
            counts = Counter(record[place] for _, record in filled)

            def worse(
                member: tuple[int, Record],
                field: str = field,
                place: int = place,
                counts: Counter[Any] = counts,
            ) -> tuple[Any, ...]:
                no, record = member
                value = str(record[place])
                updated = record[4]
                ranks: dict[str, tuple[Any, ...]] = {
                    "most_frequent": (-counts[value],),
                    "longest": (-len(value),),
                    "newest": (updated is None, [-ord(c) for c in updated or ""]),
                    "source_order": (["shop", "crm"].index(record[0]),),
                }
                return (*ranks[rules[field]], no)

            best = min(filled, key=worse, default=None)
            row += [None, None] if best is None else [best[1][place], best[0]]
        rows.append(tuple(row))
    return rows


VALUES = st.none() | st.sampled_from(["a", "b", "bb", "cc", "ddd"])
DAYS = st.none() | st.sampled_from(["1999-12-31", "2000-01-01", "2026-02-03"])
RULES = st.sampled_from(["most_frequent", "newest", "longest", "source_order"])


@settings(max_examples=60, deadline=None)
@given(
    drawn=st.lists(
        st.tuples(
            st.sampled_from(["crm", "shop"]), VALUES, VALUES, VALUES, DAYS, st.integers(0, 3)
        ),
        min_size=1,
        max_size=14,
    ),
    rules=st.fixed_dictionaries({field: RULES for field in FIELDS}),
    threads=st.sampled_from([1, 3]),
)
def test_survivors_are_those_of_a_choice_by_hand(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[Record],
    rules: dict[str, str],
    threads: int,
) -> None:
    first = {entity: drawn.index(next(r for r in drawn if r[-1] == entity)) for *_, entity in drawn}
    records = [(*values, first[entity]) for *values, entity in drawn]
    lake = Lake(tmp_path_factory.mktemp("golden"), "people")
    survivorship = {"fields": rules, "newest_by": "updated", "source_order": ["shop", "crm"]}
    found = golden(lake, records, survivorship, threads)  # type: ignore[arg-type]
    assert found == by_hand(records, rules)  # type: ignore[arg-type]
    with DuckDBEngine(threads=1) as engine:
        assert [v.passed for v in judge_golden_records(engine, lake)] == [True]


def test_an_entity_without_a_golden_record_is_found(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "people")
    golden(lake, THREE, True)
    with DuckDBEngine(threads=1) as engine, lake.writing("entities") as draft:
        engine.write(
            "select unnest([0, 1, 2, 3])::integer as record_no,"
            " unnest([0, 1, 2, 0])::integer as entity_no",
            draft.file(),
        )
    with DuckDBEngine(threads=1) as engine:
        (verdict,) = judge_golden_records(engine, lake)
    assert not verdict.passed
    assert "2 of 3 entities" in verdict.text


def test_facts_count_what_is_filled_and_where_records_disagree(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "people")
    golden(lake, THREE, True)
    facts = golden_facts(lake)
    assert facts["entities"] == 2
    assert facts["filled"] == {"name": 2, "town": 1, "phone": 2, "updated": 1}
    assert facts["disagreements"] == {"name": 1, "town": 1, "phone": 1, "updated": 1}


def test_there_is_no_step_without_the_section() -> None:
    assert steps(spec_with(None)) == []
    assert [step.name for step in steps(spec_with(True))] == ["golden_records"]


def test_people_read_each_value_with_its_source_and_record(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "people")
    golden(lake, THREE, True)
    view = steps(spec_with(True))[0].writes[0].view
    assert view
    relations = {table: parquet_files(lake.path(table)) for table in lake.tables()}
    with duckdb.connect() as con:
        shown = con.sql(f"select * from ({view(relations)}) order by entity_id")
        assert shown.columns[:5] == ["entity_id", "records", "name", "name_source", "name_record"]
        assert [row[:11] for row in shown.fetchall()] == [
            (100, 3, "ann", "crm", "r0", "york", "crm", "r0", "7", "shop", "r2"),
            (101, 1, "bob", "crm", "r1", None, None, None, "1", "crm", "r1"),
        ]
