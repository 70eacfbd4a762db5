"""Step 2, beside the keys: records -> texts -> vectors. Every distinct text is encoded once.

The vectors of the last run are the cache: a text whose vector is there, made by the same encoder
with the same settings and version, is not encoded again. What is no longer in the data is not
carried on, so the cache never grows beyond it; one that does not match its digest is rebuilt.
"""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from er_pipeline.blocking.encoders import Dense, Encoder, FieldValues, Texts
from er_pipeline.blocking.encoders.base import TEXTS_PER_BATCH
from er_pipeline.blocking.records.cleaned_records import read_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, quoted
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

logger = logging.getLogger(__name__)

VECTOR_TABLE = "text_vectors"
# A vector of zeros is like no other, not even like itself.
HAS_DIRECTION = "len(list_filter(user_vector, lambda x: x <> 0)) > 0"


def embed_records(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> dict[str, Any]:
    """Give every record its text and every distinct text its vector.

    Reads cleaned_records. Writes record_embeddings (record_no, source_no, text_no), one row per
    record with any text; and text_vectors (text_no, text_hash), with the vectors beside it as
    numpy files, row text_no. Texts are numbered in the order of their first record.
    Returns the facts kept beside record_embeddings: texts, encoded and reused ones.

    Raises EncoderError if the encoder cannot work here, InputError if the user's vectors do not
    fit each other.
    """
    encoder = spec.encoder
    assert encoder is not None
    fingerprint = read_records(engine, lake)
    fields = spec.embedding_fields
    _number_texts(engine, fields, encoder)
    n_records, n_texts = engine.row("select count(*), count(distinct text_no) from record_texts")
    facts: dict[str, Any] = {
        "fingerprint": fingerprint,
        "encoder": encoder.encoder,
        "records_with_text": n_records,
        "records_without_text": engine.row("select count(*) from cleaned_records")[0] - n_records,
        "texts": n_texts,
    }
    texts = _texts(engine, spec, fields, n_texts)
    identity = _identity(engine, spec, encoder)
    vectors, n_encoded = _vectors(engine, lake, encoder, identity, texts)
    facts.update(texts_encoded=n_encoded, texts_reused=n_texts - n_encoded)
    with lake.writing(VECTOR_TABLE, {"identity": identity}) as draft:
        engine.write("select text_no, text_hash from texts order by text_no", draft.file())
        save_vectors(vectors, draft.folder)
        draft.facts["digest"] = _digest(draft.folder)
    facts["vectors"] = lake.version(VECTOR_TABLE)  # a number of a text means a row of these
    with lake.writing("record_embeddings", facts) as draft:
        engine.write(
            "select record_no, source_no, text_no from record_texts order by record_no",
            draft.file(),
        )
    return facts


def save_vectors(vectors: "Dense | csr_matrix", folder: Path) -> None:
    """Keep vectors as numpy files, so that they can be read without being loaded."""
    if isinstance(vectors, np.ndarray):
        np.save(folder / "dense.npy", vectors)
        return
    np.save(folder / "shape.npy", np.array(vectors.shape))
    for part in ("data", "indices", "indptr"):
        np.save(folder / f"{part}.npy", getattr(vectors, part))


def load_vectors(folder: Path) -> "Dense | csr_matrix":
    """Read the vectors of `save_vectors`; dense ones stay on disk until they are used."""
    if (folder / "dense.npy").exists():
        dense: Dense = np.load(folder / "dense.npy", mmap_mode="r")
        return dense
    from scipy.sparse import csr_matrix

    parts = [np.load(folder / f"{part}.npy") for part in ("data", "indices", "indptr")]
    return csr_matrix(tuple(parts), shape=tuple(np.load(folder / "shape.npy")))


def vector_folder(lake: Lake) -> Path:
    """Find the vectors that belong to record_embeddings as it lies in the lake."""
    return lake.path(VECTOR_TABLE, lake.facts("record_embeddings")["vectors"])


def _number_texts(engine: DuckDBEngine, fields: list[str], encoder: Encoder) -> None:
    """Make record_texts (record_no, source_no, text_no) and texts (text_no, text_hash, ...)."""
    if encoder.encoder == "column":
        content, present = "cast(user_vector as varchar)", HAS_DIRECTION
    else:
        # A field that is NULL and one that is empty would be the same, but clean ones never are.
        content = (
            "concat_ws(chr(31), "
            + ", ".join(f"coalesce({quoted(name)}, '')" for name in fields)
            + ")"
        )
        present = " or ".join(f"{quoted(name)} is not null" for name in fields)
    engine.make_table(
        "hashed",
        f"select record_no, source_no, md5({content}) as text_hash from cleaned_records"
        f" where {present}",
    )
    engine.make_table(
        "texts",
        "select text_hash, min(record_no) as first_no, count(*) as n_records,"
        " cast(row_number() over (order by min(record_no)) - 1 as integer) as text_no"
        " from hashed group by text_hash",
    )
    engine.make_table(
        "record_texts",
        "select h.record_no, h.source_no, t.text_no from hashed as h"
        " join texts as t on t.text_hash = h.text_hash",
    )


def _texts(engine: DuckDBEngine, spec: PipelineSpec, fields: list[str], n_texts: int) -> Texts:
    """Let an encoder read the texts: by field, as lines, or as the user's vectors."""

    def by_field() -> Iterator[FieldValues]:
        counts = _column(engine, "select n_records from texts order by text_no", np.int64)
        for name in fields:
            column = quoted(name)
            engine.make_table(
                "field_values",
                f"select value, cast(row_number() over (order by value) - 1 as integer) as code"
                f" from (select distinct r.{column} as value from texts as t"
                " join cleaned_records as r on r.record_no = t.first_no) where value is not null",
            )
            values = [
                value for (value,) in engine.rows("select value from field_values order by code")
            ]
            codes = _column(
                engine,
                f"select coalesce(v.code, -1) from texts as t join cleaned_records as r"
                f" on r.record_no = t.first_no left join field_values as v on v.value = r.{column}"
                " order by t.text_no",
                np.int32,
            )
            yield FieldValues(name, spec.field_kinds[name], values, codes, counts)

    def as_lines() -> Iterator[list[str]]:
        line = "concat_ws(', ', " + ", ".join(f"r.{quoted(name)}" for name in fields) + ")"
        for start in range(0, n_texts, TEXTS_PER_BATCH):
            yield [
                text
                for (text,) in engine.rows(
                    f"select {line} from texts as t join cleaned_records as r"
                    f" on r.record_no = t.first_no where t.text_no >= {start}"
                    f" and t.text_no < {start + TEXTS_PER_BATCH} order by t.text_no"
                )
            ]

    def brought() -> Dense:
        sizes = engine.rows(
            "select len(r.user_vector) as n, min(r.source || ' ' || r.record_id)"
            " from texts as t join cleaned_records as r on r.record_no = t.first_no"
            " group by n order by count(*) desc, n"
        )
        if len(sizes) > 1:
            raise InputError(
                f"embedding: vectors have {sizes[0][0]} numbers, but that of {sizes[1][1]} has"
                f" {sizes[1][0]}; all must be of one length"
            )
        n_dims = sizes[0][0] if sizes else 1
        flat = _column(
            engine,
            "select unnest(r.user_vector) from texts as t join cleaned_records as r"
            " on r.record_no = t.first_no order by t.text_no",
            np.float32,
        )
        return flat.reshape(-1, n_dims)

    return Texts(n_texts, by_field, as_lines, brought)


def _identity(engine: DuckDBEngine, spec: PipelineSpec, encoder: Encoder) -> str:
    """Name what a kept vector depends on besides its text: maybe all the other texts."""
    if encoder.keeps_vectors:
        return encoder.identity
    kinds = {name: spec.field_kinds[name] for name in spec.embedding_fields}
    return f"{encoder.identity} {kinds} {engine.fingerprint('texts', ['text_hash', 'n_records'])}"


def _vectors(
    engine: DuckDBEngine, lake: Lake, encoder: Encoder, identity: str, texts: Texts
) -> "tuple[Dense | csr_matrix, int]":
    """Take the vectors that the last run left and encode the others; give how many those were."""
    known = _read_cache(engine, lake, encoder, identity)
    if known is None:
        logger.info("encoding %s texts", f"{texts.n_texts:,}")
        return encoder.encode(texts), texts.n_texts
    place = _column(
        engine,
        "select coalesce(c.text_no, -1) from texts as t"
        " left join cached_texts as c on c.text_hash = t.text_hash order by t.text_no",
        np.int64,
    )
    missing = np.flatnonzero(place < 0)
    logger.info("encoding %s new texts of %s", f"{len(missing):,}", f"{texts.n_texts:,}")
    if not len(missing):
        return known[place], 0
    engine.make_table("all_texts", "from texts")
    places = pa.table({"place": place, "text_no": np.arange(len(place))})
    engine.con.register("place_of_text", places)
    engine.make_table(
        "texts",
        "select t.* exclude (text_no),"
        " cast(row_number() over (order by t.text_no) - 1 as integer) as text_no"
        " from all_texts as t join place_of_text as p on p.text_no = t.text_no where p.place < 0",
    )
    engine.con.unregister("place_of_text")
    new = encoder.encode(Texts(len(missing), texts.fields, _first(texts, missing), texts.vectors))
    engine.make_table("texts", "from all_texts")
    assert isinstance(new, np.ndarray)
    vectors = np.empty((len(place), new.shape[1]), np.float32)
    vectors[place >= 0] = known[place[place >= 0]]
    vectors[missing] = new
    return vectors, len(missing)


def _first(texts: Texts, missing: NDArray[np.int64]) -> Any:
    """Give only as many lines as there are texts to encode."""

    def batches() -> Iterator[list[str]]:
        left = len(missing)
        for batch in texts.batches():
            if left <= 0:
                return
            yield batch[:left]
            left -= len(batch)

    return batches


def _read_cache(
    engine: DuckDBEngine, lake: Lake, encoder: Encoder, identity: str
) -> "Dense | csr_matrix | None":
    """Read the vectors of the last run as cached_texts and an array; None if they do not fit."""
    if encoder.encoder == "column" or not lake.has(VECTOR_TABLE):
        return None
    folder = lake.path(VECTOR_TABLE)
    try:
        facts = lake.facts(VECTOR_TABLE)
        if facts["identity"] != identity:
            logger.info("the encoder or what it reads has changed; every text is encoded anew")
            return None
        if facts["digest"] != _digest(folder):
            logger.warning("the kept vectors are damaged; every text is encoded anew")
            return None
        engine.read(lake, VECTOR_TABLE, "cached_texts")
        vectors = load_vectors(folder)
        (n_cached,) = engine.row("select count(*) from cached_texts")
        return vectors if n_cached == vectors.shape[0] else None
    except (OSError, ValueError, KeyError):
        logger.warning("the kept vectors cannot be read; every text is encoded anew")
        return None


def _digest(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted([*folder.glob("*.npy"), *folder.glob("*.parquet")]):
        digest.update(file.name.encode())
        with file.open("rb") as content:
            while chunk := content.read(1 << 22):
                digest.update(chunk)
    return digest.hexdigest()


def _column(engine: DuckDBEngine, sql: str, kind: Any) -> NDArray[Any]:
    """Fetch a column of numbers as an array."""
    (values,) = engine.con.execute(sql).fetchnumpy().values()
    return np.asarray(np.ma.filled(values, 0), dtype=kind)
