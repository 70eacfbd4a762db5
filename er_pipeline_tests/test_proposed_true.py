from collections.abc import Callable

import pytest

from er_pipeline.blocking.pairs.unified_pairs import ready_pair_tables
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.proposed_true import proposals_are_candidates, propose_true_pairs
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.five_records import FIVE, STRATEGIES, figures_of


@pytest.mark.parametrize("budget", [None, {"max_pairs": 3}])
def test_true_pairs_are_proposed_by_what_proposes_pairs(
    dataset: Callable[..., Dataset], budget: dict[str, int] | None
) -> None:
    people = dataset(
        [*FIVE, {"id": "6", "last": "lees", "city": "hull", "person_id": "q"}],
        strategies={**STRATEGIES, "letters": "qgrams(last, 2)"},
        embedding={"k": 2, "min_similarity": 0.1},
        second_pass={"strategies": {"initial": "left(last, 1)"}, "embedding": {"k": 3}},
        truth={"cluster_column": "person_id"},
        **({"budget": budget} if budget else {}),
    )
    figures = figures_of(people)
    made = dict(people.lake.facts("unified_pairs")["made_pairs"])
    assert {name: counts["pairs"] for name, counts in figures["strategies"].items()} == made
    proposed = {name: counts["true_pairs"] for name, counts in figures["strategies"].items()}
    # True are 12 and all of 3, 4, 5 and 6; 3 and 6 share two letters, 5 has none at all.
    assert (proposed["last"], proposed["city"], proposed["letters"]) == (1, 2, 2)
    truth = figures["truth"]
    assert truth["true_pairs"] == 7
    assert truth["true_pairs_proposed"] == 3
    assert truth["true_pairs_found"] + truth["true_pairs_cut_by_the_budget"] == 3
    assert (truth["true_pairs_cut_by_the_budget"] == 0) == (budget is None)


def test_without_a_budget_proposals_stand_among_the_candidates_as_they_are(
    dataset: Callable[..., Dataset], engine: DuckDBEngine
) -> None:
    people = dataset(
        [*FIVE, {"id": "6", "last": "lees", "city": "hull", "person_id": "q"}],
        strategies={**STRATEGIES, "letters": "qgrams(last, 2)"},
        second_pass={"strategies": {"initial": "left(last, 1)"}},
        weights=False,
    )
    people.make("unified_pairs")
    lake, spec = people.lake, people.spec
    assert proposals_are_candidates(spec)
    for table in ("unified_pairs", "record_codes", "filtered_blocks", *ready_pair_tables(spec)):
        lake.open(engine, table)
    every = "select l.record_no as left_no, r.record_no as right_no"
    every += " from record_codes as l join record_codes as r on l.record_no < r.record_no"
    engine.make_table("every_pair", every)
    bits = lake.facts("unified_pairs")["strategy_bits"]
    propose_true_pairs(engine, lake, spec, bits, "proposed", pairs="every_pair")
    stored = engine.rows("select left_no, right_no, strategy_mask from unified_pairs order by all")
    assert engine.rows("from proposed order by all") == stored != []
