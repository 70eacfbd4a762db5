"""Records -> texts -> vectors. Every distinct text is encoded once.

The vectors of the last run are the cache: a text whose vector is there, made by the same encoder
with the same settings and version, is not encoded again. What is no longer in the data is not
carried on, so the cache never grows beyond it; one that does not match its digest is rebuilt.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.encoders import Dense, Encoder, Lexical, Texts
from er_pipeline.blocking.encoders.lexical import texts_of_columns
from er_pipeline.blocking.encoders.whole_record import BITS, encode_whole_records
from er_pipeline.blocking.neighbours.encoder_statistics import (
    ENCODER_STATISTICS,
    EncoderStatistics,
    load_statistics,
    needs_statistics,
)
from er_pipeline.blocking.neighbours.texts import column_of, number_texts, texts_of
from er_pipeline.blocking.neighbours.vector_files import (
    TEXT_VECTORS,
    WHOLE_VECTORS,
    digest_of,
    load_terms,
    load_vectors,
    rows_of_both,
    save_terms,
    save_vectors,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Shown, numbers
from er_pipeline.blocking.tables.stamps import digest
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import RECORD_NO, SOURCE_NO, Check, Column, Facts, Table
from er_pipeline.blocking.tables.verdicts import Verdict

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

logger = logging.getLogger(__name__)

CHECKS = (
    Check(
        "neighbours_within_budget",
        "What the lists will hold, decided before the search.",
        limits=("embedding.max_pairs_per_record",),
    ),
)
TEXT_NO = Column("text_no", "INTEGER", "Number of the record's text and vector", minimum=0)


class EmbeddingFacts(TypedDict):
    """What is noted beside record_embeddings."""

    encoder: str
    records_with_text: int
    records_without_text: int
    texts: int
    texts_encoded: int
    texts_reused: int


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that turns records into vectors, where there is an encoder."""
    encoder = spec.encoder
    if encoder is None:
        return []
    embeddings = Table(
        "record_embeddings",
        "Which text and vector each record has; every distinct text is encoded once, by the"
        f" encoder {encoder.encoder}.",
        [RECORD_NO, SOURCE_NO, TEXT_NO],
        _texts_by_id,
    )
    vectors = Table(
        TEXT_VECTORS,
        "Every distinct text once; its vector is that row of the numpy files beside it.",
        [TEXT_NO, Column("text_hash", "VARCHAR", "MD5 of the text, or of the vector brought")],
        view=None,
        is_internal=True,
        is_from_outside=True,  # the library and the model that make the vectors
    )
    whole = Table(
        WHOLE_VECTORS,
        "The words, and their 3-grams, of every distinct text, whatever field they stand in; the"
        " vectors are the rows of the numpy files beside it.",
        [TEXT_NO],
        view=None,
        is_internal=True,
    )
    kinds = {name: spec.field_kinds[name] for name in spec.embedding_fields}
    return [
        Step(
            writes=[embeddings, vectors, *([whole] if spec.reads_whole_records else [])],
            reads=["cleaned_records", *([ENCODER_STATISTICS] if needs_statistics(spec) else [])],
            settings=[encoder.vectors_of(), None if spec.vector_column else list(kinds.items())],
            run=partial(embed_records, spec=spec),
            stage="blocks",
            checks=CHECKS,
            judge=partial(_judge, spec=spec),
            show=_show,
            outside=lambda lake: {f"the encoder {encoder.encoder}": digest(encoder.identity)},
        )
    ]


def embed_records(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Give every record its text and every distinct text its vector.

    Reads cleaned_records. Writes record_embeddings (record_no, source_no, text_no), one row per
    record with any text; and text_vectors (text_no, text_hash), with the vectors beside it as
    numpy files, row text_no. Texts are numbered in the order of their first record. Writes
    whole_vectors (text_no) alike, where records are compared as a whole, too.
    Returns the facts kept beside record_embeddings, see `EmbeddingFacts`.

    Raises EncoderError if the encoder cannot work here, InputError if the user's vectors do not
    fit each other.
    """
    encoder = spec.encoder
    assert encoder is not None
    lake.open(engine, "cleaned_records")
    fields = spec.embedding_fields
    number_texts(engine, fields, encoder)
    n_records, n_texts = engine.row("select count(*), count(distinct text_no) from record_texts")
    (n_all,) = engine.row("select count(*) from cleaned_records")
    texts = texts_of(engine, spec, fields, n_texts)
    learned = load_statistics(engine, lake) if needs_statistics(spec) else None
    kinds = {name: spec.field_kinds[name] for name in fields}
    identity = _identity(encoder, learned, kinds)
    vectors, n_encoded = _vectors(engine, lake, encoder, learned, identity, texts)
    with lake.writing(TEXT_VECTORS, {"identity": identity}) as draft:
        engine.write("select text_no, text_hash from texts order by text_no", draft.file())
        if isinstance(vectors, np.ndarray):
            save_vectors(vectors, draft.folder)
        else:
            assert learned is not None
            assert learned.lexical is not None
            save_terms(vectors, texts_of_columns(kinds, learned.lexical), draft.folder)
        draft.facts["digest"] = digest_of(draft.folder)
        draft.content = digest(encoder.identity)
    if spec.reads_whole_records:
        assert learned is not None
        logger.info("encoding %s texts as whole records", f"{n_texts:,}")
        with lake.writing(WHOLE_VECTORS) as draft:
            engine.write("select text_no from texts order by text_no", draft.file())
            for name, bag in encode_whole_records(texts, learned.whole).items():
                counted = learned.whole[name].texts_of_cells(BITS[name])
                save_terms(bag, counted, draft.folder / name)
    facts = EmbeddingFacts(
        encoder=encoder.encoder,
        records_with_text=n_records,
        records_without_text=n_all - n_records,
        texts=n_texts,
        texts_encoded=n_encoded,
        texts_reused=n_texts - n_encoded,
    )
    with lake.writing("record_embeddings", facts) as draft:
        engine.write(
            "select record_no, source_no, text_no from record_texts order by record_no",
            draft.file(),
        )
        return dict(draft.facts)


def embedding_facts(lake: Lake) -> EmbeddingFacts:
    """Read what is noted beside record_embeddings."""
    return cast(EmbeddingFacts, lake.facts("record_embeddings"))


def judge_lists(facts: EmbeddingFacts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge what the search would cost, from the facts of `embed_records`, before it begins."""
    assert spec.encoder is not None
    n_records = facts["records_with_text"]
    kept = spec.kept_per_record(n_records + facts["records_without_text"])
    second = spec.second_pass.embedding if spec.second_pass else None
    first = spec.embedding.within(kept) if spec.embedding else None
    passes = [encoder for encoder in (first, second) if encoder]
    budget = passes[0].most_pairs_per_record
    per_record = float(max(encoder.n_listed for encoder in passes))
    is_within = per_record <= budget
    advice = "" if is_within else " Lower embedding: k, or raise max_pairs_per_record."
    yield Verdict(
        "neighbours_within_budget",
        is_within,
        "error",
        f"{n_records:,} records list {per_record:g} neighbours each, {n_records * per_record:,.0f}"
        f" entries (at most {budget:g} per record wanted).{advice}",
        {"entries": n_records * per_record, "entries_per_record": per_record, "budget": budget},
    )


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    return judge_lists(embedding_facts(lake), spec)


def _show(facts: Facts) -> Mapping[str, Shown]:
    return {**numbers(facts), "encoder": facts["encoder"]}


def _texts_by_id(relations: Mapping[str, str]) -> str:
    return (
        f"select r.record_id, r.source, e.text_no from {relations['record_embeddings']} as e"
        f" join {relations['cleaned_records']} as r on r.record_no = e.record_no"
    )


def _identity(encoder: Encoder, learned: EncoderStatistics | None, kinds: Mapping[str, str]) -> str:
    """Name what a kept vector depends on besides its text."""
    if learned is None or learned.lexical is None:
        return encoder.identity
    return f"{encoder.identity} {dict(kinds)} {learned.digest}"


def _vectors(
    engine: Engine,
    lake: Lake,
    encoder: Encoder,
    learned: EncoderStatistics | None,
    identity: str,
    texts: Texts,
) -> "tuple[Dense | csr_matrix, int]":
    """Take the vectors that the last run left and encode the others; give how many those were."""

    def encode(some: Texts) -> "Dense | csr_matrix":
        if isinstance(encoder, Lexical):
            assert learned is not None
            assert learned.lexical is not None
            return encoder.encode_with(some, learned.lexical)
        return encoder.encode(some)

    known = _read_cache(engine, lake, encoder, identity)
    if known is None:
        logger.info("encoding %s texts", f"{texts.n_texts:,}")
        return encode(texts), texts.n_texts
    place = column_of(
        engine,
        "select coalesce(c.text_no, -1) from texts as t"
        " left join cached_texts as c on c.text_hash = t.text_hash order by t.text_no",
        np.int64,
    )
    missing = np.flatnonzero(place < 0)
    logger.info("encoding %s new texts of %s", f"{len(missing):,}", f"{texts.n_texts:,}")
    if not len(missing):
        return known[place], 0
    engine.make_table("all_texts", "select * from texts")
    engine.put("place_of_text", {"place": place, "text_no": np.arange(len(place))})
    engine.make_table(
        "texts",
        "select t.* exclude (text_no),"
        " cast(row_number() over (order by t.text_no) - 1 as integer) as text_no"
        " from all_texts as t join place_of_text as p on p.text_no = t.text_no where p.place < 0",
    )
    engine.drop("place_of_text")
    new = encode(Texts(len(missing), texts.fields, _first(texts, missing), texts.vectors))
    engine.make_table("texts", "select * from all_texts")
    if isinstance(new, np.ndarray):
        vectors = np.empty((len(place), new.shape[1]), np.float32)
        vectors[place >= 0] = known[place[place >= 0]]
        vectors[missing] = new
        return vectors, len(missing)
    return rows_of_both(known, new, place), len(missing)


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
    engine: Engine, lake: Lake, encoder: Encoder, identity: str
) -> "Dense | csr_matrix | None":
    """Read the vectors of the last run as cached_texts and an array; None if they do not fit."""
    if encoder.encoder == "column" or not lake.has(TEXT_VECTORS):
        return None
    version = lake.version(TEXT_VECTORS)  # may well be stale: what fits is found out below
    folder = lake.path(TEXT_VECTORS, version)
    try:
        facts = lake.facts(TEXT_VECTORS, version)
        if facts["identity"] != identity:
            logger.info("the encoder or what it reads has changed; every text is encoded anew")
            return None
        if facts["digest"] != digest_of(folder):
            logger.warning("the kept vectors are damaged; every text is encoded anew")
            return None
        engine.read_folder(folder, "cached_texts")
        vectors = load_terms(folder) if isinstance(encoder, Lexical) else load_vectors(folder)
        (n_cached,) = engine.row("select count(*) from cached_texts")
        return vectors if n_cached == vectors.shape[0] else None
    except (OSError, ValueError, KeyError):
        logger.warning("the kept vectors cannot be read; every text is encoded anew")
        return None
