"""The first declaration of tables: a defs.yaml that runs, each guess with what it rests on."""

import json
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from er_pipeline.blocking.records.column_guesses import (
    ColumnGuess,
    countries_of,
    guess_columns,
    guess_day_first,
    guess_phone_region,
    share_that,
)
from er_pipeline.blocking.records.table_look import TableLook, look_at
from er_pipeline.blocking.spec.reserved_fields import is_reserved
from er_pipeline.blocking.spec.settings import IDENTIFIER
from er_pipeline.blocking.spec.yaml_file import COMPONENT_TYPE, read_spec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError, SpecError
from er_pipeline.blocking.tables.failures import explained_failures
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.values.cleaning import CleaningOptions, cleaner
from er_pipeline.blocking.values.folded_text import fold
from er_pipeline.blocking.values.key_choices import whole_value
from er_pipeline.terminal.exit_codes import UsageError
from er_pipeline.terminal.paired_columns import GuessedTable, join_fields

# Rows that share a strong value with another of the same table; above it, a table has duplicates.
DUPLICATES = 0.02
# Up to so many records neighbours cost less than a few minutes.
MOST_WITH_NEIGHBOURS = 500_000
_NO_ID = (
    "no column has a value of its own in every row, so rows are numbered as they are read; name a"
    " column here once there is one"
)
# So many rows with the names of another one swapped are no accident.
SWAPPED_ROWS = 5
# Up to such a share of rows that cannot be read, a declaration sets them aside.
MOST_REJECTS = 0.01
# Of the numbers of a column so many must have an area code, or it holds no phone numbers.
DIALLED = 0.5


@dataclass(frozen=True)
class Declared:
    """What was written: the file, and what it says of the tables.

    fields: field -> kind. left_out: columns that are none, each with the reason.
    """

    file: Path
    dataset: str
    mode: str
    records: int
    fields: Mapping[str, str]
    left_out: Sequence[str] = ()

    def lines(self) -> Iterator[str]:
        """Say it to people, with what to do next."""
        yield f"{self.file}: {self.mode} of {self.records:,} records."
        width = max(map(len, self.fields)) + 2
        for name, kind in self.fields.items():
            yield f"  {name:<{width}}{kind}"
        for column in self.left_out:
            yield f"  left out: {column}"
        yield "Each guess has its evidence beside it, as a comment. Look through it, then:"
        for command in ("check {}", "run {} --dry-run", "run {}"):
            yield f"  er-pipeline {command.format(shlex.quote(str(self.file)))}"


def write_declaration(files: Sequence[Path], out: Path, *, force: bool) -> Declared:
    """Look at tables and write their declaration.

    Raises UsageError if the file is there already, InputError if a table cannot be declared.
    """
    if out.exists() and not force:
        raise UsageError(f"{out} is there already; name another with --out, or add --force")
    if len({file.absolute() for file in files}) < len(files):
        raise UsageError("a file is named twice; name each table once")
    with (
        tempfile.TemporaryDirectory(prefix="er_pipeline_") as scratch,
        DuckDBEngine() as engine,
        explained_failures("init"),
    ):
        looks = [look_at(engine, f, f"table_{i}", Path(scratch)) for i, f in enumerate(files)]
        tables = _tables(looks)
        alone = join_fields(engine, tables)
        left_out = [line for t in tables for line in _left_out(t, alone.get(t.label, []))]
        text = "\n".join(_declaration(engine, tables, left_out, out)) + "\n"
    with explained_failures(str(out)):
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = out.with_name(f".{out.name}.tmp")
        draft.write_text(text, "utf-8")
        try:
            spec = read_spec(draft)
            os.replace(draft, out)
        except SpecError as error:
            raise InputError(
                f"{', '.join(map(str, files))}: no declaration of these columns runs: {error};"
                " write one by hand, see er-pipeline docs guide"
            ) from error
        finally:
            draft.unlink(missing_ok=True)
    n_records = sum(look.n_rows for look in looks)
    return Declared(out, spec.dataset, spec.link_mode, n_records, spec.declared_kinds, left_out)


def _declaration(
    engine: Engine, tables: Sequence[GuessedTable], left_out: Sequence[str], out: Path
) -> Iterator[str]:
    looks = [table.look for table in tables]
    names = list(tables[0].fields)
    if not names:
        raise InputError(
            f"{', '.join(str(look.file) for look in looks)}: no column of one table is found in"
            " the other; rename columns that mean the same, or declare them by hand"
            if len(tables) > 1
            else f"{looks[0].file}: besides the id no column holds anything to compare"
        )
    region = _phone_region(tables)
    n_records = sum(look.n_rows for look in looks)
    yield "# Written by er-pipeline init. Each comment says what a guess rests on; change what is"
    yield "# wrong. All settings: er-pipeline docs settings"
    yield f"type: {COMPONENT_TYPE}"
    yield ""
    yield "attributes:"
    yield f"  dataset: {_dataset_name(looks, out)}"
    if len(tables) > 1:
        mode, evidence = _mode(engine, tables)
        yield f"  mode: {mode} # {evidence}"
    yield ""
    yield "  sources:"
    for table in tables:
        yield from _source_lines(table, out)
    yield ""
    yield "  fields:"
    for name in names:
        guess = tables[0].fields[name]
        yield f"    {name}: {guess.kind} # {_comment(guess.evidence)}"
    for column in left_out:
        yield f"    # left out: {column}"
    cleaning = list(_cleaning_lines(tables, region))
    if cleaning:
        yield ""
        yield "  cleaning:"
        yield from cleaning
    yield ""
    yield "  strategies: auto # learned from the data; or write your own, name: key"
    if n_records <= MOST_WITH_NEIGHBOURS:
        yield "  embedding: true # neighbours find what no key does"
        yield "  checks: {min_key_coverage: 0} # a record without a key has neighbours"
    else:
        yield "  # embedding: true # neighbours find what no key does; takes minutes on so many"
    yield "  budget: {pairs_per_record: 5} # the best pairs within it are kept"
    clusters = {g.column: g for table in tables for g in table.guesses if g.role == "cluster"}
    if len(clusters) == 1 and all(any(g.role == "cluster" for g in t.guesses) for t in tables):
        ((column, guess),) = clusters.items()
        yield ""
        yield f"  truth: {{cluster_column: {_quoted(column)}}} # {_comment(guess.evidence)}"
    yield ""
    matching, evidence = _matching(engine, tables)
    yield f"  # matching: {matching} # a model, scores and entities, once the pairs look right"
    if evidence:
        yield f"  # {evidence}"
    yield '  # schedule: {cron: "0 2 * * *", timezone: UTC} # every night, in dagster dev'


def _tables(looks: Sequence[TableLook]) -> list[GuessedTable]:
    tables: list[GuessedTable] = []
    for look in looks:
        guesses = guess_columns(look.columns)
        ids = [guess for guess in guesses if guess.role == "id"]
        fields: dict[str, ColumnGuess] = {}
        for guess in guesses:
            if guess.role == "field":
                fields[_field_name(guess, fields)] = guess
        label = _label(look.file, [table.label for table in tables])
        record_id = ids[0].column if ids else None
        evidence = ids[0].evidence if ids else _NO_ID
        tables.append(GuessedTable(look, label, record_id, evidence, guesses, fields))
    return tables


def _field_name(guess: ColumnGuess, taken: Mapping[str, object]) -> str:
    concept = guess.concept
    if concept and concept.kind in (guess.kind, "full_name"):
        name = concept.field
    else:
        name = re.sub(r"[^a-z0-9]+", "_", fold(guess.column)).strip("_")[:50]
    if not name or not name[0].isalpha():
        name = f"column_{name}".strip("_")
    lower = {other.lower() for other in taken}
    if is_reserved(name, [*taken, name]) or whole_value(name) != name:
        name = f"my_{name}"
    free, n = name, 2
    while free.lower() in lower:
        free, n = f"{name}_{n}", n + 1
    return free


def _label(file: Path, taken: Sequence[str]) -> str:
    stem = re.sub(r"[^A-Za-z0-9]+", "_", fold(file.name.split(".")[0])).strip("_")
    label = stem if re.fullmatch(IDENTIFIER, stem) else f"source_{stem}"[:60]
    free, n = label, 2
    while free in taken:
        free, n = f"{label}_{n}", n + 1
    return free


def _dataset_name(looks: Sequence[TableLook], out: Path) -> str:
    """Name the dataset after the folder of its declaration, the folder of its files or a file."""
    labels = [_label(look.file, []) for look in looks]
    folders = {look.file.absolute().parent for look in looks}
    wishes = [out.parent.name, "" if len(looks) == 1 or len(folders) > 1 else folders.pop().name]
    names = [wish for wish in wishes if re.fullmatch(IDENTIFIER, wish)]
    name = [*names, "_".join(labels)[:60]][0]
    reserved = ("main", "temp", "system", "information_schema", "pg_catalog", "catalog", "data")
    return f"{name}_records" if name.lower() in reserved else name


def _mode(engine: Engine, tables: Sequence[GuessedTable]) -> tuple[str, str]:
    """Say whether tables hold duplicates of their own, and the evidence."""
    for table in tables:
        for name, guess in table.fields.items():
            if guess.kind not in ("email", "phone"):
                continue
            value = f"lower(trim({quoted(guess.column)}))"
            filled, distinct = engine.row(
                f"select count(nullif({value}, '')), count(distinct nullif({value}, ''))"
                f" from {table.look.table}"
            )
            share = 1 - distinct / max(1, filled)
            if share > DUPLICATES:
                return (
                    "link_and_dedupe",
                    f"{share:.0%} of the rows of {table.label} repeat the {name} of another;"
                    " link compares the tables with each other alone",
                )
    return "link", "the tables with each other; link_and_dedupe compares within them, too"


def _matching(engine: Engine, tables: Sequence[GuessedTable]) -> tuple[str, str]:
    """Say what matching should be, and the evidence where names are swapped now and then."""
    names = [name for name, g in tables[0].fields.items() if g.kind == "person_name"][:2]
    if len(names) < 2:
        return "true", ""
    named = " union all ".join(
        "select "
        + ", ".join(
            f"lower(trim({quoted(table.fields[name].column)})) as {part}"
            for name, part in zip(names, ("one", "other"), strict=True)
        )
        + f" from {table.look.table}"
        for table in tables
    )
    (n_swapped,) = engine.row(
        f"with named as ({named}), distinct_names as (select distinct one, other from named)"
        " select count(*) from named as a join distinct_names as b"
        " on a.one = b.other and a.other = b.one where a.one <> a.other and a.one <> ''"
    )
    if n_swapped < SWAPPED_ROWS:
        return "true", ""
    return (
        "{swapped_names: true}",
        f"(swapped_names: {n_swapped:,} rows have the {names[0]} and {names[1]} of another row the"
        " other way round)",
    )


def _source_lines(table: GuessedTable, out: Path) -> Iterator[str]:
    look = table.look
    rows = f"{look.n_rows:,} rows" if look.is_whole else f"its first {look.n_rows:,} rows seen"
    yield f"    - path: {_quoted(_path(look.file, out))} # {rows}"
    yield f"      name: {table.label}"
    record_id = "null" if table.record_id is None else _quoted(table.record_id)
    yield f"      record_id: {record_id} # {_comment(table.id_evidence)}"
    if look.csv:
        yield "      csv:"
        for name, (value, evidence) in look.csv.items():
            yield f"        {name}: {json.dumps(value)} # {_comment(evidence)}"
    renamed = {name: g.column for name, g in table.fields.items() if g.column != name}
    if renamed:
        yield "      columns: # field: the column of this table"
        for name, column in renamed.items():
            why = f" # {_comment(table.pairings[name])}" if name in table.pairings else ""
            yield f"        {name}: {_quoted(column)}{why}"


def _path(file: Path, out: Path) -> str:
    """Name a table from its declaration's folder, in full if it is not in there: a copy runs."""
    relative = os.path.relpath(file.absolute(), out.absolute().parent)
    return os.path.abspath(file) if relative.startswith("..") else relative


def _left_out(table: GuessedTable, alone: Sequence[str]) -> Iterator[str]:
    """Name the columns of a table that are no fields, each with the reason."""
    for guess in table.guesses:
        if guess.role == "none":
            yield f"{_comment(guess.column)} ({_comment(guess.evidence)})"
    for column, why in table.look.unreadable.items():
        yield f"{_comment(column)} ({_comment(why)})"
    for column in alone:
        yield f"{_comment(column)} of {table.label} (not in every table)"


def _phone_region(tables: Sequence[GuessedTable]) -> tuple[str, str] | None:
    """Guess the country of phone numbers, with the evidence; None if no field holds any.

    Numbers without their area code are no phone numbers to cleaning: such a field becomes one of
    identifiers.
    """
    if not (phones := _samples(tables, "phone")):
        return None
    hints = countries_of([column.name for table in tables for column in table.look.columns])
    region = guess_phone_region(phones, hints)
    clean = cleaner("phone", CleaningOptions(phone_region=region[0]))
    for name in [name for name, guess in tables[0].fields.items() if guess.kind == "phone"]:
        columns = {table.fields[name].column for table in tables}
        values = [
            value
            for table in tables
            for column in table.look.columns
            if column.name in columns
            for value in column.sample
        ]
        if (share := share_that(values, clean)) < DIALLED:
            evidence = f"numbers, of which {share:.0%} have the area code that a phone number needs"
            guess = replace(tables[0].fields[name], kind="identifier", evidence=evidence)
            tables[0].fields[name] = guess
    return region if any(g.kind == "phone" for g in tables[0].fields.values()) else None


def _cleaning_lines(
    tables: Sequence[GuessedTable], region: tuple[str, str] | None
) -> Iterator[str]:
    if region is not None:
        yield f"    phone_region: {region[0]} # {_comment(region[1])}"
    day_first, evidence = guess_day_first(_samples(tables, "date"))
    if day_first is not None:
        yield f"    day_first: {str(day_first).lower()} # {_comment(evidence)}"
    rejected = [table.look for table in tables if table.look.n_rejects]
    if rejected and all(look.n_rejects <= MOST_REJECTS * look.n_rows for look in rejected):
        found = "; ".join(
            f"{look.n_rejects:,} of {look.file.name} cannot be read, the first in"
            f" {look.first_reject}"
            for look in rejected
        )
        yield f"    max_reject_rate: {MOST_REJECTS} # {_comment(found)}"


def _samples(tables: Sequence[GuessedTable], kind: str) -> list[str]:
    """Put the sampled values of all fields of a kind together."""
    columns = {
        (i, guess.column)
        for i, table in enumerate(tables)
        for guess in table.fields.values()
        if guess.kind == kind
    }
    return [
        value
        for i, table in enumerate(tables)
        for column in table.look.columns
        if (i, column.name) in columns
        for value in column.sample
    ]


def _quoted(text: str) -> str:
    """Write a text as YAML takes it, bare where nothing in it has a meaning of its own."""
    is_plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", text) is not None
    is_word = text.lower() in ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
    return text if is_plain and not is_word else json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    return " ".join(text.split())
