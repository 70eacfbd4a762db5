"""The section `lake`: how long old versions of the tables stay, and who may read the files."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from er_pipeline.blocking.spec.settings import Settings
from er_pipeline.blocking.tables.publications import Retention

FileMode = Literal["600", "640", "644", "660", "664"]


def _as_written(value: Any) -> Any:
    """Take 640 and 0640 without quotes, which YAML reads as numbers of base ten and eight."""
    if isinstance(value, int) and not isinstance(value, bool):
        modes = get_args(FileMode)
        return next((mode for mode in (str(value), f"{value:o}") if mode in modes), str(value))
    return value


class LakeSettings(Settings):
    """How long versions stay that the catalog no longer shows, and who may read the files."""

    keep_days: float = Field(
        7,
        ge=0,
        le=3650,
        description="Days that a version stays after the catalog has last shown it.",
    )
    keep_versions: int = Field(
        2,
        ge=1,
        le=1000,
        description="The last publications that stay however old, the one shown included.",
    )
    keep_learned: int = Field(
        5,
        ge=1,
        le=1000,
        description="Sets of learned rules, weights and models that stay however old, the one in"
        " force included; er-pipeline promote goes back to them.",
    )
    file_mode: Annotated[FileMode | None, BeforeValidator(_as_written)] = Field(
        None,
        description="Most that others may do with new files; 640: the group reads, and enters"
        " folders (750). As the umask has it if null.",
    )

    @property
    def retention(self) -> Retention:
        """How long versions stay."""
        return Retention(self.keep_days, self.keep_versions, self.keep_learned)
