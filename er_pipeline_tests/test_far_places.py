from typing import Any

import pytest
from pydantic import ValidationError

from er_pipeline.blocking.records.remote_files import is_remote
from er_pipeline.blocking.spec.far_places import OBJECT_STORES, motherduck_problem, store_problem
from er_pipeline_tests.small_spec import small_spec


@pytest.mark.parametrize(
    "source",
    [
        {"database": "md:shop", "table": "people"},
        {"path": "motherduck:shop"},
        {"url": "duckdb:///md:shop", "query": "from people"},
    ],
)
def test_motherduck_as_a_source_is_read_by_its_endpoint_for_postgres(source: Any) -> None:
    with pytest.raises(ValidationError, match=r"url: \"postgresql\+psycopg://postgres:"):
        small_spec(sources=[source])


@pytest.mark.parametrize("place", [{"database": "md:shop"}, {"ducklake": "md:shop"}])
def test_motherduck_as_a_place_is_written_by_its_endpoint_for_postgres(place: Any) -> None:
    with pytest.raises(ValidationError, match=r"database: \"postgresql\+psycopg://postgres:") as no:
        small_spec(publish=[{**place, "tables": ["unified_pairs"]}])
    assert "nothing is fetched here at run time" in str(no.value)


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        ("az://people/a.parquet", "write abfs://account@container/people.parquet"),
        ("wasbs://c@a.blob.core.windows.net/x", "write abfs://account@container/people.parquet"),
        ("file:///data/people.csv", "leave file:// out"),
        ("hdfs://host/people", "hdfs:// is not known; there are s3://"),
    ],
)
def test_an_address_that_cannot_be_used_names_one_that_can(path: str, cure: str) -> None:
    assert cure in (store_problem(path) or "")
    with pytest.raises(ValidationError, match="sources"):
        small_spec(sources=[{"path": path}])
    with pytest.raises(ValidationError, match="publish"):
        small_spec(publish=[{"parquet": path, "tables": ["unified_pairs"]}])


def test_what_can_be_used_is_no_problem() -> None:
    for scheme in OBJECT_STORES:
        assert store_problem(f"{scheme}://bucket/x", takes_web=False) is None
        assert is_remote(f"{scheme}://bucket/x")
    assert store_problem("https://example.org/people.csv") is None
    assert store_problem("https://example.org/people", takes_web=False) is not None
    assert store_problem("people.csv") is store_problem(None) is None
    assert motherduck_problem("mdb.duckdb", "url") is None
