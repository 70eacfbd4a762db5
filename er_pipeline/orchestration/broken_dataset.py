"""A broken dataset: what the UI shows of a declaration that cannot be loaded.

One asset with the reason, and the nightly job and schedule that the dataset would have: a night on
which it should run fails with the same reason, so nobody takes silence for success.
"""

import re
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import ValidationError

from er_pipeline.blocking.spec.schedule_section import Schedule
from er_pipeline.blocking.spec.settings import IDENTIFIER
from er_pipeline.blocking.spec.yaml_document import read_document
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.tables.printable import printable
from er_pipeline.orchestration.groups import group_of
from er_pipeline.orchestration.jobs import nightly_schedule
from er_pipeline.orchestration.notice_sensors import declaration_sensors
from er_pipeline.orchestration.run_tags import DATASET_TAG, KIND_TAG

TABLE = "declaration"


def broken_dataset(file: Path, reason: str, taken: set[str]) -> dg.Definitions:
    """Make the definitions that stand for a declaration that cannot be loaded.

    file: the declaration. reason: why, in words for its author. taken: names of datasets that load,
    in small letters; the name chosen here is added.
    """
    attributes = _attributes(file)
    name = _free_name([attributes.get("dataset"), file.parent.name], taken)
    key = [*_prefix(attributes), name, TABLE]
    text = printable(reason)

    @dg.asset(
        key=key,
        group_name=group_of(name, "declaration"),
        kinds={"yaml"},
        tags={"er_pipeline/stage": "declaration"},
        description=(
            f"**{printable(str(file))} cannot be loaded**, so no table of this dataset is shown,"
            " and none is changed. Mend the file, then reload the code location."
            f"\n\n```text\n{text}\n```"
        ),
    )
    def declaration() -> None:
        raise dg.Failure(description=text, allow_retries=False)

    job: Any = dg.define_asset_job(
        name=f"{name}_nightly",
        selection=dg.AssetSelection.assets(key),
        description=f"Fails, and says why {file.name} of {name} cannot be loaded.",
        executor_def=dg.in_process_executor,
        tags={DATASET_TAG: name, KIND_TAG: "nightly"},
    )
    schedule = nightly_schedule(name, _schedule(attributes), job)
    return dg.Definitions(
        assets=[declaration],
        jobs=[job],
        schedules=[schedule],
        sensors=declaration_sensors(name, file, text),
    )


def _attributes(file: Path) -> dict[str, Any]:
    """Read what can be read of the settings."""
    try:
        value = read_document(file).value
    except SpecError:
        return {}
    attributes = value.get("attributes") if isinstance(value, dict) else None
    return attributes if isinstance(attributes, dict) else {}


def _prefix(attributes: dict[str, Any]) -> list[str]:
    """Read what the keys of the dataset's assets begin with, as far as it can be read."""
    prefix = attributes.get("key_prefix")
    parts = prefix.split("/") if isinstance(prefix, str) else prefix
    if isinstance(parts, list) and all(isinstance(part, str) and part for part in parts):
        return parts
    return []


def _schedule(attributes: dict[str, Any]) -> Schedule:
    """Read when the dataset would run; the default hour where that is what is broken."""
    try:
        return Schedule.model_validate(attributes.get("schedule") or {})
    except ValidationError:
        return Schedule()


def _free_name(wishes: list[Any], taken: set[str]) -> str:
    name = "broken"
    for wish in wishes:
        text = re.sub(r"[^A-Za-z0-9_]+", "_", wish) if isinstance(wish, str) else ""
        if re.fullmatch(IDENTIFIER, text):
            name = text
            if text.lower() not in taken:
                break
    free, n = name, 2
    while free.lower() in taken:
        free, n = f"{name}_{n}", n + 1
    taken.add(free.lower())
    return free
