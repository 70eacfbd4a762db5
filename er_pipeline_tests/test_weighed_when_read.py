from collections.abc import Callable
from random import Random

import duckdb
import pytest

from er_pipeline.blocking.pairs import weighed_when_read
from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.pairs.weighed_when_read import holds_weights, weight_of_view
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.shown_views import views_to_show
from er_pipeline.flow import flow
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.test_ranked_pairs import BY_BOTH, FIVE, ROOMY, facts_of, weigh


def crowd(n: int) -> Rows:
    """Make persons up, each with two records."""
    draw = Random(5)
    people = [
        {"name": draw.choice("abcdefgh") * 3, "town": draw.choice(["york", "bath", "ulm"])}
        for _ in range(n // 2)
    ]
    return [{"id": f"{i:04}", **people[i // 2]} for i in range(n)]


def test_a_budget_alone_makes_the_table_hold_weights_and_they_are_the_same(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(FIVE, **BY_BOTH)
    people.pair()
    assert not holds_weights(people.spec)
    with DuckDBEngine() as engine:
        people.lake.open(engine, "unified_pairs")
        columns = [name for name, _ in engine.described("select * from unified_pairs")]
    assert columns == ["left_no", "right_no", "strategy_mask"]
    when_read = people.weights()
    assert when_read == pytest.approx(weigh(people, **ROOMY), abs=1e-4)
    assert len(set(when_read.values())) > 1


def test_the_view_of_people_weighs_the_pairs_it_shows(dataset: Callable[..., Dataset]) -> None:
    people = dataset(FIVE, **BY_BOTH)
    people.pair()
    lake = people.lake
    made = set(lake.tables())
    tables = [table for step in flow(people.spec) for table in step.writes if table.name in made]
    shown = views_to_show(lake, tables, {t.name: lake.version(t.name) for t in tables}, {})
    assert {"key_codes", "pair_weights"} <= set(shown.reads["unified_pairs"])  # kept as long
    with duckdb.connect() as con:
        rows = con.execute(
            "select l.record_no, r.record_no, v.weight"
            f" from ({shown.views['unified_pairs']}) as v"
            f" join ({shown.views['cleaned_records']}) as l on l.record_id = v.left_id"
            f" join ({shown.views['cleaned_records']}) as r on r.record_id = v.right_id"
        ).fetchall()
    assert {(left, right): weight for left, right, weight in rows} == people.weights()


def test_a_view_of_no_lake_has_the_column_alone() -> None:
    assert weight_of_view({"key_codes": "key_codes"}) == ("cast(null as float) as weight", "")


def test_the_classes_of_many_pairs_come_from_a_sample_and_add_up_to_all(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = dataset(
        crowd(240), strategies={"name": "name"}, fields={"name": "text", "town": "text"}
    )
    people.pair()
    whole = facts_of(people)
    assert whole["pairs_weighed"] == whole["pairs"]
    monkeypatch.setattr(weighed_when_read, "WEIGHED_PAIRS", whole["pairs"] // 3)
    weigh(people)
    some = facts_of(people)
    assert whole["pairs"] / 6 < some["pairs_weighed"] < whole["pairs"] / 1.5
    assert some["pairs_made"] == whole["pairs_made"]
    assert some["pairs_cut"] == 0
    assert sum(row["pairs"] for row in some["weight_classes"]) == pytest.approx(
        whole["pairs"], abs=len(some["weight_classes"])
    )
    assert some["expected_matches"] == pytest.approx(whole["expected_matches"], rel=0.4)
    assert some["ranks"][-1]["pairs_per_record"] == pytest.approx(
        whole["ranks"][-1]["pairs_per_record"], rel=1e-3
    )
    with DuckDBEngine(threads=1) as engine:
        assert unify_pairs(engine, people.lake, people.spec) == some
