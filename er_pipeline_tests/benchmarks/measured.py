"""The tables of the pages, measured anew: every program runs once, old figures beside new ones.

Above a table of `er_pipeline/docs/measured.md` or the README stands the program that gives it:

    <!-- measured: er_pipeline_tests.benchmarks.recall --records 100000 -->
    <!-- measured: pytest er_pipeline_tests/test_real_data.py -k neighbours_alone -->

The program prints tables in Markdown (`measuring.show_table`); the one with the same columns is
meant, and those of equal columns count as one. A row is found by its cells in the columns of
`LABELS`. Columns of `COSTS` are times, memory and ratios between them: they differ from run to run
and are only shown. All others are exact: one that moved makes this program return 1, and so do a
program that fails and a row that is not printed.

    python -m er_pipeline_tests.benchmarks.measured --results results          (hours)
    python -m er_pipeline_tests.benchmarks.measured --results results --write  (at once)
"""

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from er_pipeline_tests.benchmarks.measuring import REPOSITORY, markdown_row, run_child

PAGES = ("er_pipeline/docs/measured.md", "README.md")
LABELS = frozenset({"set", "way", "what", "people", "records"})
COSTS = ("CPU s", "wall s", "peak ", "×")  # what the names of such columns begin with
COMMENT = re.compile(r"^<!-- measured: (.+) -->$")
RULE = re.compile(r"^\|(-+\|)+$")
COMMIT_LINE = re.compile(r"^Measured on commits? .*$", re.MULTILINE)
COMMIT_NOTE = re.compile(r"^measured on (\S+)\n")

Row = tuple[str, ...]


@dataclass(frozen=True)
class MeasuredTable:
    """A table of a page, and the program that gives it.

    line: of its first row in the page, from 0.
    """

    page: str
    program: str
    columns: Row
    rows: Sequence[Row]
    line: int


@dataclass(frozen=True)
class Result:
    """What a program printed, and the commit it ran on."""

    commit: str
    printed: str


@dataclass(frozen=True)
class Comparison:
    """A row of a page beside the one that was printed, None if none was."""

    columns: Row
    old: Row
    new: Row | None

    @property
    def label(self) -> str:
        """The row as its label columns name it."""
        return ", ".join(plain(cell) for cell in label_of(self.columns, self.old))

    def moved(self, *, exact: bool) -> list[str]:
        """List the figures that differ, exact ones or costs, as text."""
        if self.new is None:
            return ["was not printed"] if exact else []
        return [
            f"{column} {old or 'nothing'} -> {new or 'nothing'}"
            for column, old, new in zip(self.columns, self.old, self.new, strict=True)
            if plain(old) != plain(new) and column.startswith(COSTS) != exact
        ]


def main(arguments: Sequence[str] | None = None, repository: Path = REPOSITORY) -> int:
    """Run the programs and show what moved; return 1 if an exact figure did, or one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--of", default="", metavar="PATTERN", help="programs that contain this")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="keep outputs here, and use those that are here"
    )
    parser.add_argument("--write", action="store_true", help="write the new figures into the pages")
    options = parser.parse_args(arguments)
    tables = [
        table
        for page in PAGES
        for table in tables_of(page, (repository / page).read_text("utf-8"))
        if options.of in table.program
    ]
    if not tables:
        parser.error(f"no table is measured by a program that contains {options.of!r}")
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        results = measure(
            list(dict.fromkeys(table.program for table in tables)),
            options.results or Path(temporary),
            repository,
        )
    compared = {}
    for table in tables:
        if table.program in results:
            compared[table.page, table.line] = compare(table, results[table.program].printed)
            show(table, compared[table.page, table.line])
    if options.write:
        for page in PAGES:
            write_page(page, compared, results, repository)
    failed = sorted({table.program for table in tables} - set(results))
    rows = [row for found in compared.values() for row in found]
    n_moved = sum(bool(row.moved(exact=True)) for row in rows)
    is_same = not n_moved and not failed
    print(
        f"[{'ok' if is_same else 'FAILED'}] {len(rows)} rows of {len(compared)} tables, exact"
        f" figures moved in {n_moved}; programs that failed: {', '.join(failed) or 'none'}"
    )
    return int(not is_same)


def tables_of(page: str, text: str) -> Iterator[MeasuredTable]:
    """Find the tables of a page that a comment names a program for.

    Raises ValueError if no table follows such a comment at once.
    """
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if comment := COMMENT.match(line):
            found = next(markdown_tables(lines[i + 1 :]), None)
            if found is None or found[0] != 0:
                raise ValueError(f"{page}:{i + 1}: no table follows at once")
            _, columns, rows = found
            yield MeasuredTable(page, comment[1], columns, rows, line=i + 3)


def markdown_tables(lines: Sequence[str]) -> Iterator[tuple[int, Row, list[Row]]]:
    """Find the tables among lines: where each begins, its columns and its rows."""
    for i in range(1, len(lines)):
        if RULE.match(lines[i]) and lines[i - 1].startswith("|"):
            rows = []
            for line in lines[i + 1 :]:
                if not line.startswith("|"):
                    break
                rows.append(cells_of(line))
            yield i - 1, cells_of(lines[i - 1]), rows


def cells_of(line: str) -> Row:
    """Split a row of a Markdown table into its cells."""
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def label_of(columns: Row, row: Row) -> Row:
    """Give the cells that a row is known by."""
    return tuple(plain(cell) for column, cell in zip(columns, row, strict=True) if column in LABELS)


def plain(cell: str) -> str:
    """Take the emphasis off a cell."""
    return cell.replace("*", "")


def measure(programs: Sequence[str], folder: Path, repository: Path) -> dict[str, Result]:
    """Run programs, but for those whose results lie in a folder; leave out those that fail.

    Results are kept in the folder, a file per program.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = {}
    for i, program in enumerate(programs, 1):
        title = f"[{i} of {len(programs)}] {program}"
        file = folder / (re.sub(r"[^\w.]+", "_", program) + ".txt")
        if file.exists():
            kept = file.read_text("utf-8")
            print(f"{title}: kept in {file}", file=sys.stderr)
        else:
            print(f"{title} ...", file=sys.stderr)
            commit = commit_of(repository)
            try:
                cost, printed = run_child(*command_of(program), folder=repository)
            except RuntimeError as error:
                print(f"{title}: FAILED, {error}", file=sys.stderr)
                continue
            kept = f"measured on {commit}\n{printed}"
            file.write_text(kept, "utf-8")
            print(f"{title}: {cost.wall_seconds:,.0f} s", file=sys.stderr)
        note = COMMIT_NOTE.match(kept)
        if note is None:
            print(f"{title}: FAILED, {file} names no commit; delete it", file=sys.stderr)
            continue
        results[program] = Result(note[1], kept[note.end() :])
    return results


def command_of(program: str) -> list[str]:
    """Give the arguments that Python takes to run a program; tests show what they print."""
    words = shlex.split(program)
    if words[0] == "pytest":
        words += ["-s", "-n", "0"]
    return ["-m", *words]


def commit_of(repository: Path) -> str:
    """Name the commit of a repository, marked if files differ from it."""
    command = ["git", "-C", str(repository), "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def compare(table: MeasuredTable, printed: str) -> list[Comparison]:
    """Put the printed rows beside those of a page's table."""
    new = {
        label_of(columns, row): row
        for _, columns, rows in markdown_tables(printed.splitlines())
        if columns == table.columns
        for row in rows
        if len(row) == len(columns)
    }
    return [
        Comparison(table.columns, row, new.get(label_of(table.columns, row))) for row in table.rows
    ]


def show(table: MeasuredTable, rows: Iterable[Comparison]) -> None:
    """Print what moved in a table, row by row."""
    print(f"\n{table.page}:{table.line + 1}, {table.program}")
    for row in rows:
        exact, costs = row.moved(exact=True), row.moved(exact=False)
        text = "; ".join([*(f"MOVED: {moved}" for moved in exact), *costs])
        print(f"  {row.label}: {text or 'same'}")


def write_page(
    page: str,
    compared: Mapping[tuple[str, int], Sequence[Comparison]],
    results: Mapping[str, Result],
    repository: Path,
) -> None:
    """Write the printed rows into a page; and the commit, if all of its tables were measured."""
    text = (repository / page).read_text("utf-8")
    tables = list(tables_of(page, text))
    lines = text.splitlines()
    for table in tables:
        for i, row in enumerate(compared.get((page, table.line), ())):
            if row.new is not None:
                lines[table.line + i] = markdown_row(row.new)
    written = "\n".join(lines) + "\n"
    if all((page, table.line) in compared for table in tables):
        commits = sorted({results[table.program].commit for table in tables})
        noun = "commit" if len(commits) == 1 else "commits"
        written = COMMIT_LINE.sub(f"Measured on {noun} {', '.join(commits)}", written)
    else:
        print(f"{page}: its commit stays, since not all of its tables were measured")
    if written != text:
        (repository / page).write_text(written, "utf-8")
        print(f"{page}: written")


if __name__ == "__main__":
    raise SystemExit(main())
