"""The check of a declaration: all that is wrong with it and its files, without running anything.

Settings are looked at as by every command. Then each source is read once, as a run would read it,
so that a missing file, a misspelt column, an unreadable row or a repeated id is found now.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from er_pipeline.blocking.records.raw_records import read_raw_records
from er_pipeline.blocking.records.snapshots import at_snapshot
from er_pipeline.blocking.records.truth_files import check_truth_file
from er_pipeline.blocking.spec.declared_comparisons import not_compared
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_document import YamlDocument
from er_pipeline.blocking.spec.yaml_file import examine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BlockingError, SpecError
from er_pipeline.blocking.tables.failures import explained_failures
from er_pipeline.flow import flow
from er_pipeline.terminal.declared_places import placed_problems
from er_pipeline.terminal.exit_codes import FAILED, OK, WRONG_USE


@dataclass
class CheckedDeclaration:
    """What was found.

    problems: of the settings, one text of several lines. failures: one text per source or file that
    cannot be used. records: those of each source that can. remark: what may not be meant although
    nothing is wrong with it.
    """

    file: Path
    dataset: str = ""
    problems: str = ""
    failures: list[str] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    remark: str = ""

    @property
    def exit_code(self) -> int:
        """2 where the settings are wrong, 1 where a file is, 0 where all is well."""
        if self.problems:
            return WRONG_USE
        return FAILED if self.failures else OK

    def lines(self) -> Iterator[str]:
        """Write it for people."""
        if self.problems:
            yield self.problems
        yield from self.failures
        if self.exit_code == OK:
            counts = ", ".join(f"{n:,} records in {name}" for name, n in self.records.items())
            yield f"{self.file}: ok, dataset {self.dataset}: {counts}"
            if self.remark:
                yield f"{self.file}: {self.remark}"


def check_declaration(file: Path) -> CheckedDeclaration:
    """Look at a declaration and at the files that it names; nothing is written."""
    found = CheckedDeclaration(file)
    try:
        document, problems, places, spec = examine(file)
    except SpecError as error:
        found.problems = str(error)
        return found
    found.problems = "\n".join(problems)
    if spec is None:
        return found
    found.dataset = spec.dataset
    found.remark = not_compared(spec)
    if not problems:
        found.problems = "\n".join(placed_problems(document, spec, flow(spec)))
    wrong = {place[1] for place in places if place[:1] == ("sources",) and len(place) > 1}
    if ("sources",) in places:
        return found
    for i, source in enumerate(spec.sources):
        if i in wrong:
            continue
        alone = spec.model_copy(update={"sources": [source], "mode": None})
        alone = alone.located_in(spec.folder)
        try:
            with (
                DuckDBEngine(spec.threads, spec.memory_limit) as engine,
                explained_failures(source.label),
            ):
                n_records = _records(engine, _with_fields_of(alone, spec))
        except BlockingError as error:
            found.failures.append(_placed(document, ("sources", i), error))
        else:
            found.records[source.label] = n_records
    try:
        with DuckDBEngine(spec.threads) as engine, explained_failures("truth"):
            check_truth_file(engine, spec)
    except BlockingError as error:
        found.failures.append(_placed(document, ("truth",), error))
    return found


def _records(engine: DuckDBEngine, spec: PipelineSpec) -> int:
    return read_raw_records(engine, at_snapshot(spec, None)).n_records


def _with_fields_of(alone: PipelineSpec, spec: PipelineSpec) -> PipelineSpec:
    """Give a spec of one source the fields that the other sources' columns declare."""
    return alone.model_copy(update={"fields": dict(spec.declared_kinds)}).located_in(spec.folder)


def _placed(document: YamlDocument, place: tuple[str | int, ...], error: BlockingError) -> str:
    return document.error(("attributes", *place), str(error))
