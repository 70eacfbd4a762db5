"""Records as people name them on the command line: an id, or source:id."""

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError


def record_named(engine: Engine, spec: PipelineSpec, text: str) -> RecordName:
    """Find the record that a text names: source:id, or an id that one source alone has.

    Reads the engine's cleaned_records. Raises InputError if there is no such record, or several.
    """
    source, _, record_id = text.partition(":")
    if source in spec.source_labels and _sources_with(engine, record_id, [source]):
        return RecordName(source, record_id)
    found = _sources_with(engine, text, spec.source_labels)
    if len(found) == 1:
        return RecordName(found[0], text)
    if found:
        named = " or ".join(f"{source}:{text}" for source in found)
        raise InputError(f"several sources have a record {text!r}: write {named}")
    sources = ", ".join(spec.source_labels)
    raise InputError(
        f"no source of dataset {spec.dataset!r} ({sources}) has a record {text!r}; write its id as"
        " the source does, or source:id"
    )


def _sources_with(engine: Engine, record_id: str, sources: list[str]) -> list[str]:
    marks = ", ".join("?" * len(sources))
    rows = engine.rows(
        f"select source from cleaned_records where record_id = ? and source in ({marks})"
        " order by source_no",
        [record_id, *sources],
    )
    return [str(source) for (source,) in rows]
