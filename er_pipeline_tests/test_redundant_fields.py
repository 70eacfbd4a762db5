from random import Random

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.weights import redundant_fields
from er_pipeline.blocking.weights.pair_evidence import FieldEvidence
from er_pipeline.blocking.weights.redundant_fields import find_redundant

N_RECORDS = 3_000


def put_towns(engine: DuckDBEngine, n_noise: int) -> list[FieldEvidence]:
    """Make key_codes of a postcode, the town and state it lies in, and columns of noise."""
    draw = Random(7)
    rows = []
    for _ in range(N_RECORDS):
        postcode = draw.randrange(120)
        noise = [draw.randrange(30) for _ in range(n_noise)]
        rows.append([*noise, postcode, postcode // 4, postcode // 40])
    names = [*(f"noise_{i}" for i in range(n_noise)), "postcode", "town", "state"]
    columns = ", ".join(f"code_{i}" for i in range(len(names)))
    values = ", ".join(str((no, *row)) for no, row in enumerate(rows))
    engine.make_table("key_codes", f"from (values {values}) as t(record_no, {columns})")
    return [FieldEvidence(name, (i,), (0.1, 0.9), ((),)) for i, name in enumerate(names)]


@pytest.mark.parametrize("n_noise", [2, 50], ids=["few", "many"])
def test_a_town_follows_from_its_postcode_however_many_fields_there_are(
    engine: DuckDBEngine, n_noise: int
) -> None:
    found = find_redundant(engine, put_towns(engine, n_noise), N_RECORDS)
    places = {field.field: place for place, field in enumerate(found)}
    follows = {field.field: dict(field.redundant) for field in found}
    assert follows["postcode"] == {}
    assert follows["town"] == {places["postcode"]: 0.0}
    assert follows["state"] == {places["postcode"]: 0.0, places["town"]: 0.0}
    for field, others in follows.items():
        assert not field.startswith("noise") or not others


def test_counts_of_pairs_of_fields_grow_with_the_fields_not_their_square(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = 0
    count = redundant_fields._pairs

    def counting(codes: object) -> float:
        nonlocal counted
        counted += 1
        return count(codes)  # type: ignore[arg-type]

    monkeypatch.setattr(redundant_fields, "_pairs", counting)
    n_counted = []
    for n_fields in (60, 120):
        # Unique numbers, which nobody shares.
        columns = ", ".join(f"i as code_{f}" for f in range(n_fields))
        engine.make_table("key_codes", f"select i as record_no, {columns} from range(100) as t(i)")
        fields = [FieldEvidence(f"f{i}", (i,), (0.1, 0.9), ((),)) for i in range(n_fields)]
        counted = 0
        find_redundant(engine, fields, 100)
        n_counted.append(counted)
    assert n_counted[1] < 2.3 * n_counted[0]
