from collections.abc import Callable

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.matching.pair_scorer import model_scorer, scorer_of
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.model_by_hand import RECORDS, put_model
from er_pipeline_tests.small_spec import small_spec


def test_a_model_that_shall_not_teach_gives_no_scorer() -> None:
    rules = {"rule": "name"}
    assert scorer_of(small_spec()) is None
    assert scorer_of(small_spec(training_rules=rules, matching=True)) is not None
    silent = {"teaches_blocking": False}
    assert scorer_of(small_spec(training_rules=rules, matching=silent)) is None


def test_scores_come_in_the_order_of_the_pairs(dataset: Callable[..., Dataset]) -> None:
    data = dataset(RECORDS, strategies={"name": "name"})
    put_model(data)
    scorer = model_scorer(Lake(data.root, data.spec.dataset), data.spec)
    with DuckDBEngine(threads=2) as engine:
        engine.make_table(
            "a_few",
            "select * from (values (2, 3), (0, 3), (0, 1)) as t(left_no, right_no)",
        )
        found = scorer(engine, "a_few")
        engine.make_table("nobody", "from a_few where false")
        assert len(scorer(engine, "nobody")) == 0
    # Equal names and towns weigh 6 bits; another town -6; missing names and an equal town 0.
    assert found.tolist() == pytest.approx([64 / 65, 1 / 65, 1 / 2], abs=1e-6)


def test_without_a_model_there_is_no_scorer(dataset: Callable[..., Dataset]) -> None:
    data = dataset(RECORDS, strategies={"name": "name"})
    data.clean()
    with pytest.raises(LakeError, match="em_model"):
        model_scorer(Lake(data.root, data.spec.dataset), data.spec)
