"""The section `spark`: where `engine: spark` runs, and how much the driver may take on."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from er_pipeline.blocking.spec.settings import Problem, Settings
from er_pipeline.blocking.tables.cluster import Cluster

if TYPE_CHECKING:  # a spec lists its problems itself
    from er_pipeline.blocking.spec.pipeline import PipelineSpec

ADDRESS = r"^sc://[^\s/]+(/\S*)?$"
LAUNCHED_BY = r"^(subprocess|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$"
# What reads vectors does so on one machine, and is not yet refused beyond a size that it manages.
NOT_ON_CLUSTER = (
    "with engine: spark there are no neighbours yet: leave embedding out, or write engine: duckdb"
)


class Spark(Settings):
    """Where `engine: spark` runs, and how much the driver beside it may take on."""

    url: str | None = Field(
        None,
        pattern=ADDRESS,
        description="Address of a Spark Connect server: sc://host:15002.",
    )
    url_env: str | None = Field(
        None,
        min_length=1,
        description="Environment variable that holds the address, where it has a token in it.",
    )
    local: bool = Field(
        False, description="Start Sail, a Spark Connect server without a JVM, in each process."
    )
    conf: dict[str, str] = Field(
        default_factory=dict,
        description="Settings of the session, such as spark.sql.shuffle.partitions: 400.",
    )
    launch: str | None = Field(
        None,
        pattern=LAUNCHED_BY,
        description="How steps of the cluster are run, if not in Dagster's process: subprocess, or"
        " module:function, a function of yours that starts the given command as a job.",
    )
    in_executors: bool = Field(
        False,
        description="Compute keys in the executors, and clean there what has more distinct values"
        " than driver_values. They need this package, at the driver's versions.",
    )
    driver_values: int = Field(
        5_000_000,
        ge=1,
        description="Most distinct values that a function of Python maps on the driver.",
    )
    driver_records: int = Field(
        50_000_000,
        ge=1,
        description="Most records that the driver reads, cleans and computes keys of.",
    )
    driver_rows: int = Field(
        200_000_000,
        ge=1,
        description="Most rows of a table that a step or check on the driver reads, pairs above"
        " all.",
    )

    @field_validator("conf", mode="before")
    @classmethod
    def _as_texts(cls, value: Any) -> Any:
        """Take numbers and truth values as YAML reads them; Spark's settings are texts."""
        if not isinstance(value, dict):
            return value
        return {
            str(name): str(of).lower() if isinstance(of, bool) else str(of)
            for name, of in value.items()
            if not isinstance(of, dict | list)
        }

    @property
    def cluster(self) -> Cluster:
        """The cluster that steps run on."""
        return Cluster(
            url=None if self.local else os.environ.get(self.url_env or "") or self.url,
            url_env=self.url_env,
            is_local=self.local,
            conf=self.conf,
            in_executors=self.in_executors,
            driver_values=self.driver_values,
            driver_records=self.driver_records,
            driver_rows=self.driver_rows,
        )


def spark_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    """List what is wrong with a spec's cluster, and what does not run on one yet."""
    spark = spec.spark
    if spec.engine != "spark":
        if spark is not None:
            yield ("spark",), "is for engine: spark; write it, or leave spark out"
        return
    ways = [spark.url, spark.url_env, spark.local or None] if spark else []
    if sum(way is not None for way in ways) != 1:
        yield (
            ("spark",) if spark else ("engine",),
            "engine: spark needs to know where: write one of spark: {url: sc://host:15002},"
            " spark: {url_env: SPARK_REMOTE}, or spark: {local: true} for Sail in this process",
        )
    if spec.embedding:
        yield ("embedding",), NOT_ON_CLUSTER
    if spec.second_pass and spec.second_pass.embedding:
        yield ("second_pass", "embedding"), NOT_ON_CLUSTER
    for i, source in enumerate(spec.sources):
        made = source.generate.records if source.generate else 0
        if spark and made > spark.driver_records:
            yield (
                ("sources", i, "generate"),
                f"{made:,} records are more than the driver reads with engine: spark"
                f" ({spark.driver_records:,}); raise spark: driver_records",
            )
