"""Records as people name them on the command line: an id, or source:id, or as reports write it.

Reports and checks write source-id where there are several sources, so that can be pasted.
"""

import re

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.sql import literal


def records_named(engine: Engine, text: str) -> list[RecordName]:
    """Find the records that a text may name, up to two.

    source:id comes before an id, and an id before what only reports write. Reads the engine's
    cleaned_records.
    """
    # An id may hold these signs. Ids are compared first: parquet files are read by them.
    ids = [text, *(text[place.end() :] for place in re.finditer("[:-]", text))]
    return [
        RecordName(source, record_id)
        for source, record_id in engine.rows(
            f"""
            select source, record_id from (
                select *, list_position(
                    [source || ':' || record_id, record_id, source || '-' || record_id], $1
                ) as written from cleaned_records
                where record_id in ({", ".join(map(literal, ids))})
            ) where written > 0
            qualify written = min(written) over ()
            order by source_no limit 2
            """,
            [text],
        )
    ]


def record_named(engine: Engine, spec: PipelineSpec, text: str) -> RecordName:
    """Find the record that a text names: source:id, or an id that one source alone has.

    Reads the engine's cleaned_records. Raises InputError if there is no such record, or several.
    """
    found = records_named(engine, text)
    if len(found) == 1:
        return found[0]
    if found:
        named = " or ".join(f"{record.source}:{record.record_id}" for record in found)
        raise InputError(f"several sources have a record {text!r}: write {named}")
    sources = ", ".join(spec.source_labels)
    raise InputError(
        f"no source of dataset {spec.dataset!r} ({sources}) has a record {text!r}; write its id as"
        " the source does, or source:id"
    )
