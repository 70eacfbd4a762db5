"""The section `publish`: places outside the lake that get chosen tables, as people read them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from er_pipeline.blocking.spec.far_places import motherduck_problem, store_problem
from er_pipeline.blocking.spec.notify_section import VariableName
from er_pipeline.blocking.spec.settings import Identifier, MemorySize, Problem, Settings

if TYPE_CHECKING:  # a spec lists its problems itself
    from er_pipeline.blocking.spec.pipeline import PipelineSpec

KINDS = ("parquet", "database", "database_env", "ducklake")


class PublishPlace(Settings):
    """A place that gets tables after each run that has published them in the catalog."""

    model_config = ConfigDict(serialize_by_alias=True)  # pydantic has a schema of its own

    name: Identifier | None = Field(
        None,
        description="Ends the name of the asset, publish_<name>; parquet, database or ducklake if"
        " omitted.",
    )
    tables: list[Identifier] = Field(
        min_length=1, description="Tables to write, each with the columns of its view in `tables`."
    )
    parquet: str | None = Field(
        None,
        min_length=1,
        description="Folder that gets a file for each table, relative to the defs.yaml; or"
        " s3://bucket/folder.",
    )
    file_size: MemorySize | None = Field(
        None,
        description='About the size of each of several files, such as "256MB", in a folder for'
        " each table; one file if omitted.",
    )
    database: SecretStr | None = Field(
        None, description="SQLAlchemy URL; write secrets as {{ env.NAME }}."
    )
    database_env: VariableName | None = Field(
        None, description="Environment variable that holds that URL, read when it is written to."
    )
    ducklake: SecretStr | None = Field(
        None,
        description="What keeps the metadata of a DuckLake: a file, or as DuckDB attaches it,"
        " postgres:dbname=...",
    )
    data_path: str | None = Field(
        None, description="Folder of the DuckLake's files, where it is made by the first run."
    )
    schema_name: Identifier | None = Field(
        None,
        alias="schema",
        description="Schema that gets the tables, made if it is not there; the dataset's name if"
        " omitted, and none in databases without schemas.",
    )

    @field_validator("tables")
    @classmethod
    def _each_once(cls, tables: list[str]) -> list[str]:
        return list(dict.fromkeys(tables))

    @field_validator("parquet")
    @classmethod
    def _store_is_known(cls, parquet: str | None) -> str | None:
        if problem := store_problem(parquet, takes_web=False):
            raise ValueError(problem)
        return parquet

    @field_validator("database", "ducklake")
    @classmethod
    def _is_not_motherduck(cls, address: SecretStr | None) -> SecretStr | None:
        text = address.get_secret_value() if address else None
        if problem := motherduck_problem(text, "database"):
            raise ValueError(problem)
        return address

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind)]
        if len(given) != 1:
            raise ValueError(
                "a place needs exactly one of parquet, database, database_env and ducklake; found"
                f" {', '.join(given) or 'none'}"
            )
        for setting, kinds in (
            ("file_size", ("parquet",)),
            ("data_path", ("ducklake",)),
            ("schema_name", ("database", "database_env", "ducklake")),
        ):
            if getattr(self, setting) and given[0] not in kinds:
                word = setting.removesuffix("_name")
                raise ValueError(f"{word} belongs to {kinds[0]}, not to {given[0]}: leave it out")
        if self.file_size and self.parquet and "://" in self.parquet:
            raise ValueError(
                "file_size is for folders of this machine: in an object store, files that belong"
                " together could not be put in place at once; leave it out"
            )
        return self

    @property
    def kind(self) -> str:
        """What the place is: parquet, database or ducklake."""
        return next(kind for kind in KINDS if getattr(self, kind)).removesuffix("_env")

    @property
    def label(self) -> str:
        """Its name, as its asset ends."""
        return self.name or self.kind


def publish_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    """List places that could not be kept apart."""
    labels = [place.label.lower() for place in spec.publish]
    for i, place in enumerate(spec.publish):
        if place.label.lower() in labels[:i]:
            yield (
                ("publish", i),
                f"two places are called {place.label!r}; give one another `name`",
            )
