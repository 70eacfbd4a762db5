import numpy as np
import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.weights.pair_agreement import read_agreement
from er_pipeline.blocking.weights.pair_evidence import FieldEvidence

M = (0.1, 0.8, 0.1)
# A town, and a street that says half as much where the town is the same; then both swapped.
FIELDS = (
    FieldEvidence("town", (0, 1), M, ((), ())),
    FieldEvidence("street", (2,), M[:2], ((),), (), ((0, 0.5),)),
    FieldEvidence("town and street", (3,), M[:2], ((),), (0, 1)),
)
CODES = [  # record_no, then code and idf of each key
    (0, 1, 16, 1, 8, 5, 24, 7, 40),
    (1, 1, 16, 1, 8, 5, 24, 7, 40),
    (2, 2, 16, 1, 8, 5, 24, 7, 40),
    (3, 3, 16, 2, 8, 6, 24, 7, 40),
    (4, -5, 0, -5, 0, 6, 24, -5, 0),
]


def test_levels_and_what_is_left_of_their_idf(engine: DuckDBEngine) -> None:
    names = ", ".join(f"code_{i}, idf_{i}" for i in range(4))
    rows = ", ".join(map(str, CODES))
    engine.make_table("key_codes", f"from (values {rows}) as t(record_no, {names})")
    pairs = "from (values (3, 4), (0, 1), (0, 2), (2, 3)) as t(left_no, right_no)"
    seen = read_agreement(engine, FIELDS, pairs)
    # In the order of the pairs: 0 1, 0 2, 2 3, 3 4.
    assert seen.levels.tolist() == [[1, 1, 0], [2, 1, 0], [0, 0, 1], [-1, 1, -1]]
    expected = [[2.0, 1.5, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 5.0], [0.0, 3.0, 0.0]]
    assert seen.idf.tolist() == pytest.approx(np.array(expected))


def test_no_pairs_have_no_levels(engine: DuckDBEngine) -> None:
    names = ", ".join(f"0 as code_{i}, 0 as idf_{i}" for i in range(4))
    engine.make_table("key_codes", f"select 0 as record_no, {names}")
    pairs = "select 0 as left_no, 0 as right_no where 1 = 0"
    assert read_agreement(engine, FIELDS, pairs).levels.shape == (0, 3)
