"""What a page is made of: sections, each an answer in one sentence and then the evidence."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.printable import printable
from er_pipeline.blocking.tables.standing import Standing

# Stands for what `report: record_values: false` leaves out.
HIDDEN = "(not shown)"
# Characters of a value that are shown.
SHOWN = 60
# In 'single' quotes our messages put values of the user's; an apostrophe within a word is none.
QUOTED = re.compile(r"(?<!\w)'.*?'(?!\w)|(?<!\w)\".*?\"(?!\w)", re.DOTALL)


@dataclass(frozen=True)
class Chart:
    """A picture: a specification in Vega-Lite. about: what is to be seen, in a sentence or two."""

    title: str
    spec: Mapping[str, Any]
    about: str = ""


@dataclass(frozen=True)
class Listing:
    """A table with its title. is_folded: whether it opens on a click, though it is printed."""

    title: str
    grid: Grid
    about: str = ""
    is_folded: bool = False


@dataclass(frozen=True)
class PairViewer:
    """Pairs to look at one by one.

    pairs: one mapping each, see `pair_samples`; chart: a waterfall of no terms yet.
    """

    title: str
    pairs: Sequence[Mapping[str, Any]]
    chart: Mapping[str, Any]
    about: str = ""


@dataclass(frozen=True)
class Link:
    """A page beside this one. path: relative to it."""

    text: str
    path: str


Part = Chart | Listing | PairViewer | Link | str


@dataclass(frozen=True)
class Section:
    """A question that people ask. answer: one sentence; parts: what shows it, text as paragraphs.

    label: its entry in the list of contents.
    """

    label: str
    title: str
    answer: str
    parts: Sequence[Part] = ()


@dataclass(frozen=True)
class RunOnPage:
    """The run that a page is of, for the sections to read from.

    engine: holds what they open. figures: those of blocking_report, as many as there are.
    """

    engine: Engine
    lake: Lake
    spec: PipelineSpec
    standing: Standing
    figures: Mapping[str, Any]

    def has(self, *tables: str) -> bool:
        """Say whether tables are good; a page shows nothing that is withheld."""
        return all(table in self._good for table in tables)

    def open(self, *tables: str) -> None:
        """Make good tables readable in the engine."""
        for table in tables:
            self.lake.open(self.engine, table)

    @property
    def _good(self) -> Collection[str]:
        return self.standing.good

    def value(self, value: object) -> str:
        """Write a value of a record, or a key made of some, as far as it may be shown."""
        if value is None:
            return ""
        if not self.spec.report.record_values:
            return HIDDEN
        text = " ".join(printable(str(value)).split())
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"

    def message(self, text: str) -> str:
        """Write a message, without the values that it quotes where none may be shown."""
        return text if self.spec.report.record_values else QUOTED.sub(f"'{HIDDEN}'", text)


def percent(share: float, digits: int = 1) -> str:
    """Write a share in percent; what is not all is never rounded to it."""
    text = f"{share:.{digits}%}"
    return f"under {text}" if share < 1 and text == f"{1:.{digits}%}" else text


def name_pairs(engine: Engine, pairs: str) -> str:
    """Write the query that gives pairs the ids of their records.

    pairs: query or table with left_no and right_no; all its columns stay, left_id, left_source,
    right_id and right_source are added. Reads the engine's cleaned_records.
    """
    ends = f"(select left_no as no from {pairs} union select right_no from {pairs})"
    named = f"(select record_no, record_id, source from cleaned_records where record_no in {ends})"
    return (
        "select p.*, l.record_id as left_id, l.source as left_source, r.record_id as right_id,"
        f" r.source as right_source from {pairs} as p join {named} as l on l.record_no = p.left_no"
        f" join {named} as r on r.record_no = p.right_no"
    )
