"""The sink: what every place that gets tables can do."""

from collections.abc import Sequence
from typing import Protocol

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.sinks.contents import Content

# Rows that are on their way at once, some 10 to 50 MB.
ROWS_PER_BATCH = 100_000


class Sink(Protocol):
    """A place that gets tables, all of them in one step."""

    @property
    def where(self) -> str:
        """What to call the place in messages; no secret is in it."""

    def is_current(self, engine: Engine, contents: Sequence[Content]) -> bool:
        """Say whether the place holds these very tables already.

        Raises SinkError if it cannot be looked at.
        """

    def write(self, engine: Engine, contents: Sequence[Content]) -> dict[str, int]:
        """Write the tables in place of what stands there; return the rows of each.

        A reader sees the old ones or the new ones.
        Raises SinkError if that fails, or if a table there was not written by this dataset; the
        place is then as it was.
        """
