from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.flow import flow
from er_pipeline.orchestration.partial_jobs import PARTS, partial_jobs, tables_of_parts
from er_pipeline.terminal.widest_flows import DECLARATIONS, EVERYTHING


@pytest.mark.parametrize("declared", DECLARATIONS)
def test_every_table_is_of_one_part_and_reads_no_later_part(declared: Mapping[str, Any]) -> None:
    steps = flow(PipelineSpec.model_validate(declared))
    parts = tables_of_parts(steps)
    part_of = {table: list(PARTS).index(part) for part, names in parts.items() for table in names}
    assert sum(map(len, parts.values())) == len(part_of)
    assert set(part_of) == {table.name for step in steps for table in step.assets}
    for step in steps:
        for read in step.reads:
            if read in part_of:
                assert part_of[read] <= part_of[step.name], (step.name, read)


def test_without_matching_there_is_no_such_part() -> None:
    steps = flow(
        PipelineSpec.model_validate({**EVERYTHING, "matching": False, "survivorship": None})
    )
    assert "matches" not in {name for names in tables_of_parts(steps).values() for name in names}


def test_the_last_part_publishes_and_each_has_its_tag() -> None:
    spec = PipelineSpec.model_validate({**EVERYTHING, "dataset": "people"})
    jobs = partial_jobs(spec, flow(spec), dg.in_process_executor, ["catalog"])
    assert [job.name for job in jobs] == ["people_blocking", "people_matching", "people_evaluation"]
    selected = [str(job.selection) for job in jobs]
    assert ["people/catalog" in keys for keys in selected] == [False, False, True]
    assert [job.tags["er_pipeline/kind"] for job in jobs] == list(PARTS)
