"""Records as people name them on the command line: an id, or source:id."""

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.sql import literal


def records_named(engine: Engine, text: str) -> list[RecordName]:
    """Find the records that a text may name: one that it names with its source, else up to two.

    Reads the engine's cleaned_records.
    """
    # An id may hold a colon. Ids are compared first: parquet files are read by them.
    parts = text.split(":")
    ids = [":".join(parts[i:]) for i in range(len(parts))]
    found = [
        RecordName(source, record_id)
        for source, record_id in engine.rows(
            f"""
            select source, record_id from (
                select * from cleaned_records where record_id in ({", ".join(map(literal, ids))})
            ) where record_id = $1 or source || ':' || record_id = $1
            order by source <> split_part($1, ':', 1), source_no limit 2
            """,
            [text],
        )
    ]
    is_whole = bool(found) and f"{found[0].source}:{found[0].record_id}" == text
    return found[:1] if is_whole else found


def record_named(engine: Engine, spec: PipelineSpec, text: str) -> RecordName:
    """Find the record that a text names: source:id, or an id that one source alone has.

    Reads the engine's cleaned_records. Raises InputError if there is no such record, or several.
    """
    found = records_named(engine, text)
    if len(found) == 1:
        return found[0]
    if found:
        named = " or ".join(f"{record.source}:{text}" for record in found)
        raise InputError(f"several sources have a record {text!r}: write {named}")
    sources = ", ".join(spec.source_labels)
    raise InputError(
        f"no source of dataset {spec.dataset!r} ({sources}) has a record {text!r}; write its id as"
        " the source does, or source:id"
    )
