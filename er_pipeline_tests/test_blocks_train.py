import pytest

from er_pipeline.blocking.learning.blocks_train import train_table
from er_pipeline.blocking.tables.contract import judge_contract
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.learned_people import Made, made_up


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_up(tmp_path_factory.mktemp("people"), 2_000)


def test_blocks_train_has_a_row_per_sampled_record_and_a_column_per_key(people: Made) -> None:
    people.learn(learning={"sample": 100})
    with DuckDBEngine() as engine:
        people.lake.open(engine, "blocks_train")
        people.lake.open(engine, "cleaned_records")
        assert engine.row("select count(*), count(distinct record_id) from blocks_train") == (
            100,
            100,
        )
        wrong = engine.row(
            "select count(*) from blocks_train as b join cleaned_records as r using (record_id)"
            " where b.phone is distinct from r.phone"
            ' or b."left(last_name, 2)" is distinct from left(r.last_name, 2)'
        )
    assert wrong == (0,)


def test_a_new_round_of_labels_has_its_own_sample(people: Made) -> None:
    def sampled(n_labels: int) -> set[int]:
        people.judge_some(n_labels, seed=5)
        people.learn(labels={}, learning={"sample": 100, "max_rules": 1, "k": 1})
        with DuckDBEngine() as engine:
            people.lake.open(engine, "blocks_train")
            people.lake.open(engine, "labels")
            people.lake.open(engine, "cleaned_records")
            records = {
                no
                for (no,) in engine.rows(
                    "select r.record_no from blocks_train as b"
                    " join cleaned_records as r using (record_id)"
                )
            }
            judged = {n for row in engine.rows("select left_no, right_no from labels") for n in row}
        assert judged <= records  # those that are judged are always among them
        return records - judged

    first, again, other = sampled(5), sampled(5), sampled(6)
    assert first == again
    assert len(first & other) < 50


def test_the_table_keeps_its_contract(people: Made, engine: DuckDBEngine) -> None:
    people.learn(learning={"sample": 100})
    verdict = judge_contract(engine, people.lake, [train_table(people.spec())])
    assert verdict.passed, verdict.text
