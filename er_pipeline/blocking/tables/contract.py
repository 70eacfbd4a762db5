"""The contract of a table: a table of the lake held against its declaration."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.table import BLOCK_KEY, Check, Column, Table
from er_pipeline.blocking.tables.verdicts import Verdict

if TYPE_CHECKING:
    import pandera.pandas as pa

# Rows of a table that its pandera schema looks at; whole-table facts are checked in SQL.
ROWS_LOOKED_AT = 10_000

FITS_CONTRACT = Check("fits_contract", "Columns, types and values as the table's contract says.")


def pandera_schema(name: str, columns: Sequence[Column]) -> "pa.DataFrameSchema":
    """Make the pandera schema of a table with these columns."""
    import pandera.pandas as pa

    def checks(column: Column) -> list[pa.Check]:
        made = []
        if column.allowed:
            made.append(pa.Check.isin(column.allowed))
        if column.minimum is not None:
            made.append(pa.Check.ge(column.minimum))
        if column == BLOCK_KEY:
            made.append(pa.Check(lambda keys: keys.str.strip() != "", error="no blank key"))
        return made

    return pa.DataFrameSchema(
        {
            column.name: pa.Column(
                nullable=not column.required,
                checks=checks(column),
                description=column.description,
            )
            for column in columns
        },
        strict=True,
        ordered=True,
        name=name,
    )


def judge_contract(engine: Engine, lake: Lake, tables: Sequence[Table]) -> Verdict:
    """Hold a table of the lake, and the internal ones made with it, against their columns.

    Names and types of the columns are compared for the whole table, values by pandera on evenly
    spread rows.
    """
    failures: list[str] = []
    looked_at = in_all = 0
    for table in tables:
        n_looked_at, n_rows, found = _failures(engine, lake, table)
        prefix = f"{table.name}: " if table != tables[0] else ""
        failures += [prefix + failure for failure in found]
        looked_at, in_all = looked_at + n_looked_at, in_all + n_rows
    text = f"{looked_at:,} of {in_all:,} rows looked at fit the contract."
    if failures:
        text = f"Does not fit its contract: {'; '.join(failures)}."
    return Verdict(FITS_CONTRACT.name, not failures, "error", text, {"rows_looked_at": looked_at})


def _failures(engine: Engine, lake: Lake, table: Table) -> tuple[int, int, list[str]]:
    """Return the rows looked at, all rows, and what does not fit."""
    import pandera.errors

    name = f"contract_of_{table.name}"
    # Files keep their row numbers, so the same rows are looked at every time.
    engine.read_folder(lake.path(table.name), name, row_numbers=True)
    found = engine.described(f"select * from {quoted(name)}")
    found = [column for column in found if column[0] != "file_row_number"]
    columns = table.columns_among(len(found))
    wanted = [(column.name, column.type) for column in columns]
    failures = []
    if found != wanted:
        failures.append(f"columns are {found}, the contract says {wanted}")
    (n_rows,) = engine.row(f"select count(*) from {quoted(name)}")
    step = max(1, -(-n_rows // ROWS_LOOKED_AT))
    listed = ", ".join(quoted(column) for column, _ in found)
    sample = engine.frame(f"select {listed} from {quoted(name)} where file_row_number % {step} = 0")
    try:
        pandera_schema(table.name, columns).validate(sample, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        failures += [
            f"{case.column}: {case.check} (found {case.failure_case!r})"
            for case in errors.failure_cases.head(5).itertuples()
        ]
    return len(sample), n_rows, failures
