"""Runs as people name them on the command line: a moment of a publication, or Dagster's id."""

from datetime import datetime

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import made_at, moment, seconds_text
from er_pipeline.blocking.tables.publications import Shown
from er_pipeline.blocking.tables.run_metrics import RUN_METRICS
from er_pipeline.evaluation.compared_runs import REPORT, Side, side_of
from er_pipeline.evaluation.followed_figures import PastRun, past_runs
from er_pipeline.terminal.exit_codes import UsageError
from er_pipeline.terminal.versions import NOW, every_publication, publication_at

# Characters of an id that name a run; fewer may be a moment.
LEAST_OF_ID = 6


class NamedRuns:
    """The publications of a dataset that are kept, and all runs that noted figures."""

    def __init__(self, engine: Engine, lake: Lake) -> None:
        """Read both; raise LakeError if nothing is published."""
        publication_at(lake, NOW)
        self.lake, self.kept = lake, every_publication(lake)
        self.runs: list[PastRun] = []
        if lake.has(RUN_METRICS.name):
            lake.open(engine, RUN_METRICS.name)
            self.runs = past_runs(engine)

    def both(self, before: str | None, now: str | None) -> tuple[Side, Side]:
        """Find two sides; one that is named is compared with now, none are the last two.

        Raises UsageError for a text that names neither a moment nor one run, LakeError if there is
        nothing to compare with.
        """
        if before is not None:
            return self.side(before), self.side(now or NOW)
        if len(self.kept) > 1:
            return self._of(self.kept[1]), self._of(self.kept[0])
        if len(self.runs) > 1:
            return self._of_run(self.runs[-2]), self._of_run(self.runs[-1])
        raise LakeError(
            f"dataset {self.lake.dataset} has one run, and nothing to compare it with yet; the next"
            " one that makes new tables will do"
        )

    def side(self, text: str) -> Side:
        """Find what a text names; errors as in `both`."""
        named = [run for run in self.runs if run.run_id.startswith(text.lower())]
        if len(text) >= LEAST_OF_ID and len(named) == 1:
            return self._of_run(named[0])
        if len(text) >= LEAST_OF_ID and named:
            raise UsageError(f"several runs begin with {text!r}: write more of the id")
        try:
            return self._of(publication_at(self.lake, text))
        except UsageError as error:
            raise UsageError(f"{error}; and no run that made a report has such an id") from error

    def between(self, before: Side, now: Side) -> list[Shown]:
        """List the publications from one side to the other, both included, oldest first.

        Raises UsageError if the second one is the older.
        """
        if before.shown is None or now.shown is None:
            return []
        first, last = before.shown["at"], now.shown["at"]
        if first > last:
            raise UsageError(f"{before.name} is newer than {now.name}: name the older one first")
        return [shown for shown in reversed(self.kept) if first <= shown["at"] <= last]

    def _of(self, shown: Shown) -> Side:
        return side_of(self.lake, shown, seconds_text(shown["at"]))

    def _of_run(self, run: PastRun) -> Side:
        """Name a run; its tables are those of the first publication after it, if it is its own."""
        at = datetime.fromisoformat(run.at)
        name = f"{run.run_id[:8]} of {at:%Y-%m-%d %H:%M:%S}"
        for shown in reversed(self.kept):
            if shown["at"] >= moment(at):
                report = shown["tables"].get(REPORT)
                is_own = report is not None and f"{made_at(report):%FT%TZ}" <= run.at
                return Side(name, run.values, shown if is_own else None)
        return Side(name, run.values)
