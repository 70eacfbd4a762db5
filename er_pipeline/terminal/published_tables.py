"""Published tables as people see them: which there are, and rows of one, of now or of before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

import duckdb

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import all_parquet
from er_pipeline.blocking.tables.errors import LakeError, did_you_mean, first_line
from er_pipeline.blocking.tables.failures import sentence_of
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import made_at, seconds_text
from er_pipeline.blocking.tables.publications import Shown
from er_pipeline.blocking.tables.run_metrics import RUN_METRICS
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.table import Column
from er_pipeline.blocking.tables.view_columns import columns_of
from er_pipeline.flow import flow
from er_pipeline.terminal.exit_codes import UsageError
from er_pipeline.terminal.withheld_tables import withheld_tables

# A view whose tables have fewer rows is counted; of others the rows of the table itself are given,
# since joining as many takes longer than anybody waits for a list.
MOST_COUNTED = 1_000_000
NEAR = 0.6
LASTS = ((86_400, "d"), (3_600, "h"), (60, "min"))


@dataclass(frozen=True)
class Asked:
    """Which rows are wanted, as the command line says it. limit: None for all."""

    where: str | None = None
    columns: Sequence[str] = field(default_factory=tuple)
    order_by: str | None = None
    limit: int | None = 20


class Listed(TypedDict):
    """A published table. made: its version. of_an_earlier_run: why it is not the newest, if so."""

    table: str
    rows: int
    made: str
    about: str
    of_an_earlier_run: str | None


@dataclass(frozen=True)
class Found:
    """Rows of a table. more: whether it has more rows of that kind."""

    table: str
    about: str
    made: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    more: bool


class PublishedTables:
    """The tables of one publication, read through the views that the catalog showed then."""

    def __init__(self, engine: Engine, lake: Lake, spec: PipelineSpec, shown: Shown) -> None:
        """Hold what was shown; raise LakeError if an older release did not note how."""
        self.engine, self.lake, self.spec, self.shown = engine, lake, spec, shown
        if not shown["views"]:
            raise LakeError(
                f"what was shown at {seconds_text(shown['at'])} was published by an older release,"
                " which did not note its views; name a later moment"
            )
        steps = flow(spec)
        self.tables = {table.name: table for step in steps for table in step.writes}
        self.tables[RUN_METRICS.name] = RUN_METRICS

    def listed(self) -> Iterator[Listed]:
        """List the tables, in the order of the flow; those that are no longer declared last."""
        why = self.lake.published()["withheld"] if not self.shown["until"] else {}
        order = list(self.tables)
        places = {name: place for place, name in enumerate(order)}
        for name in sorted(self.shown["views"], key=lambda n: (places.get(n, len(order)), n)):
            yield Listed(
                table=name,
                rows=self._count(name),
                made=self.shown["tables"][name],
                about=self._about(name),
                of_an_earlier_run=why.get(name),
            )

    def find(self, name: str, asked: Asked) -> Found:
        """Read rows of a table.

        Raises UsageError that names what could stand there if there is no such table or column, or
        if a condition does not fit the table; LakeError if the table is withheld and was never
        published.
        """
        sql = self.query(name, asked, more=1)
        columns = columns_of(self.engine, sql, self.tables.get(name), self.tables.values())
        with self._fitting(name, f"--where {asked.where!r}"):
            rows = self.engine.rows(sql)
        limit = len(rows) if asked.limit is None else asked.limit
        made = self.shown["tables"][name]
        return Found(name, self._about(name), made, columns, rows[:limit], len(rows) > limit)

    def write_csv(self, name: str, asked: Asked, file: Path) -> None:
        """Write rows of a table to a file; none of them passes through Python."""
        sql = self.query(name, asked)
        with self._fitting(name, f"--where {asked.where!r}"):
            self.engine.execute(f"copy ({sql}) to {literal(str(file))} (format csv, header)")

    def query(self, name: str, asked: Asked, more: int = 0) -> str:
        """Write the query of the rows that are wanted; errors as in `find`.

        more: rows beyond the limit.
        """
        if name not in self.shown["views"]:
            why = withheld_tables(self.lake, self.spec, [name]).get(name)
            if why and not self.shown["until"]:
                raise LakeError(
                    f"{name} is withheld: {why}; it was never published. er-pipeline report shows"
                    " the checks that failed"
                )
            near = did_you_mean(name, self.shown["views"], NEAR)
            raise UsageError(
                f"there is no table {name!r};{near} er-pipeline show without a table lists them all"
            )
        view = self.shown["views"][name]
        known = [column for column, _ in self.engine.described(view)]
        wanted = [_column(column, known, name) for column in asked.columns] or known
        sql = f"select {', '.join(map(quoted, wanted))} from (\n{view}\n) as {quoted(name)}"
        for option, text, clause in (
            ("--where", asked.where, "where ({}\n)"),
            ("--order-by", asked.order_by, "order by {}\n"),
        ):
            if text is not None:
                sql += f" {clause.format(text)}"
                with self._fitting(name, f"{option} {text!r}"):
                    self.engine.described(sql)
        return sql if asked.limit is None else f"{sql} limit {asked.limit + more}"

    @contextmanager
    def _fitting(self, name: str, option: str) -> Iterator[None]:
        """Say of a query that fails that an option does not fit the table, or what else it is."""
        try:
            yield
        except duckdb.IOException as error:
            raise LakeError(
                f"{name} cannot be read ({first_line(error)}): was it pruned meanwhile? Ask again,"
                " or see er-pipeline versions"
            ) from error
        except duckdb.Error as error:
            if sentence := sentence_of(error):
                raise LakeError(f"{name}: {sentence}") from error
            known = ", ".join(c for c, _ in self.engine.described(self.shown["views"][name]))
            raise UsageError(
                f"{option} does not fit {name}: {first_line(error)}; its columns are {known}"
            ) from error

    def _about(self, name: str) -> str:
        table = self.tables.get(name)
        return table.about if table else "No longer declared."

    def _count(self, name: str) -> int:
        read = self.shown["reads"].get(name, {name: self.shown["tables"][name]})
        rows = {table: self._rows_of(table, version) for table, version in read.items()}
        if sum(rows.values()) < MOST_COUNTED or name not in rows:
            (n_rows,) = self.engine.row(f"select count(*) from ({self.shown['views'][name]})")
            return int(n_rows)
        return rows[name]

    def _rows_of(self, table: str, version: str) -> int:
        (n_rows,) = self.engine.row(
            "select coalesce(sum(num_rows), 0)::bigint from parquet_file_metadata("
            f"{literal(all_parquet(self.lake.path(table, version)))})"
        )
        return int(n_rows)


def _column(name: str, known: Sequence[str], table: str) -> str:
    for column in known:
        if column.lower() == name.strip().lower():
            return column
    raise UsageError(
        f"{table} has no column {name.strip()!r};{did_you_mean(name.strip(), known, NEAR)} its"
        f" columns are {', '.join(known)}"
    )


def age_text(version: str, now: datetime | None = None) -> str:
    """Write how long ago a version was made: 3 min, 5 h, 2 d."""
    seconds = ((now or datetime.now(UTC)) - made_at(version)).total_seconds()
    for unit, name in LASTS:
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name}"
    return "0 min"


def listed_rows(listed: Sequence[Listed]) -> list[tuple[str, str, str, str]]:
    """Give the list of the tables as rows of texts."""
    return [
        (one["table"], f"{one['rows']:,}", age_text(one["made"]), one["about"]) for one in listed
    ]
