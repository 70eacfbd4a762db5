"""The command forget: records taken out of a lake, and the proof that nothing of them is left."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from er_pipeline.terminal.exit_codes import FAILED, OK, UsageError
from er_pipeline.terminal.options import Defs, JsonOption, LakeOption

if TYPE_CHECKING:
    from er_pipeline.blocking.spec.publish_section import PublishPlace
    from er_pipeline.forgetting import Forgotten


def forget(
    defs: Defs,
    source: Annotated[str, Parameter(name="SOURCE", help="Name of the source of the records.")],
    /,
    *ids: Annotated[str, Parameter(name="ID", help="Their ids, as the source writes them.")],
    dry_run: Annotated[
        bool,
        Parameter(
            name="--dry-run",
            negative="",
            show_default=False,
            help="Count what would be touched; change nothing.",
        ),
    ] = False,
    allow_again: Annotated[
        bool,
        Parameter(
            name="--allow-again",
            negative="",
            show_default=False,
            help="Let records that were forgotten in again, from the next run on.",
        ),
    ] = False,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Erase records from everything that the lake keeps of a dataset.

    Rows, labels, reports and vectors of the records go, and so do all versions
    of tables that are no longer shown. Then every file is searched; the exit
    code is 0 only if nothing is left. Later runs leave the records out, though
    the source still holds them. Sources, backups and Dagster's history of runs
    are yours to clean.
    """
    from dataclasses import asdict

    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.forgetting import allow_again as lift
    from er_pipeline.forgetting import forget as forget_records
    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.lakes import open_lake

    if not ids:
        raise UsageError("name at least one ID of the source")
    if dry_run and allow_again:
        raise UsageError("--allow-again touches no table; leave --dry-run out")
    spec = read_spec(defs)
    place = open_lake(spec, lake)
    wanted = list(dict.fromkeys(ids))
    named = f"{source}:{', '.join(wanted)}"
    if allow_again:
        n_lifted = lift(spec, place, source, wanted)
        if as_json:
            print_json({"allowed_again": n_lifted})
        else:
            print_lines([f"{named} may come back: the next run reads what the source holds"])
        return OK
    done = forget_records(
        spec,
        place,
        source,
        wanted,
        dry_run=dry_run,
        say=lambda line: print(line, file=sys.stderr),
    )
    if as_json:
        print_json(asdict(done))
    else:
        print_lines([*_lines(done, named, dry_run=dry_run), *_elsewhere(spec.publish, dry_run)])
    return FAILED if done.left else OK


def _lines(done: "Forgotten", named: str, *, dry_run: bool) -> Iterator[str]:
    for table, n_rows in done.rows.items():
        yield f"{table:<28} {n_rows:>12,} rows"
    for what, n in (
        ("versions no longer shown", done.versions),
        ("notes that name a record", done.notes),
        ("lines of the labels' journal", done.labels),
    ):
        yield f"{what:<28} {n:>12,}"
    if dry_run:
        yield f"would be taken out or masked to forget {named}; nothing was changed"
        return
    searched = f"searched {done.files:,} files, {_size(done.size)}"
    if not done.left:
        yield f"{searched}: nothing of record {named} is left"
        yield "Run the dataset next: its tables are whole again then."
        return
    yield f"{searched}: something of record {named} is left in"
    yield from (f"  {place}" for place in done.left)
    yield "Run the command again; if it stays, look at the file and delete it."


def _elsewhere(places: "Sequence[PublishPlace]", dry_run: bool) -> Iterator[str]:
    """Say where else a record stands until the next run."""
    if places and not dry_run:
        names = ", ".join(place.label for place in places)
        yield f"The places of `publish` ({names}) hold it until the next run writes them."


def _size(n_bytes: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / 1000:.1f} kB"
