"""The command show: the published tables of a dataset, and the rows of one."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from er_pipeline.terminal.exit_codes import OK, UsageError
from er_pipeline.terminal.options import Defs, JsonOption, LakeOption, examples

if TYPE_CHECKING:
    from er_pipeline.terminal.published_tables import Asked, PublishedTables

SHOW_EXAMPLES = examples(
    "er-pipeline show defs.yaml",
    "er-pipeline show defs.yaml unified_pairs --limit 5",
    "er-pipeline show defs.yaml matches --where 'match_probability < 0.99'",
    "er-pipeline show defs.yaml entities --columns entity_id,record_id",
    "er-pipeline show defs.yaml unified_pairs --at 2026-11-27 --csv > pairs.csv",
)
# Rows that a terminal shows, if nobody asks for more.
FEW = 20


def show(
    defs: Defs,
    table: Annotated[
        str | None, Parameter(name="TABLE", help="A table of the list; if omitted, the list.")
    ] = None,
    /,
    *,
    limit: Annotated[
        int | None,
        Parameter(
            name="--limit",
            validator=Number(gte=1),
            help=f"Rows that are shown, at most; by default {FEW}, with --csv all.",
        ),
    ] = None,
    where: Annotated[
        str | None,
        Parameter(name="--where", help="A condition of SQL over its columns that rows meet."),
    ] = None,
    columns: Annotated[
        str | None, Parameter(name="--columns", help="Columns a,b in the order wanted.")
    ] = None,
    order_by: Annotated[
        str | None,
        Parameter(name="--order-by", help="What rows are sorted by, as SQL: 'weight desc'."),
    ] = None,
    at: Annotated[
        str,
        Parameter(
            name="--at",
            help="A moment in UTC, as versions shows them: the tables as they were shown then.",
        ),
    ] = "now",
    as_csv: Annotated[
        bool,
        Parameter(name="--csv", negative="", show_default=False, help="Print the rows as csv."),
    ] = False,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show the published tables, or the rows of one.

    A table is shown as the catalog shows it, with the ids of records and the
    names of strategies. Nothing is locked: a run may be at work meanwhile, and
    what it makes is shown once it is published.
    """
    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
    from er_pipeline.blocking.tables.files import scratch_folder
    from er_pipeline.terminal.lakes import open_lake
    from er_pipeline.terminal.published_tables import Asked, PublishedTables
    from er_pipeline.terminal.versions import publication_at

    if as_csv and as_json:
        raise UsageError("rows are written as csv or as JSON: leave --csv or --json out")
    spec = read_spec(defs)
    place = open_lake(spec, lake)
    publication = publication_at(place, at)
    asked = Asked(
        where=where,
        columns=columns.split(",") if columns else (),
        order_by=order_by,
        limit=limit or (None if as_csv else FEW),
    )
    with (
        scratch_folder() as scratch,  # who looks may have no right to write in the lake
        DuckDBEngine(spec.threads, spec.memory_limit, scratch) as engine,
    ):
        tables = PublishedTables(engine, place, spec, publication)
        if table is not None:
            _show_rows(tables, table, asked, as_csv=as_csv, as_json=as_json)
        elif asked != Asked(limit=asked.limit) or limit or as_csv:
            raise UsageError(
                "--where, --columns, --order-by, --limit and --csv are of one table: name it"
            )
        else:
            _show_list(tables, as_json=as_json)
    return OK


def _show_list(tables: "PublishedTables", *, as_json: bool) -> None:
    from er_pipeline.blocking.tables.moments import seconds_text
    from er_pipeline.terminal.answer import print_json, print_lines, terminal_width
    from er_pipeline.terminal.published_tables import listed_rows
    from er_pipeline.terminal.text_table import table_lines

    listed = list(tables.listed())
    if as_json:
        made = [{**one, "made": seconds_text(one["made"])} for one in listed]
        print_json({"shown_since": seconds_text(tables.shown["at"]), "tables": made})
        return
    print_lines(
        table_lines(("table", "rows", "age", "what it is"), listed_rows(listed), terminal_width())
    )
    for one in listed:
        if one["of_an_earlier_run"]:
            print_lines([f"{one['table']} is of an earlier run: {one['of_an_earlier_run']}"])


def _show_rows(
    tables: "PublishedTables", table: str, asked: "Asked", *, as_csv: bool, as_json: bool
) -> None:
    from er_pipeline.blocking.tables.moments import seconds_text
    from er_pipeline.terminal.answer import print_json, print_lines, terminal_width
    from er_pipeline.terminal.published_tables import age_text
    from er_pipeline.terminal.text_table import table_lines

    if as_csv:
        _print_csv(tables, table, asked)
        return
    found = tables.find(table, asked)
    names = [column.name for column in found.columns]
    if as_json:
        columns = [
            {"name": c.name, "type": c.type, "meaning": c.description} for c in found.columns
        ]
        rows = [dict(zip(names, row, strict=True)) for row in found.rows]
        made = seconds_text(found.made)
        print_json(
            {"table": table, "made": made, "columns": columns, "rows": rows, "more": found.more}
        )
        return
    print_lines([f"{table}: {found.about} Made {age_text(found.made)} ago.", ""])
    print_lines(table_lines(names, found.rows, terminal_width()))
    if found.more:
        print_lines(["", f"There are more rows than these {len(found.rows):,}: see --limit."])
    elif not found.rows:
        print_lines(["", "No row." if asked.where is None else "No row meets the condition."])


def _print_csv(tables: "PublishedTables", table: str, asked: "Asked") -> None:
    """Print rows as csv, as they are; on a terminal what could steer it is written out."""
    import sys

    from er_pipeline.blocking.tables.files import scratch_folder
    from er_pipeline.blocking.tables.printable import printable

    with scratch_folder() as scratch:
        file = scratch / "rows.csv"
        tables.write_csv(table, asked, file)
        is_seen = sys.stdout.isatty()
        with file.open(encoding="utf-8", newline="") as lines:
            for line in lines:
                sys.stdout.write(printable(line) if is_seen else line)
