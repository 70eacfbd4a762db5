import math
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from er_pipeline.blocking.records.key_codes import index_keys
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline_tests.conftest import Dataset, Rows, put_records

KINDS = {
    "name": "person_name",
    "email": "email",
    "company": "company",
    "born": "date",
    "street": "address",
    "n": "text",  # as the column that counts might be called
}
SPEC = PipelineSpec.model_validate(
    {
        "dataset": "people",
        "mode": "link_and_dedupe",
        "sources": [{"path": "a.csv"}, {"path": "b.csv"}],
        "fields": KINDS,
        "training_rules": {"rule": "name"},
    }
)
VALUES: dict[str, list[str | None]] = {
    "name": ["robert", "rupert", "bob", "al", "o'neil", None],
    "email": ["bob@acme.com", "bob@gmail.com", "b.ob1@acme.com", "1@x.de", None],
    "company": ["acme", "acme tools", "the group", None],
    "born": ["1980-02-11", "1980-02-12", "1981-02-11", None],
    "street": ["12 long road", "road", "12 short lane", "-- --", None],
    "n": ["a b", "a  b", " ", "ab", None],
}


def people(n: int, seed: int) -> list[dict[str, str | None]]:
    draw = Random(seed)
    return [{field: draw.choice(texts) for field, texts in VALUES.items()} for _ in range(n)]


def indexed(
    sources: Sequence[Rows], threads: int = 2
) -> tuple[list[dict[str, int]], list[dict[int, str]]]:
    """Number the keys; give the rows of key_codes, and per key the text that each record has."""
    with tempfile.TemporaryDirectory() as folder, DuckDBEngine(threads=threads) as engine:
        lake = Lake(Path(folder), "people")
        put_records(engine, lake, SPEC, sources)
        index_keys(engine, lake, SPEC)
        lake.open(engine, "key_codes")
        codes = engine.arrow("from key_codes").to_pylist()
        keys: list[dict[int, str]] = [
            dict(
                engine.rows(
                    "select record_no, block_key from"
                    f" ({choice.conjunction.keyed_records(engine, 'cleaned_records')})"
                )
            )
            for choice in SPEC.key_choices
        ]
        return codes, keys


@pytest.mark.parametrize("sizes", [(1, 0), (0, 9), (40, 25)])
def test_codes_are_equal_exactly_where_keys_are_and_idf_tells_how_rare(
    sizes: tuple[int, int],
) -> None:
    sources = [people(n, seed) for seed, n in enumerate(sizes)]
    codes, keys = indexed(sources)
    n_filled = Counter(field for rows in sources for row in rows for field in row if row[field])
    for i, (choice, key_of) in enumerate(zip(SPEC.key_choices, keys, strict=True)):
        records_with = Counter(key_of.values())
        text_of_code: dict[int, str] = {}
        for row in codes:
            no, code = row["record_no"], row[f"code_{i}"]
            if no not in key_of:
                assert (code, row[f"idf_{i}"]) == (-no - 1, 0)  # nobody else has this number
                continue
            assert code >= 0
            assert text_of_code.setdefault(code, key_of[no]) == key_of[no]
            share = records_with[key_of[no]] / n_filled[choice.field]
            assert row[f"idf_{i}"] == round(-8 * math.log(share))
        assert len(set(text_of_code.values())) == len(text_of_code)


def test_a_value_is_as_rare_as_among_the_records_that_have_one(
    dataset: Callable[..., Dataset],
) -> None:
    # Whatever only one source fills would otherwise seem to be rare.
    first = [{"id": f"{i}", "name": "ann", "place": "york" if i % 2 else "bath"} for i in range(8)]
    second = [{"id": f"{i}", "name": "ann", "place": None} for i in range(500)]
    data = dataset(first, second, strategies="auto")
    data.make("key_codes")
    whole = [choice.expression for choice in data.spec.key_choices].index("place")
    idf = data.rows("key_codes", f"source_no, idf_{whole}", "record_no")
    assert idf == [(0, round(8 * math.log(2)))] * 8 + [(1, 0)] * 500


def test_the_same_people_give_the_same_numbers_with_any_number_of_threads() -> None:
    sources = [people(200, 1), people(100, 2)]
    assert indexed(sources, threads=1)[0] == indexed(sources, threads=4)[0]


def test_records_stand_in_their_order_with_their_source(dataset: Callable[..., Dataset]) -> None:
    names = [{"id": f"{i:02}", "name": "ann"} for i in range(5)]
    data = dataset(names, names, strategies={"name": "name"})
    data.make("key_codes")
    with DuckDBEngine() as engine:
        data.lake.open(engine, "key_codes")
        rows = engine.rows("select record_no, source_no from key_codes")
    assert rows == [(i, i // 5) for i in range(10)]


def test_missing_values_and_placeholders_are_never_equal(dataset: Callable[..., Dataset]) -> None:
    values = ["", "n/a", "N/A", "unknown", "-", "ann", "Ann "]
    data = dataset(
        [{"id": str(i), "note": "x", "name": name} for i, name in enumerate(values)],
        strategies={"name": "name"},
    )
    data.make("key_codes")
    whole = [choice.expression for choice in data.spec.key_choices].index("name")
    codes = [code for (code,) in data.rows("key_codes", f"code_{whole}", "record_no")]
    assert codes == [-1, -2, -3, -4, -5, 0, 0]


def test_a_table_without_a_single_value_can_be_indexed(dataset: Callable[..., Dataset]) -> None:
    data = dataset([{"id": "1", "name": ""}, {"id": "2", "name": ""}], strategies="auto")
    data.make("key_codes")
    assert data.rows("key_codes", "code_0, idf_0", "record_no") == [(-1, 0), (-2, 0)]


@pytest.mark.parametrize(
    "name", ["n", "value", "code_0", "idf", "k0", "v0", "r", "result", "order"]
)
def test_fields_may_have_any_name(dataset: Callable[..., Dataset], name: str) -> None:
    people = [{"id": "1", name: "ann lee"}, {"id": "2", name: "ann lee"}, {"id": "3", name: "bo"}]
    data = dataset(people, strategies="auto")
    data.make("key_codes")
    assert data.rows("key_codes", "code_0, idf_0", "record_no") == [(0, 3), (0, 3), (1, 9)]


def test_facts_tell_the_keys_in_the_order_of_their_codes(dataset: Callable[..., Dataset]) -> None:
    data = dataset([{"id": "1", "name": "ann"}], fields={"name": "identifier"}, strategies="auto")
    data.make("key_codes")
    facts = data.lake.facts("key_codes")
    assert facts["keys"] == ["name", "right(name, 4)", "left(name, 3)"]
    assert (facts["records"], facts["keys_per_record"]) == (1, 3)


def test_keys_of_other_records_are_refused(dataset: Callable[..., Dataset]) -> None:
    data = dataset([{"id": "1", "name": "ann"}, {"id": "2", "name": "bo"}], strategies="auto")
    data.make("key_codes")
    (data.folder / "people.csv").write_text("id,name\n1,ann\n7,bo\n")
    data.clean()
    with pytest.raises(LakeError, match="key_codes was made from an older cleaned_records"):
        data.make_again("learned_rules")
