"""No pair that Splink scores as likely is ruled out, whatever is compared and missing."""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching.comparisons import splink_comparisons
from er_pipeline.matching.em_sessions import levels_of
from er_pipeline.matching.likely_pairs import least_weight
from er_pipeline.matching.pair_bounds import PairBounds
from er_pipeline.matching.scored_pairs import score_table
from er_pipeline.matching.splink_linker import model_settings
from er_pipeline.matching.swapped_names import says_nothing
from er_pipeline_tests.model_by_hand import BY_HAND
from er_pipeline_tests.small_spec import small_spec

FIELDS = {
    "name": "person_name",
    "maiden": "person_name",
    "mail": "email",
    "born": "date",
    "note": "text",
    "phones": "phones",
    "code": "identifier",
    "town": "text",
}
# Levels of every kind, those that read another column, and those nothing can be judged of.
COMPARISONS: dict[str, Any] = {
    "name": {"sql": ["name_l = maiden_r and maiden_l = name_r"]},
    "maiden": {"levels": "jaro", "sql": ["substr(maiden_l, 1, 2) = substr(maiden_r, 1, 2)"]},
    "mail": {},
    "born": {},
    "note": {},
    "phones": {},
    "code": {"levels": "levenshtein", "thresholds": [1, 3]},
    "town": {"levels": "jaccard", "term_frequency": True},
}
NAMES = ["martha", "marhta", "marta", "dixon", "dickson", "dicksonx", "jose", "josé", "a", "ab"]
N_RECORDS = 60


def rows_of(draw: random.Random) -> Iterator[tuple[str | None, ...]]:
    for _ in range(N_RECORDS):
        name, maiden = draw.choices(NAMES, k=2)
        mail = f"{draw.choice(NAMES)}{draw.randrange(3)}@{draw.choice(['a.org', 'ab.org'])}"
        born = f"19{draw.choice('89')}{draw.choice('01')}-0{draw.choice('12')}-1{draw.randrange(3)}"
        note = " ".join(draw.choices(NAMES, k=draw.randrange(1, 4)))
        phones = " ".join(f"+4912345{draw.randrange(4)}" for _ in range(draw.randrange(1, 3)))
        values = (name, maiden, mail, born, note, phones, f"x{draw.randrange(2000)}", name[::-1])
        yield tuple(None if draw.random() < 0.1 else value for value in values)


def trained(draw: random.Random, seed: int, swapped: bool) -> dict[str, Any]:
    """Give a model with random weights, the prior one in five."""
    compared = COMPARISONS | ({"name": {}, "maiden": {}} if swapped else {})
    matching = {"swapped_names": True} if swapped else True
    spec = small_spec(
        fields=FIELDS, comparisons=compared, strategies={"name": "name"}, matching=matching
    )
    comparisons = splink_comparisons(spec)
    for comparison in comparisons:
        for level in levels_of(comparison):
            level["m_probability"], level["u_probability"] = draw.random(), draw.random()
            if says_nothing(level):
                level["m_probability"] = level["u_probability"]
        if seed % 2:  # such as real models: the more alike, the likelier
            levels_of(comparison)[0]["u_probability"] = 0.001
            levels_of(comparison)[-1]["m_probability"] = 0.01
    return model_settings(spec, comparisons, 0.2, "dedupe_only")


@pytest.mark.parametrize(("seed", "swapped"), [(1, False), (2, False), (3, True)])
def test_no_likely_pair_is_ruled_out(seed: int, swapped: bool) -> None:
    draw = random.Random(seed)
    model = trained(draw, seed, swapped)
    pairs = list(itertools.combinations(range(N_RECORDS), 2))
    left, right = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    with DuckDBEngine(threads=1) as engine:
        columns = ", ".join(f"{field} varchar" for field in FIELDS)
        engine.execute(f"create table records (record_no integer, {columns})")
        for no, row in enumerate(rows_of(draw)):
            engine.execute(f"insert into records values ({', '.join('?' * 9)})", [no, *row])
        engine.make_table(
            "frequencies",
            " union all ".join(
                f"select '{field}' as field, {field} as value, count(*) / {N_RECORDS} as frequency"
                f" from records where {field} is not null group by {field} having count(*) > 1"
                f" union all select '{field}', null, 1 / {N_RECORDS}"
                for field in ("name", "maiden", "note", "code", "town")
            ),
        )
        engine.put("pairs", {"left_no": left, "right_no": right})
        tables = ("records", "pairs", "scored")
        score_table(engine, model, *tables, min_probability=0, frequencies="frequencies")
        scores = {
            (one, two): probability
            for one, two, probability in engine.rows(
                "select left_no, right_no, match_probability from scored"
            )
        }
        ruled_out = 0
        for least in (1e-6, 0.01, 0.2, 0.9, 0.9999):
            bounds = PairBounds(engine, model, "records", "frequencies", least_weight(least))
            kept = set(zip(*(side.tolist() for side in bounds.likely(left, right)), strict=True))
            assert {pair for pair, score in scores.items() if score >= least} <= kept
            ruled_out += len(pairs) - len(kept)
    assert len(scores) == len(pairs)
    assert ruled_out > 1000


def test_exact_levels_leave_exactly_the_likely_pairs() -> None:
    # Equal names say 6 bits, equal towns 4, others take 2; the prior is 1 to 16.
    rows = [("ann", "bath"), ("ann", "bath"), ("ann", "york"), ("bob", "bath"), (None, "york")]
    pairs = list(itertools.combinations(range(len(rows)), 2))
    left, right = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    with DuckDBEngine(threads=1) as engine:
        engine.execute("create table records (record_no integer, name varchar, town varchar)")
        for no, row in enumerate(rows):
            engine.execute("insert into records values (?, ?, ?)", [no, *row])
        engine.execute("create table frequencies (field varchar, value varchar, frequency double)")
        kept = {
            weight: set(
                zip(
                    *PairBounds(engine, BY_HAND, "records", "frequencies", weight).likely(
                        left, right
                    ),
                    strict=True,
                )
            )
            for weight in (6.0, 0.0, -2.0, -np.inf)
        }
    assert kept[6.0] == {(0, 1)}
    assert kept[0.0] == {(0, 1), (0, 2), (1, 2), (2, 4)}
    assert kept[-2.0] == kept[0.0] | {(0, 3), (1, 3)}
    assert kept[-np.inf] == set(pairs)
