import numpy as np

from er_pipeline.blocking.encoders import Lexical
from er_pipeline.blocking.neighbours.neighbour_pairs import make_pairs
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine

# Text 0 is that of two records.
RECORDS = {"record_no": [0, 1, 2, 3], "source_no": [0, 0, 0, 0], "text_no": [0, 0, 1, 2]}
LISTS = {
    "query_no": [0, 0, 1, 1, 2],
    "neighbour_no": [1, 2, 0, 2, 1],
    "query_source": [-1] * 5,
    "neighbour_source": [-1] * 5,
    "similarity": [0.8, 0.2, 0.8, 0.3, 0.3],
    "rank": [1, 2, 1, 2, 1],
}


def pairs_within(share: float) -> list[tuple[int, int, float, int]]:
    encoder = Lexical(k=2, min_similarity=0.1, min_share_of_best=share)
    with DuckDBEngine(threads=1) as engine:
        for name, columns in (("record_embeddings", RECORDS), ("lists", LISTS)):
            engine.put(name, {key: np.array(values) for key, values in columns.items()})
        make_pairs(engine, encoder, "dedupe", "record_embeddings", "pairs")
        rows = engine.rows("from pairs order by left_no, right_no")
    return [(left, right, round(similarity, 4), rank) for left, right, similarity, rank in rows]


NEAR = [(0, 1, 1.0, 1), (0, 2, 0.8, 1), (1, 2, 0.8, 1), (2, 3, 0.3, 1)]


def test_records_of_one_text_are_pairs_and_each_of_them_with_its_neighbours() -> None:
    assert pairs_within(0) == sorted([*NEAR, (0, 3, 0.2, 2), (1, 3, 0.2, 2)])


def test_a_pair_must_reach_the_share_of_the_best_of_either_record() -> None:
    # The best of text 2 is 0.3, so 0.3 is enough for it however high the share, and 0.2 is not.
    assert pairs_within(0.9) == NEAR
    assert pairs_within(1.0) == NEAR
