import subprocess
import sys
from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from er_pipeline.blocking.records.cleaned_records import judge_records
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline_tests.conftest import Dataset, Rows

PEOPLE: Rows = [
    {"id": "1", "last": "Smith", "email": "john@acme.org"},
    {"id": "2", "last": "Smyth", "email": "john@acme.org"},
    {"id": "3", "last": "Smith", "email": None},
    {"id": "4", "last": None, "email": None},
]


def cleaned(make: Callable[..., Dataset], **expectations: Any) -> Dataset:
    people = make(
        PEOPLE,
        fields={"last": "person_name", "email": "email"},
        strategies={"last": "last"},
        expectations=expectations,
    )
    people.clean()
    return people


def judged(make: Callable[..., Dataset], **expectations: Any) -> Verdict:
    people = cleaned(make, **expectations)
    with DuckDBEngine(threads=2) as engine:
        (verdict,) = judge_records(engine, people.lake, people.spec)
    assert (verdict.check, verdict.severity) == ("fits_expectations", "error")
    return verdict


def test_without_expectations_ids_are_looked_at(dataset: Callable[..., Dataset]) -> None:
    verdict = judged(dataset)
    assert verdict.passed
    assert verdict.text == "3 expectations hold on 4 records."
    assert verdict.numbers == {
        "unexpected_percent_record_no_be_unique": 0,
        "unexpected_percent_record_id_not_be_null": 0,
        "unexpected_percent_source_not_be_null": 0,
        "records_looked_at": 4,
    }


@pytest.mark.parametrize(("rate", "passed"), [(0.5, True), (0.49, False)])
def test_a_field_may_be_as_empty_as_declared(
    dataset: Callable[..., Dataset], rate: float, passed: bool
) -> None:
    verdict = judged(dataset, max_null_rate={"email": rate})
    assert verdict.passed == passed
    assert verdict.numbers["unexpected_percent_email_not_be_null"] == 50
    assert ("email: 50.0% are empty, at most 49.0% allowed" in verdict.text) != passed


def test_every_field_that_fails_is_named_with_an_example(dataset: Callable[..., Dataset]) -> None:
    verdict = judged(dataset, max_null_rate={"email": 0}, formats={"last": "^smith$"})
    assert not verdict.passed
    assert "email: 50.0% are empty" in verdict.text
    assert "do not match '^smith$', such as 'smyth'" in verdict.text
    assert verdict.text.endswith("Correct the source, or loosen `expectations`.")


def test_a_sample_is_spread_evenly(dataset: Callable[..., Dataset]) -> None:
    # Every second record: 1 and 3, half of them without an email, and no smyth.
    verdict = judged(dataset, sample=2, max_null_rate={"email": 0.5}, formats={"last": "^smith$"})
    assert verdict.passed
    assert verdict.numbers["records_looked_at"] == 2


def test_without_expectations_the_library_is_not_imported(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        PEOPLE, fields={"last": "person_name", "email": "email"}, strategies={"last": "last"}
    )
    people.clean()
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from er_pipeline.blocking.records.cleaned_records import judge_records\n"
        "from er_pipeline.blocking.spec.pipeline import PipelineSpec\n"
        "from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine\n"
        "from er_pipeline.flow import open_lake\n"
        "spec = PipelineSpec.model_validate_json(sys.argv[1]).located_in(Path(sys.argv[2]))\n"
        "with DuckDBEngine(threads=1) as engine:\n"
        "    (found,) = judge_records(engine, open_lake(Path(sys.argv[3]), spec), spec)\n"
        "print(found.text, 'great_expectations' in sys.modules, 'pandas' in sys.modules)\n"
    )
    spec = people.spec.model_dump_json(exclude_unset=True)
    ran = subprocess.run(
        [sys.executable, "-c", code, spec, str(people.folder), str(people.lake.root)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "3 expectations hold on 4 records. False False\n"


def test_an_id_that_is_missing_or_twice_fails(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        PEOPLE, fields={"last": "person_name", "email": "email"}, strategies={"last": "last"}
    )
    people.clean()
    file = next(people.lake.path("cleaned_records").glob("*.parquet"))
    with duckdb.connect() as con:
        con.execute(f"create table t as from '{file}'")
        con.execute("update t set record_no = 0, source = null where record_no = 1")
        con.execute(f"copy t to '{file}' (format parquet)")
    for expectations in ({}, {"formats": {"last": "."}}):
        spec = people.spec.changed({"expectations": expectations})
        with DuckDBEngine(threads=1) as engine:
            (verdict,) = judge_records(engine, people.lake, spec)
        assert not verdict.passed
        assert "record_no: " in verdict.text
        assert "are not unique" in verdict.text
        assert "source: 25.0% are empty, at most 0.0% allowed" in verdict.text
