"""Keys and clean values that the tasks of a cluster compute, tried on Sail."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from er_pipeline.blocking.tables.cluster import Cluster
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError, SpecError
from er_pipeline.blocking.tables.executors import Executors, differences
from er_pipeline.blocking.values.key_failures import named_failures
from er_pipeline.blocking.values.key_parser import parse_conjunction
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.test_two_engines import drawn_records
from er_pipeline_tests.two_engines import SAIL, differing, made_by_both, need_sail

need_sail()

from er_pipeline.blocking.tables.engine_spark import SparkEngine  # noqa: E402

FIELDS = ["first", "last", "city"]
# What no list of shared constructs will ever cover: lists, functions of Python, a mark in a value.
KEYS: dict[str, Any] = {
    "grams": "qgrams(last, 2)",
    "sound": ["soundex(last)", "left(first, 1)"],
    "sorted": "list_aggregate(list_sort(string_split(first || last, 'n')), 'string_agg', '')",
    "folded": "strip_accents(city[-3:])",
    "words": ["tokens(city)", "initials(first)"],
}
# A server of its own process, in which the package cannot be imported.
WITHOUT_PACKAGE = """
import os, sys
sys.modules["er_pipeline"] = None
os.environ["RUST_LOG"] = "error"
from pysail.spark import SparkConnectServer
server = SparkConnectServer(ip="127.0.0.1")
server.start(background=True)
print(server.listening_address[1], flush=True)
sys.stdin.read()
"""


def records(n_records: int = 300) -> pa.Table:
    rows = [
        {"record_no": no, "record_id": row["id"], "source": "s", "source_no": 0}
        | {name: row[name] for name in FIELDS}
        for no, row in enumerate(drawn_records(3, n_records))
    ]
    kinds = {"record_no": pa.int32(), "source_no": pa.int16()}
    names = list(rows[0])
    return pa.table(
        [pa.array([row[n] for row in rows], kinds.get(n, pa.string())) for n in names], names
    )


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkEngine]:
    none_here = replace(SAIL, in_executors=True, driver_values=1, driver_records=1)
    with SparkEngine(none_here, tmp_path_factory.mktemp("scratch"), 1) as engine:
        yield engine


@pytest.mark.parametrize("name", KEYS)
def test_keys_are_those_of_the_driver(there: SparkEngine, name: str) -> None:
    rule, found = parse_conjunction(name, KEYS[name], FIELDS), []
    with DuckDBEngine(1) as driver:
        engines: list[Engine] = [there, driver]
        for engine in engines:
            engine.put("records", records())
            keyed = rule.keyed_records(engine, "records")
            found.append(sorted(engine.rows(f"select record_no, block_key from ({keyed}) as k")))
            kinds = engine.described(f"select * from ({keyed}) as k")
            assert kinds == [
                *(("record_no", "INTEGER"), ("record_id", "VARCHAR"), ("source", "VARCHAR")),
                *(("source_no", "SMALLINT"), ("block_key", "VARCHAR")),
            ]
    assert found[0] == found[1] != []


def test_a_key_that_fails_on_a_value_is_named_as_on_the_driver(there: SparkEngine) -> None:
    there.put("records", records(40))
    rule = parse_conjunction("number", "cast(last as integer)", FIELDS)
    with (
        pytest.raises(SpecError, match=r"strategy 'number': key .* where last = .*Could not conv"),
        named_failures(there, "records", [rule], "strategy"),
    ):
        rule.keyed_records(there, "records")
    with pytest.raises(duckdb.ConversionException, match="Could not convert string"):
        rule.keyed_records(there, "records")


def test_values_beyond_the_drivers_are_mapped_there(there: SparkEngine) -> None:
    there.put("t", pa.table({"v": ["a", "ß", "a", None]}))
    there.map_distinct("mapped", "select v from t", lambda text: None if text == "a" else "ss")
    assert sorted(there.rows("select value, result from mapped")) == [("a", None), ("ß", "ss")]


def test_what_has_no_simple_type_is_refused(there: SparkEngine) -> None:
    there.put("t", pa.table({"v": ["a"]}))
    with pytest.raises(LakeError, match=r"no column of type VARCHAR\[\]; cast it"):
        there.record_wise("t", ["v"], lambda engine, t: f"select [v] as v from {t}")


def test_executors_without_the_package_are_named(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", WITHOUT_PACKAGE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin
    assert server.stdout
    try:
        port = int(server.stdout.readline())
        elsewhere = Cluster(url=f"sc://127.0.0.1:{port}", in_executors=True)
        with SparkEngine(elsewhere, tmp_path, 1) as engine:
            engine.put("t", pa.table({"v": ["a"]}))
            with pytest.raises(LakeError, match=r"er_pipeline.*in_executors needs this package on"):
                engine.record_wise("t", ["v"], lambda other, t: f"select v from {t}")
    finally:
        server.stdin.close()
        server.stdout.close()
        server.wait(20)


def test_other_versions_and_other_code_are_listed() -> None:
    ours = {"er_pipeline.blocking.values.keys": "a1", "duckdb": "2.0.1", "anyascii": "1"}
    assert differences(ours, dict(ours)) == []
    theirs = {"er_pipeline.blocking.values.keys": "b2", "duckdb": "1.4.0", "anyascii": "1"}
    assert differences(ours, theirs) == [
        "other code of this package",
        "duckdb 1.4.0 instead of 2.0.1",
    ]


def test_cleaning_and_keys_in_executors_make_the_same_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed, queries = Executors.computed, list[str]()

    def counted(self: Executors, frame: Any, query: Any) -> Any:
        queries.append(query.__qualname__)
        return computed(self, frame, query)

    monkeypatch.setattr(Executors, "computed", counted)
    # That 3/4 is the fourth of March, only one date of the column shows, and only in one source.
    days = ["3/4/1980", "5/6/1975", "25/12/1969", "1/2/1990", None]
    sources = []
    for source, n_records in enumerate((120, 40)):
        of_source = days if source == 0 else [day for day in days if day != "25/12/1969"]
        drawn = drawn_records(source, n_records, 1_000 * source)
        sources.append(
            [
                {**row, "born": of_source[no % len(of_source)], "phone": f"(415) 555-{2671 + no}"}
                for no, row in enumerate(drawn)
            ]
        )
    dataset = Dataset(
        tmp_path,
        sources,
        fields={"last": "person_name", "city": "text", "born": "date", "phone": "phone"},
        training_rules={"same_town": "city"},
        mode="link_and_dedupe",
        strategies={"name": "tokens(last)", "day": ["born", "soundex(last)"], "phone": "phone"},
    )
    there = {"in_executors": True, "driver_values": 3}
    made = []
    for step, *lakes in made_by_both(dataset.spec, tmp_path, "filtered_blocks", **there):
        for table in step.writes:
            made.append(table.name)
            assert differing((lakes[0], lakes[1]), table.name) is None
    assert {"cleaned_records", "blocks_name", "blocks_day", "filtered_blocks"} <= set(made)
    # Of five fields city, phone and born, which each source writes its own way; of each strategy
    # once for its blocks.
    assert sum(name.startswith("mapped_values") for name in queries) >= 3
    assert queries.count("Conjunction._keyed_sql") >= 3
