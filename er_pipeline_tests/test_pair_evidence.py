import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.records.key_codes import index_keys
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.fitted_weights import fit_weights, sum_evidence
from er_pipeline.blocking.weights.pair_agreement import read_agreement
from er_pipeline.blocking.weights.pair_evidence import (
    COSINE_WEIGHT,
    LEAST_M_NOTHING,
    FieldEvidence,
    PairWeights,
)
from er_pipeline_tests.conftest import put_records

EVIDENCE = (
    "select p.left_no, p.right_no, {} as evidence from {} as p"
    " join key_codes as l on l.record_no = p.left_no"
    " join key_codes as r on r.record_no = p.right_no order by 1, 2"
)


def evidence_of(
    engine: DuckDBEngine, weights: PairWeights, pairs: str
) -> dict[tuple[int, int], float]:
    """Weigh the pairs of an engine table by the expression that makes unified_pairs."""
    rows = engine.rows(EVIDENCE.format(weights.evidence_sql(), pairs))
    return {(left, right): evidence for left, right, evidence in rows}


def put_codes(engine: DuckDBEngine, rows: Sequence[tuple[int, ...]]) -> None:
    """Make key_codes of (code_0, idf_0, code_1, idf_1, ...), and all_pairs."""
    n_keys = len(rows[0]) // 2
    names = "".join(f", code_{i}, idf_{i}" for i in range(n_keys))
    values = ", ".join(str((no, *row)) for no, row in enumerate(rows))
    engine.make_table("key_codes", f"select * from (values {values}) as t(record_no{names})")
    engine.make_table(
        "all_pairs",
        "select l.record_no as left_no, r.record_no as right_no"
        " from key_codes as l join key_codes as r on l.record_no < r.record_no",
    )


def test_the_narrowest_shared_key_speaks_and_a_missing_field_is_silent(
    engine: DuckDBEngine,
) -> None:
    # The whole value, then a wider key; idf in eighths of a nat.
    put_codes(
        engine,
        [(7, 16, 3, 8), (7, 16, 3, 8), (8, 16, 3, 8), (9, 12, 4, 4), (-5, 0, -5, 0)],
    )
    name = FieldEvidence("name", (0, 1), (0.1, 0.8, 0.1), ((), ()))
    found = evidence_of(engine, PairWeights((name,), 5, 3.0), "all_pairs")
    assert found[0, 1] == pytest.approx(2 + math.log(0.8), abs=1e-4)
    assert found[0, 2] == pytest.approx(1 + math.log(0.1), abs=1e-4)
    assert found[0, 3] == pytest.approx(math.log(0.1), abs=1e-4)
    assert [found[i, 4] for i in range(4)] == [0, 0, 0, 0]


def test_disagreement_never_counts_for_more_than_its_limit(engine: DuckDBEngine) -> None:
    put_codes(engine, [(1, 8), (2, 8)])
    name = FieldEvidence("name", (0,), (0.0, 1.0), ((),))
    found = evidence_of(engine, PairWeights((name,), 2, 1.0), "all_pairs")
    assert found[0, 1] == pytest.approx(math.log(LEAST_M_NOTHING), abs=1e-4)


@pytest.mark.parametrize(
    ("name_code", "email_says"),
    [
        (1, 0.0),  # both have the name that the address is made of: nothing new
        (-2, 3 + math.log(0.5)),  # no name is known: the address is all there is
        (2, 3 + math.log(0.5)),  # the names differ; what they say against is said once
    ],
)
def test_an_address_made_of_a_name_counts_only_beyond_the_name(
    engine: DuckDBEngine, name_code: int, email_says: float
) -> None:
    # Whole addresses differ, their users agree; the user repeats field 0, the name.
    put_codes(engine, [(1, 32, 1, 40, 5, 24), (name_code, 32, 2, 40, 5, 24)])
    name = FieldEvidence("name", (0,), (0.1, 0.9), ((),))
    email = FieldEvidence("email", (1, 2), (0.1, 0.4, 0.5), ((), (0,)))
    with_email = evidence_of(engine, PairWeights((name, email), 2, 1.0), "all_pairs")
    without = evidence_of(engine, PairWeights((name,), 2, 1.0), "all_pairs")
    assert with_email[0, 1] - without[0, 1] == pytest.approx(email_says, abs=1e-4)


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        (2, 1, 6.0 + math.log(0.5)),  # ann lee and lee ann: what the swap says, and no more
        (1, 1, None),  # a name agrees as it stands, so nothing is swapped
        (3, 4, None),  # other names
    ],
)
def test_swapped_names_say_what_they_would_as_they_should_stand(
    engine: DuckDBEngine, first: int, last: int, says: float | None
) -> None:
    # Names, then both in either order.
    both = 9 if says is not None else 8
    put_codes(engine, [(1, 32, 2, 32, 9, 48), (first, 32, last, 32, both, 48)])
    names = tuple(FieldEvidence(name, (i,), (0.1, 0.9), ((),)) for i, name in enumerate("ab"))
    either = FieldEvidence("a and b", (2,), (0.5, 0.5), ((),), swaps=(0, 1))
    found = evidence_of(engine, PairWeights((*names, either), 2, 1.0), "all_pairs")[0, 1]
    plain = evidence_of(engine, PairWeights(names, 2, 1.0), "all_pairs")[0, 1]
    assert found == pytest.approx(plain if says is None else says, abs=1e-3)


def test_a_cosine_counts_for_less_where_the_fields_say_more() -> None:
    weights = [PairWeights((), 100, 10.0, of).cosine_weight for of in (0.0, 8.0, 10.0, 15.0, 30.0)]
    assert weights[0] == weights[1] == weights[2] == COSINE_WEIGHT
    assert weights[2] > weights[3] > weights[4] > 0


def test_the_whole_address_counts_in_full_whatever_the_names_say(engine: DuckDBEngine) -> None:
    put_codes(engine, [(1, 32, 4, 40, 5, 24), (1, 32, 4, 40, 5, 24)])
    name = FieldEvidence("name", (0,), (0.1, 0.9), ((),))
    email = FieldEvidence("email", (1, 2), (0.1, 0.4, 0.5), ((), (0,)))
    found = evidence_of(engine, PairWeights((name, email), 2, 1.0), "all_pairs")
    assert found[0, 1] == pytest.approx(4 + math.log(0.9) + 5 + math.log(0.4), abs=1e-4)


SPEC = PipelineSpec.model_validate(
    {
        "dataset": "people",
        "sources": [{"path": "people.csv"}],
        # The e-mail stands first, so that its turn comes after what it repeats all the same.
        "fields": {
            "email": "email",
            "last": "person_name",
            "first": "person_name",
            "company": "company",
            "born": "date",
        },
        "training_rules": {"rule": "last"},
    }
)


VALUES: dict[str, list[str | None]] = {
    "email": ["bob.lee@acme.com", "bob.lee@acme.de", "blee@acme.com", "ann@web.de", None],
    "last": ["lee", "leigh", "lea", "smith", "bob", None],
    "first": ["bob", "robert", "rob", "ann", "lee", None],
    "company": ["acme", "acme tools", "web", None],
    "born": ["1980-02-11", "1980-02-12", "1981-02-11", "1980-12-01", None],
}


def drawn(n: int, draw: Random) -> list[dict[str, str | None]]:
    return [{field: draw.choice(values) for field, values in VALUES.items()} for _ in range(n)]


def brute_force(
    weights: PairWeights, keys: Sequence[dict[int, str]], left: int, right: int
) -> float:
    """Add the fields up as one would say it; keys: of each key choice, record -> its key."""

    def shared_whole(place: int) -> bool:
        whole = keys[weights.fields[place].keys[0]]
        return left in whole and whole[left] == whole.get(right)

    said: list[float] = []
    for field in weights.fields:
        whole = keys[field.keys[0]]
        shared = [
            place
            for place, key in enumerate(field.keys)
            if left in keys[key] and keys[key][left] == keys[key].get(right)
        ]
        if (
            left not in whole
            or right not in whole
            or (field.swaps and (not shared or any(shared_whole(other) for other in field.swaps)))
        ):
            said.append(0.0)
        elif not shared:
            said.append(math.log(max(field.m[0], LEAST_M_NOTHING)))
        else:
            key_of = keys[field.keys[shared[0]]]
            n_with = Counter(key_of.values())[key_of[left]]
            idf = round(8 * math.log(len(whole) / n_with)) / 8
            for other, share in field.redundant:
                if shared_whole(other):
                    idf *= share
                    break
            says = idf + math.log(max(field.m[shared[0] + 1], 1e-4))
            if others := field.repeats[shared[0]]:
                says = max(0.0, says - max(0.0, sum(said[other] for other in others)))
            if field.swaps:
                says = max(0.0, says - sum(said[other] for other in field.swaps))
            said.append(says)
    return sum(said)


@settings(max_examples=8, deadline=None)
@given(
    n=st.integers(2, 14), draw=st.randoms(use_true_random=False), concentration=st.floats(0.05, 5)
)
def test_evidence_in_sql_is_that_of_em_and_of_brute_force(
    n: int, draw: Random, concentration: float
) -> None:
    with tempfile.TemporaryDirectory() as folder, DuckDBEngine(threads=2) as engine:
        lake = Lake(Path(folder), "people")
        put_records(engine, lake, SPEC, [drawn(n, draw)])
        index_keys(engine, lake, SPEC)
        lake.open(engine, "key_codes")
        engine.make_table(
            "all_pairs", "select * from (values (0, 1)) as t(left_no, right_no) where 1 = 0"
        )
        for pair in combinations(range(n), 2):
            engine.execute("insert into all_pairs values (?, ?)", pair)
        engine.make_table("labelled", "select *, true as is_match from all_pairs where 1 = 0")
        weights, _ = fit_weights(engine, SPEC.key_choices, "all_pairs", "labelled")
        # What EM finds on so few is dull; any shares will do, also of 0.
        rng = np.random.default_rng(draw.randrange(1 << 30))
        weights = replace(
            weights,
            fields=tuple(
                replace(field, m=tuple(rng.dirichlet([concentration] * len(field.m)).tolist()))
                for field in weights.fields
            ),
        )
        in_sql = evidence_of(engine, weights, "all_pairs")
        seen = read_agreement(engine, weights.fields, "from all_pairs")
        of_em = sum_evidence(seen, weights.fields, [np.array(field.m) for field in weights.fields])
        keys = [
            dict(engine.rows(f"select record_no, block_key from ({keyed})"))
            for keyed in (
                choice.conjunction.keyed_records(engine, "cleaned_records")
                for choice in SPEC.key_choices
            )
        ]
    assert [field.field for field in weights.fields][-2:] == ["email", "last and first"]
    assert list(in_sql.values()) == pytest.approx(of_em.tolist(), abs=1e-3)
    expected = [brute_force(weights, keys, left, right) for left, right in in_sql]
    assert list(in_sql.values()) == pytest.approx(expected, abs=1e-3)
