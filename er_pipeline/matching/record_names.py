"""Names of single records, for sentences: what people find them by."""

from collections.abc import Iterable

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine


def record_names(engine: Engine, spec: PipelineSpec, records: Iterable[int]) -> dict[int, str]:
    """Give the names of a few records by record_no: their ids, of several sources `source-id`.

    Reads the engine's cleaned_records.
    """
    wanted = sorted(set(records))
    if not wanted:
        return {}
    name = "record_id" if len(spec.sources) == 1 else "source || '-' || record_id"
    return dict(
        engine.rows(
            f"select record_no, {name} from cleaned_records"
            f" where record_no in ({', '.join(map(str, wanted))})"
        )
    )
