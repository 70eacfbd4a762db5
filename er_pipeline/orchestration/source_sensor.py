"""The sensor that starts a run when a file of a source has changed and is left alone."""

from typing import Any

import dagster as dg

from er_pipeline.blocking.records.watched_files import Seen, look_at_sources
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.errors import BlockingError
from er_pipeline.blocking.tables.printable import printable
from er_pipeline.orchestration.snapshot_partitions import newest_run


def source_sensors(spec: PipelineSpec, job: Any) -> list[dg.SensorDefinition]:
    """Make the sensor, if the declaration wants one; the first look only remembers the files."""
    watch = spec.schedule.watch
    if watch is None:
        return []

    @dg.sensor(
        name=f"{spec.dataset}_source_changed",
        job=job,
        minimum_interval_seconds=watch.every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Run dataset {spec.dataset!r} when a file of its sources has changed.",
    )
    def changed(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        look = look_at_sources(spec, Seen.read(context.cursor))
        context.update_cursor(look.seen.cursor())
        if not look.changed:
            return dg.SkipReason(printable(look.why))
        context.log.info(printable(f"changed: {', '.join(look.changed)}"))
        try:
            request = newest_run(context.instance, spec, run_key=look.key)
        except BlockingError as error:  # gone again since the look
            return dg.SkipReason(printable(str(error)))
        return dg.SensorResult(run_requests=[request])

    return [changed]
