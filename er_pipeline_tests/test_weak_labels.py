import numpy as np
import pytest
from numpy.typing import NDArray

from er_pipeline.blocking.learning.learned_rules import learn_rules, steps
from er_pipeline.blocking.learning.weak_labels import SURE, WEAK_LABELS
from er_pipeline.blocking.tables.contract import judge_contract
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.step import plans_of
from er_pipeline.blocking.weights.pair_weights import Scorer
from er_pipeline_tests.learned_people import Made, Pair, made_up


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_up(tmp_path_factory.mktemp("people"), 2_000)


def knowing(lake: Lake) -> Scorer:
    """Make a scorer that knows who is who."""

    def score(engine: Engine, pairs: str) -> NDArray[np.float64]:
        lake.open(engine, "true_clusters")
        found = engine.columns(
            "select case when l.true_cluster = r.true_cluster then 1.0 else 0.0 end as same"
            f" from {pairs} as p join true_clusters as l on l.record_no = p.left_no"
            " join true_clusters as r on r.record_no = p.right_no order by p.left_no, p.right_no"
        )
        return np.asarray(found["same"], np.float64)

    return score


def ignorant(lake: Lake) -> Scorer:
    """Make a scorer that has not learned what a match is."""

    def score(engine: Engine, pairs: str) -> NDArray[np.float64]:
        (n_pairs,) = engine.row(f"select count(*) from {pairs}")
        return np.zeros(n_pairs)

    return score


def rows(people: Made) -> list[tuple[int, int, float]]:
    with DuckDBEngine(threads=1) as engine:
        people.lake.open(engine, "weak_labels")
        assert judge_contract(engine, people.lake, [WEAK_LABELS]).passed
        people.lake.open(engine, "cleaned_records")
        return engine.rows(
            "select l.record_no, r.record_no, w.match_probability from weak_labels as w"
            " join cleaned_records as l on l.record_id = w.left_id and l.source = w.left_source"
            " join cleaned_records as r on r.record_id = w.right_id and r.source = w.right_source"
            " order by all"
        )


def test_weak_labels_are_the_pairs_of_which_the_model_is_sure(people: Made) -> None:
    with DuckDBEngine(threads=1) as engine:
        facts = learn_rules(engine, people.lake, people.spec(), knowing)
    assert facts["taught_by_model"]
    weak = rows(people)
    assert all(left < right for left, right, _ in weak)
    assert len({row[:2] for row in weak}) == len(weak)
    assert all(sure >= SURE or sure <= 1 - SURE for _, _, sure in weak)
    true = set(people.true_pairs())
    matches: set[Pair] = {(left, right) for left, right, sure in weak if sure >= SURE}
    others: set[Pair] = {(left, right) for left, right, sure in weak if sure <= 1 - SURE}
    assert matches
    assert others
    assert len(matches & true) >= 0.95 * len(matches)
    assert len(others & true) <= 0.05 * len(others)
    assert len(matches) + len(others) == len(weak)


def test_a_model_that_is_not_listened_to_leaves_none(people: Made) -> None:
    with DuckDBEngine(threads=1) as engine:
        facts = learn_rules(engine, people.lake, people.spec(), ignorant)
    assert not facts["taught_by_model"]
    assert facts["rules"]
    assert rows(people) == []


def test_only_a_step_that_is_taught_writes_them_and_its_teacher_shapes_the_rules(
    people: Made,
) -> None:
    (alone,), (taught,) = steps(people.spec()), steps(people.spec(), knowing)
    assert [table.name for table in taught.writes[len(alone.writes) :]] == ["weak_labels"]
    assert set(taught.reads) - set(alone.reads) == {"em_model", "term_frequencies"}
    plans = [plans_of([step])["learned_rules"] for step in (alone, taught)]
    assert plans[0].settings != plans[1].settings
