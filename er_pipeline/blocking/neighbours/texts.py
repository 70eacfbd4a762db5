"""Texts of records: every distinct text once, by its content, as encoders read it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.encoders import Dense, Encoder, FieldValues, Texts
from er_pipeline.blocking.encoders.encoder import TEXTS_PER_BATCH
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.sql import quoted

# A vector of zeros is like no other, not even like itself.
HAS_DIRECTION = "len(list_filter(user_vector, lambda x: x <> 0)) > 0"


def number_texts(engine: Engine, fields: list[str], encoder: Encoder) -> None:
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


def texts_of(engine: Engine, spec: PipelineSpec, fields: list[str], n_texts: int) -> Texts:
    """Let an encoder read the texts: by field, as lines, or as the user's vectors."""

    def by_field() -> Iterator[FieldValues]:
        counts = column_of(engine, "select n_records from texts order by text_no", np.int64)
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
            codes = column_of(
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
        flat = column_of(
            engine,
            "select unnest(r.user_vector) from texts as t join cleaned_records as r"
            " on r.record_no = t.first_no order by t.text_no",
            np.float32,
        )
        return flat.reshape(-1, n_dims)

    return Texts(n_texts, by_field, as_lines, brought)


def column_of(engine: Engine, sql: str, kind: Any) -> NDArray[Any]:
    """Fetch a column of numbers as an array."""
    (values,) = engine.columns(sql).values()
    return np.asarray(np.ma.filled(values, 0), dtype=kind)
