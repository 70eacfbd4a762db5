from er_pipeline.blocking.learning.rule_evidence import agreement
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline_tests.coded_records import (
    LISTED,
    every_mode,
    make_table,
    put_pairs,
    random_rows,
)


@every_mode
def test_agreement_is_of_the_keys_that_each_pair_shares(engine: Engine, mode: str) -> None:
    table = make_table(engine, random_rows(25, 3), mode, sources=[0] * 15 + [1] * 10)
    pairs = table.all_pairs()
    put_pairs(engine, "evidence_pairs", pairs)
    shared = agreement(table.index, "evidence_pairs", len(pairs))
    assert shared.tolist() == [
        [bool(table.rows[a][key] & table.rows[b][key]) for key in range(LISTED + 1)]
        for a, b in pairs
    ]


def test_no_pair_agrees_in_nothing(engine: Engine) -> None:
    table = make_table(engine, random_rows(5, 3))
    put_pairs(engine, "evidence_pairs", [])
    assert agreement(table.index, "evidence_pairs", 0).shape == (0, LISTED + 1)
