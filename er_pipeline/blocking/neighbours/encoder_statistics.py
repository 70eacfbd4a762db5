"""Encoder statistics: how rare n-grams and words are, learned once and used night after night.

A vector by TF-IDF follows from a text and these counts. Were they taken from the records of every
night, one new record would change every vector, and nothing that was found could be kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from er_pipeline.blocking.encoders import Lexical
from er_pipeline.blocking.encoders.lexical import texts_of_columns
from er_pipeline.blocking.encoders.term_counts import LexicalStatistics, TermCounts
from er_pipeline.blocking.encoders.whole_record import learn_whole_records
from er_pipeline.blocking.neighbours.common_terms import (
    CommonTerms,
    learn_common_terms,
    sampled,
)
from er_pipeline.blocking.neighbours.texts import number_texts, texts_of
from er_pipeline.blocking.neighbours.vector_files import digest_of
from er_pipeline.blocking.records.learned_from import learned_from
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Shown, numbers
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Column, Facts, Table

ENCODER_STATISTICS = "encoder_statistics"
BY_FIELDS = "fields"


@dataclass(frozen=True)
class EncoderStatistics:
    """What was learned: of the fields, None with other encoders; of whole records, by bag.

    common: of the fields. n_texts: distinct texts; texts_of_sources: those of each source. digest:
    of all of it.
    """

    lexical: LexicalStatistics | None
    whole: Mapping[str, TermCounts]
    common: CommonTerms
    n_texts: int
    texts_of_sources: tuple[int, ...]
    digest: str


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that learns them, where an encoder or whole records need any."""
    if not needs_statistics(spec):
        return []
    encoder = spec.encoder
    assert encoder is not None
    table = Table(
        ENCODER_STATISTICS,
        "How common the n-grams and words of the records were when they were learned; the counts of"
        " each are in the numpy files beside it.",
        [
            Column("part_no", "INTEGER", "Number of the row, and of its file", minimum=0),
            Column("view", "VARCHAR", "fields: by n-grams; words, trigrams: the record as a whole"),
            Column("field", "VARCHAR", "The field, NULL for the record as a whole", required=False),
            Column("weight", "DOUBLE", "Weight among the fields", minimum=0),
            Column("records", "BIGINT", "Records that had any term", minimum=0),
            Column("terms", "BIGINT", "Distinct n-grams or words", minimum=0),
        ],
        lambda relations: f"select * exclude (part_no) from {relations[ENCODER_STATISTICS]}",
        stays_in_force=spec.keeps_learned,
    )
    ngrams = encoder.ngrams if isinstance(encoder, Lexical) else None
    kinds = [[name, spec.field_kinds[name]] for name in spec.embedding_fields]
    return [
        Step(
            writes=[table],
            reads=["cleaned_records"],
            settings=[ngrams, spec.reads_whole_records, kinds],
            run=partial(learn_statistics, spec=spec),
            stage="blocks",
            show=_show,
        )
    ]


def needs_statistics(spec: PipelineSpec) -> bool:
    """Say whether vectors follow from anything that is learned."""
    return spec.reads_whole_records or isinstance(spec.encoder, Lexical)


def learn_statistics(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Count the n-grams of the fields and the words of whole records.

    Reads cleaned_records. Writes encoder_statistics (part_no, view, field, weight, records,
    terms), one row per field and bag, with the counts beside it as <part_no>.npy: (3, n_terms)
    BIGINT of cells, records and texts; and the common terms of the fields.
    Returns the facts kept beside it: ngrams, texts, texts_of_sources and learned_from.
    """
    encoder = spec.encoder
    assert encoder is not None
    lake.open(engine, "cleaned_records")
    fields = spec.embedding_fields
    number_texts(engine, fields, encoder)
    of_sources = engine.rows(
        "select source_no, count(distinct text_no) from record_texts group by 1 order by 1"
    )
    (n_texts,) = engine.row("select count(*) from texts")
    texts = texts_of(engine, spec, fields, n_texts)
    lexical = encoder.learn(texts) if isinstance(encoder, Lexical) else None
    parts: list[tuple[str, str | None, TermCounts]] = []
    if lexical:
        parts += [(BY_FIELDS, name, counts) for name, counts in lexical.fields.items()]
    if spec.reads_whole_records:
        parts += [(name, None, counts) for name, counts in learn_whole_records(texts).items()]
    facts: dict[str, Any] = {
        "ngrams": lexical.ngrams if lexical else None,
        "texts": n_texts,
        "texts_of_sources": [n for _, n in of_sources],
        "learned_from": learned_from(engine, fields),
    }
    rows = [
        (i, view, field, counts.weight, counts.n_records, len(counts.cells))
        for i, (view, field, counts) in enumerate(parts)
    ]
    with lake.writing(ENCODER_STATISTICS, facts) as draft:
        if lexical and isinstance(encoder, Lexical):
            kinds = {name: spec.field_kinds[name] for name in fields}
            held = texts_of_columns(kinds, lexical)
            vectors = encoder.encode_with(texts.sample(sampled(n_texts)), lexical)
            learn_common_terms(vectors, held, n_texts).save(draft.folder)
        for i, (_, _, counts) in enumerate(parts):
            np.save(
                draft.folder / f"{i}.npy", np.stack([counts.cells, counts.records, counts.texts])
            )
        (table,) = steps(spec)[0].writes
        engine.put("statistics_rows", table.arrow(rows))
        engine.write("select * from statistics_rows order by part_no", draft.file())
        return dict(draft.facts)


def load_statistics(engine: Engine, lake: Lake) -> EncoderStatistics:
    """Read what is in force.

    Raises LakeError if it is missing or stale.
    """
    lake.open(engine, ENCODER_STATISTICS)
    folder = lake.path(ENCODER_STATISTICS)
    facts = lake.facts(ENCODER_STATISTICS)
    fields, whole = {}, {}
    for i, view, field, weight, n_records in engine.rows(
        f"select part_no, view, field, weight, records from {ENCODER_STATISTICS} order by part_no"
    ):
        counts = _read_counts(folder, i, weight, n_records)
        if view == BY_FIELDS:
            fields[field] = counts
        else:
            whole[view] = counts
    ngrams = facts["ngrams"]
    return EncoderStatistics(
        LexicalStatistics(ngrams, fields) if ngrams else None,
        whole,
        CommonTerms.load(folder),
        facts["texts"],
        tuple(facts["texts_of_sources"]),
        f"{digest_of(folder)} {[facts[name] for name in ('ngrams', 'texts', 'texts_of_sources')]}",
    )


def _read_counts(folder: Path, i: int, weight: float, n_records: int) -> TermCounts:
    cells, records, texts = np.load(folder / f"{i}.npy")
    return TermCounts(n_records, cells.astype(np.int32), records, texts, weight)


def _show(facts: Facts) -> Mapping[str, Shown]:
    return numbers({"texts": facts["texts"], "records": facts["learned_from"]["records"]})
