"""Pair agreement: how far two records agree in every field, as arrays for EM to look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.records.key_codes import IDF_STEPS
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.weights.pair_evidence import FieldEvidence


@dataclass(frozen=True)
class Agreement:
    """How pairs agree: (n_pairs, n_fields) levels and their idf in nats, column by column.

    Level -1 is a missing value, 0 agreement in nothing, i the i-th key of the field. Of the idf
    that follows from another field only what is left is here.
    """

    levels: NDArray[np.int8]
    idf: NDArray[np.float32]


def read_agreement(engine: Engine, fields: Sequence[FieldEvidence], pairs: str) -> Agreement:
    """Compare the keys of pairs, a query of (left_no, right_no), in this order."""
    columns = []
    for f, field in enumerate(fields):
        whole = field.keys[0]
        missing = f"when l.code_{whole} < 0 or r.code_{whole} < 0"
        straight = "".join(
            f" when l.code_{of} = r.code_{of} then 0"
            for of in (fields[other].keys[0] for other in field.swaps)
        )
        shared = [f" when l.code_{key} = r.code_{key} then" for key in field.keys]
        level = "".join(f"{same} {i + 1}" for i, same in enumerate(shared))
        idf = "".join(f"{same} l.idf_{key}" for same, key in zip(shared, field.keys, strict=True))
        columns.append(
            f"cast(case {missing} then -1{straight}{level} else 0 end as tinyint) as level_{f}"
        )
        columns.append(
            f"cast(case {missing} then 0{straight}{idf} else 0 end as tinyint) as idf_{f}"
        )
    found = engine.columns(
        f"select {', '.join(columns)} from ({pairs}) as p"
        " join key_codes as l on l.record_no = p.left_no"
        " join key_codes as r on r.record_no = p.right_no order by p.left_no, p.right_no"
    )
    n_pairs = len(found["level_0"]) if fields else 0
    levels = np.empty((n_pairs, len(fields)), np.int8, order="F")
    left = np.empty(levels.shape, np.float32, order="F")
    for f in range(len(fields)):
        levels[:, f] = found[f"level_{f}"]
    for f, field in enumerate(fields):
        nats = np.asarray(found[f"idf_{f}"], np.float32) / IDF_STEPS
        left[:, f] = nats
        for other, share in reversed(field.redundant):
            left[:, f] = np.where(levels[:, other] == 1, nats * share, left[:, f])
    return Agreement(levels, left)
