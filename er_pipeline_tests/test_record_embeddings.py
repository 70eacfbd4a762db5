import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from copy import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from er_pipeline.blocking.encoders import Lexical, Static
from er_pipeline.blocking.neighbours.encoder_statistics import ENCODER_STATISTICS
from er_pipeline.blocking.neighbours.record_embeddings import (
    EmbeddingFacts,
    embed_records,
    embedding_facts,
    judge_lists,
)
from er_pipeline.blocking.neighbours.vector_files import load_vectors, save_vectors
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline_tests.conftest import Dataset, write_csv

NAMES = ["ann lee", "bob ray", "cid fox", "ann lee", None]
# Both keep their vectors or not by their own rule; `static` is what every dense encoder does.
LEXICAL: dict[str, Any] = {"strategies": {}, "embedding": True}
STATIC: dict[str, Any] = {"strategies": {}, "embedding": {"encoder": "static", "dims": 64}}

needs_static = pytest.mark.skipif(
    find_spec("wordllama") is None,
    reason="wordllama is not installed: pip install 'er_pipeline[static]'",
)
both = pytest.mark.parametrize(
    "settings", [LEXICAL, pytest.param(STATIC, marks=needs_static)], ids=["lexical", "static"]
)


def rows_of(names: Sequence[str | None]) -> list[dict[str, str | None]]:
    return [{"id": f"{i:02}", "name": name} for i, name in enumerate(names)]


def again(people: Dataset, names: Sequence[str | None]) -> tuple[int, int]:
    """Run once more with other records; give the texts encoded and those reused."""
    write_csv(people.folder / "people.csv", rows_of(names))
    facts = people.embed()
    assert facts["texts_encoded"] + facts["texts_reused"] == facts["texts"]
    return facts["texts_encoded"], facts["texts_reused"]


def vectors_of(people: Dataset) -> Any:
    """Load the vectors of the records with text, in the order of the records."""
    loaded: Any = load_vectors(people.lake.path("text_vectors"))
    dense = loaded if isinstance(loaded, np.ndarray) else loaded.toarray()
    return dense[[no for (no,) in people.rows("record_embeddings", "text_no", "record_no")]]


def fresh(people: Dataset) -> Any:
    """Embed the same records where there is no cache, but what was learned."""
    other = copy(people)  # its sources stay where they are
    other.root = Path(tempfile.mkdtemp(dir=people.folder))
    learned = Path("people", ENCODER_STATISTICS)
    shutil.copytree(people.root / learned, other.root / learned, symlinks=True)
    other.embed()
    return vectors_of(other)


@both
def test_every_distinct_text_has_one_vector(
    dataset: Callable[..., Dataset], settings: dict[str, Any]
) -> None:
    people = dataset(rows_of(NAMES), **settings)
    facts = people.embed()
    assert people.rows("record_embeddings") == [(0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 0, 0)]
    assert (facts["texts"], facts["texts_encoded"], facts["texts_reused"]) == (3, 3, 0)
    assert (facts["records_with_text"], facts["records_without_text"]) == (4, 1)
    assert load_vectors(people.lake.path("text_vectors")).shape[0] == 3


@both
def test_the_second_run_encodes_nothing(
    dataset: Callable[..., Dataset], settings: dict[str, Any]
) -> None:
    people = dataset(rows_of(NAMES), **settings)
    people.embed()
    before = vectors_of(people)
    assert again(people, NAMES) == (0, 3)
    assert np.array_equal(vectors_of(people), before)


@needs_static
def test_a_changed_record_encodes_exactly_one_text(dataset: Callable[..., Dataset]) -> None:
    people = dataset(rows_of(NAMES), **STATIC)
    people.embed()
    assert again(people, ["zoe new", "ann lee", "bob ray", "cid fox"]) == (1, 3)
    assert np.allclose(vectors_of(people), fresh(people), atol=1e-6)
    assert again(people, ["eve one", "zoe new", "dan two", "ann lee"]) == (2, 2)
    assert np.allclose(vectors_of(people), fresh(people), atol=1e-6)


@needs_static
def test_only_new_texts_reach_the_encoder(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    encode = Static.encode

    def watched(self: Static, texts: Any) -> Any:
        seen.extend(text for batch in texts.batches() for text in batch)
        return encode(self, texts)

    monkeypatch.setattr(Static, "encode", watched)
    monkeypatch.setattr("er_pipeline.blocking.neighbours.texts.TEXTS_PER_BATCH", 2)
    people = dataset(rows_of(NAMES), **STATIC)
    people.embed()
    assert seen == ["ann lee", "bob ray", "cid fox"]
    seen.clear()
    again(people, ["dan one", "ann lee", "eve two", "bob ray", "fay six"])
    assert seen == ["dan one", "eve two", "fay six"]
    assert np.allclose(vectors_of(people), fresh(people), atol=1e-6)


@needs_static
def test_the_vector_of_a_removed_record_is_gone(dataset: Callable[..., Dataset]) -> None:
    people = dataset(rows_of(NAMES), **STATIC)
    people.embed()
    assert again(people, ["bob ray"]) == (0, 1)
    assert load_vectors(people.lake.path("text_vectors")).shape == (1, 64)
    assert len(people.rows("text_vectors")) == 1
    assert again(people, NAMES) == (2, 1)


@needs_static
@pytest.mark.parametrize(
    ("embedding", "encoded"),
    [
        ({"encoder": "static", "dims": 64, "k": 3, "min_similarity": 0.2}, 0),
        ({"encoder": "static", "dims": 64, "max_pairs_per_record": 7, "flat_limit": 1}, 0),
        ({"encoder": "static", "dims": 128}, 3),
        ({"encoder": "lexical"}, 3),
    ],
)
def test_other_settings_of_the_vectors_encode_all_those_of_the_search_none(
    dataset: Callable[..., Dataset], embedding: dict[str, Any], encoded: int
) -> None:
    dataset(rows_of(NAMES), **STATIC).embed()
    changed = dataset(rows_of(NAMES), strategies={}, embedding=embedding)
    assert changed.embed()["texts_encoded"] == encoded


@needs_static
def test_another_version_encodes_all(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = dataset(rows_of(NAMES), **STATIC)
    people.embed()
    monkeypatch.setattr(Static, "version", lambda _: "another")
    assert again(people, NAMES) == (3, 0)


def test_what_was_found_by_vectors_of_another_version_is_stale(
    dataset: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch, engine: DuckDBEngine
) -> None:
    people = dataset(rows_of(NAMES), **LEXICAL)
    people.neighbours()
    people.embed()
    people.lake.open(engine, "embedding_blocks")
    monkeypatch.setattr(Lexical, "version", lambda _: "another")
    people.embed()
    with pytest.raises(LakeError, match="embedding_blocks was made from an older text_vectors"):
        people.lake.open(engine, "embedding_blocks")


@both
@pytest.mark.parametrize("damage", ["vectors", "digest", "no digest", "facts", "no file"])
def test_a_damaged_cache_is_made_anew(
    dataset: Callable[..., Dataset],
    settings: dict[str, Any],
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    people = dataset(rows_of(NAMES), **settings)
    people.embed()
    before = vectors_of(people)
    folder = people.lake.path("text_vectors")
    facts = json.loads((folder / "facts.json").read_text())
    vectors = max(folder.glob("d*.npy"))
    if damage == "vectors":
        content = bytearray(vectors.read_bytes())
        content[-1] ^= 1
        vectors.write_bytes(content)
    elif damage == "no file":
        vectors.unlink()
    elif damage == "digest":
        (folder / "facts.json").write_text(json.dumps({**facts, "digest": "foreign"}))
    elif damage == "no digest":
        (folder / "facts.json").write_text(json.dumps({"identity": facts["identity"]}))
    else:
        (folder / "facts.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert again(people, NAMES) == (3, 0)
    assert "encoded anew" in caplog.text
    assert np.array_equal(vectors_of(people), before)
    assert again(people, NAMES) == (0, 3)


@pytest.mark.parametrize(
    ("names", "encoded"),
    [
        (["ann lee", "bob ray", "cid fox", "ann lea", None], 1),
        (["bob ray", "ann lee", None, "ann lee", "eva new"], 1),
        # Another one is common now: the weights of its n-grams are those that were learned.
        (["ann lee", "bob ray", "cid fox", "bob ray", None], 0),
    ],
)
def test_lexical_vectors_follow_from_a_text_and_what_was_learned(
    dataset: Callable[..., Dataset], names: list[str | None], encoded: int
) -> None:
    people = dataset(rows_of(NAMES), **LEXICAL)
    people.embed()
    assert again(people, names)[0] == encoded
    assert np.array_equal(vectors_of(people), fresh(people))


@pytest.mark.parametrize("names", [["ann lee", "ann lea", None], ["ann lee", "bob ray", "bob ray"]])
def test_where_nothing_stays_in_force_every_text_is_encoded_anew(
    dataset: Callable[..., Dataset], names: list[str | None]
) -> None:
    people = dataset(rows_of(NAMES), **LEXICAL, learning={"promote": "always"})
    people.embed()
    assert again(people, names)[1] == 0
    assert np.array_equal(vectors_of(people), fresh(people))


def test_lexical_encodes_all_when_a_field_is_of_another_kind(
    dataset: Callable[..., Dataset],
) -> None:
    rows = [
        {"id": "1", "a": "ann", "b": "lee"},
        {"id": "2", "a": "lee", "b": "ann"},
    ]
    dataset(rows, fields={"a": "text", "b": "text"}, **LEXICAL).embed()
    assert dataset(rows, fields={"a": "text", "b": "text"}, **LEXICAL).embed()["texts_encoded"] == 0
    people = dataset(rows, fields={"a": "address", "b": "address"}, **LEXICAL)
    assert people.embed()["texts_encoded"] == 2
    assert np.array_equal(vectors_of(people), fresh(people))


def test_texts_of_different_fields_are_not_the_same(dataset: Callable[..., Dataset]) -> None:
    rows: list[dict[str, str | None]] = [
        {"id": "1", "a": "ann", "b": None},
        {"id": "2", "a": None, "b": "ann"},
        {"id": "3", "a": "ann", "b": None},
    ]
    assert dataset(rows, **LEXICAL).embed()["texts"] == 2
    only_a = dataset(rows, strategies={}, embedding={"fields": ["a"]})
    facts = only_a.embed()
    assert (facts["texts"], facts["records_without_text"]) == (1, 1)


def test_vectors_come_back_as_they_were_kept(
    dataset: Callable[..., Dataset], tmp_path: Any
) -> None:
    dense = np.random.default_rng(1).random((3, 4)).astype(np.float32)
    save_vectors(dense, tmp_path)
    assert np.array_equal(np.asarray(load_vectors(tmp_path)), dense)
    people = dataset(rows_of(NAMES), **LEXICAL)
    people.embed()
    with DuckDBEngine() as engine:
        assert embed_records(engine, people.lake, people.spec)["texts_reused"] == 3


def embedded(people: Dataset) -> EmbeddingFacts:
    people.embed()
    return embedding_facts(people.lake)


FOUR = rows_of(["ann lee", "bob ray", "cid fox", "ann lea"])


def test_the_budget_of_lists_is_judged_before_the_search(dataset: Callable[..., Dataset]) -> None:
    people = dataset(FOUR, strategies={}, embedding={"k": 10, "max_pairs_per_record": 9})
    (verdict,) = judge_lists(embedded(people), people.spec)
    assert (verdict.check, verdict.passed, verdict.severity) == (
        "neighbours_within_budget",
        False,
        "error",
    )
    assert "Lower embedding: k" in verdict.text
    assert verdict.numbers == {"entries": 40, "entries_per_record": 10, "budget": 9}
    roomy = dataset(FOUR, strategies={}, embedding={"k": 10, "max_pairs_per_record": 10})
    (verdict,) = judge_lists(embedded(people), roomy.spec)
    assert verdict.passed
