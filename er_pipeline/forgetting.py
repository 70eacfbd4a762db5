"""Forgetting: a record taken out of all that a lake keeps of a dataset, and the proof of it.

What is no longer shown goes as a whole: older versions, reports, leftovers of killed runs. What is
shown is thinned in its place: the record's rows go, and texts that name it are masked. Its
tombstone comes first, so that no night brings it back; the next night makes all tables anew. Killed
at any moment, it does the rest when it is asked again.

Then every file is searched for the record: its number, its id beside its source, and the values
that no other record has.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from er_pipeline.blocking.encoders.lexical import Lexical
from er_pipeline.blocking.labels.labels import Journal, RecordName, journal_of
from er_pipeline.blocking.labels.moments import utc_now
from er_pipeline.blocking.neighbours.vector_files import (
    TEXT_VECTORS,
    blank_vectors,
    texts_of_records,
)
from er_pipeline.blocking.records.data_docs import DATA_DOCS
from er_pipeline.blocking.records.record_changes import SINCE
from er_pipeline.blocking.records.tombstones import FORGOTTEN, read_tombstones
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError, LakeError, SpecError, first_line
from er_pipeline.blocking.tables.files import clear_left, clear_scratch
from er_pipeline.blocking.tables.lake import FACTS, SPILL, Lake
from er_pipeline.blocking.tables.locks import catalog_lock, run_lock
from er_pipeline.blocking.tables.publications import (
    PUBLISHED,
    clear_leftovers,
    forget_gone,
)
from er_pipeline.blocking.tables.thinning import (
    ENTITIES,
    RECORDS,
    Version,
    drop_versions,
    has_numbers,
    has_values,
    mark_thinned,
    mask_file,
    moved_entities,
    names_any,
    names_rows,
    note_sizes,
    notes_in,
    numbers_of,
    row_traces,
    shared_values,
    thin_file,
    touched_rows,
    values_of,
    versions_in,
    with_their_records,
)
from er_pipeline.blocking.tables.traces import Traces
from er_pipeline.blocking.tables.verdict_notes import FAILURES, VERDICTS
from er_pipeline.candidates import CANDIDATES
from er_pipeline.catalog import CATALOG, named_by, rewrite_catalog
from er_pipeline.evaluation.kept_report import REPORT_FILE
from er_pipeline.evaluation.page.run_page import PAGE_FILE

EMBEDDINGS = "record_embeddings"
# Read by the others; the records themselves last, since they say what is to be searched.
LAST = (EMBEDDINGS, ENTITIES, RECORDS)


@dataclass
class Forgotten:
    """What was done, or would be.

    records: how many were asked for. rows: table -> rows that go or change, in what stays.
    versions: that go whole. notes: files of texts that named one. labels: lines of the journal.
    files, size: that were searched, and their bytes. left: where something was found afterwards.
    """

    records: int
    rows: dict[str, int] = field(default_factory=dict)
    versions: int = 0
    notes: int = 0
    labels: int = 0
    files: int = 0
    size: int = 0
    left: list[str] = field(default_factory=list)


def forget(
    spec: PipelineSpec,
    lake: Lake,
    source: str,
    record_ids: Sequence[str],
    *,
    dry_run: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Forgotten:
    """Take records out of a lake and the journal of labels, and search for what is left of them.

    lake: with the plans of the flow. source: its name. dry_run: only count. say: takes lines on
    what is being done.
    Returns what was done and what the search found, see `Forgotten`; nothing may be `left`.

    Raises SpecError if there is no such source or its records have no ids; InputError if nothing is
    known of a record; LakeError if a run of the dataset is at work, or if the catalog cannot be
    read.
    """
    _check_source(spec, source)
    if not lake.folder.is_dir():
        raise LakeError(f"dataset {spec.dataset} is not in the lake {lake.root}: is --lake right?")
    with (
        run_lock(lake.folder, _refuse),
        catalog_lock(lake.root),
        DuckDBEngine(spec.threads, spec.memory_limit) as engine,
    ):
        clear_leftovers(lake.folder)
        found = _look(engine, lake, spec, source, record_ids)
        _check_known(engine, lake, found, record_ids)
        if dry_run:
            return _counted(engine, lake, found)
        _note_tombstones(lake, spec, found, is_erased=False)
        done = _erase(engine, lake, found, say)
        say("searching the lake")
        _search(engine, lake, found, done)
        if not done.left:
            _note_tombstones(lake, spec, found, is_erased=True)
        return done


def allow_again(spec: PipelineSpec, lake: Lake, source: str, record_ids: Sequence[str]) -> int:
    """Lift tombstones, so that the next run reads the records again; return how many there were.

    Raises InputError if a record was never forgotten, and LakeError if it is not forgotten yet.
    """
    _check_source(spec, source)
    with run_lock(lake.folder, _refuse):
        tombstones = read_tombstones(lake.folder)
        for record_id in record_ids:
            stone = tombstones.of(source, record_id)
            if stone is None:
                raise InputError(
                    f"record {record_id!r} of source {source} was not forgotten; nothing is lifted"
                )
            if not stone.is_erased:
                raise LakeError(
                    f"record {record_id!r} of source {source} is not wholly forgotten: run"
                    " er-pipeline forget again first"
                )
        tombstones.without(source, record_ids).save(lake.folder)
    return len(record_ids)


@dataclass(frozen=True)
class _Found:
    """What is known of the records before anything is done.

    kept: versions that stay, since they are shown or in force. numbers, moved: by version of
    cleaned_records, see `Traces.in_rows`. keeps_vectors: whether the vectors of all other texts
    are worth keeping: those of n-grams are made again in seconds.
    """

    traces: Traces
    kept: Sequence[Version]
    dropped: int
    numbers: dict[str, list[int]]
    moved: dict[str, dict[int, int]]
    journal: Journal | None
    unmarked: frozenset[str]
    keeps_vectors: bool

    def of_run(self, version: Version) -> tuple[list[int], dict[int, int]]:
        """Give the numbers in a version, and those that move; none where it holds no numbers."""
        run = version.records or ""
        return self.numbers.get(run, []), self.moved.get(run, {})

    @property
    def names(self) -> list[RecordName]:
        """The records as the journal names them."""
        return [RecordName(self.traces.source, i) for i in self.traces.record_ids]


def _check_source(spec: PipelineSpec, source: str) -> None:
    labels = spec.source_labels
    if source not in labels:
        raise SpecError(f"{source!r} is no source of {spec.dataset}; there are {', '.join(labels)}")
    if spec.sources[labels.index(source)].record_id is None:
        raise SpecError(
            f"source {source} declares no record_id: its records are numbered by their places,"
            " which name nobody. Take the record out of the source, run, and prune what was kept"
            " before with er-pipeline versions --prune --keep-days 0"
        )


def _refuse(holder: str) -> None:
    raise LakeError(f"{holder.removesuffix('; waiting')}; nothing is forgotten: wait for its end")


def _look(
    engine: Engine, lake: Lake, spec: PipelineSpec, source: str, record_ids: Sequence[str]
) -> _Found:
    """Find which versions stay, and by what the records are found in them."""
    every = [v for v in versions_in(lake.folder) if not v.name.endswith(".tmp")]
    every = with_their_records(every, lake.published())
    # Nobody could say which rows of a table are theirs whose numbers are of records that are gone.
    kept = [v for v in _kept(lake, every) if v.records or not has_numbers(engine, v)]
    traces = Traces(source, record_ids)
    numbers, moved, values = dict[str, list[int]](), dict[str, dict[int, int]](), set[str]()
    for version in every:
        if version.table == RECORDS:
            numbers[version.name] = numbers_of(engine, version, traces)
    for version in kept:
        if version.table == RECORDS:
            values |= values_of(engine, version, numbers[version.name])
    for version in kept:
        of_run = numbers.get(version.records or "", [])
        if version.table == ENTITIES and version.records:
            moved[version.records] = moved_entities(engine, version, of_run)
        values -= shared_values(engine, version, values, of_run)
    # What the declaration and the views write, such as the name of a column, is no trace.
    written = [spec.model_dump_json(), *lake.published()["views"].values()]
    values -= Traces("", [], values).words_in("\n".join(written))
    return _Found(
        traces=replace(traces, values=values),
        kept=sorted(kept, key=lambda v: (v.table in LAST and LAST.index(v.table) + 1, v.table)),
        dropped=len(versions_in(lake.folder)) - len(kept),
        numbers=numbers,
        moved=moved,
        journal=journal_of(spec) if spec.labels else None,
        unmarked=frozenset(t for t, plan in lake.plans.items() if plan.stays_in_force),
        keeps_vectors=spec.encoder is not None and not isinstance(spec.encoder, Lexical),
    )


def _kept(lake: Lake, versions: Sequence[Version]) -> Iterator[Version]:
    """Give the versions that are shown, or that a note of the dataset names: they are in force."""
    catalog = lake.root / CATALOG
    views = named_by(catalog) if catalog.exists() else ""
    if views is None:
        raise LakeError(
            f"{catalog} cannot be read, so that nobody knows what it shows: publish first, with run"
            " --select catalog"
        )
    published = lake.published()
    ledgers = published["kept"].values()
    shown = [published["tables"], *published["reads"].values(), *ledgers]
    notes = [*notes_in([lake.folder]), *notes_in(p for p in lake.folder.iterdir() if p.is_dir())]
    texts = [p.read_text("utf-8", "replace") for p in notes if p.name != PUBLISHED]
    for version in versions:
        is_shown = any(tables.get(version.table) == version.name for tables in shown)
        if is_shown or any(version.name in text for text in [views, *texts]):
            yield version


def _check_known(engine: Engine, lake: Lake, found: _Found, record_ids: Sequence[str]) -> None:
    """Refuse to forget a record of which nothing is known: its id may be mistyped."""
    source, tombstones = found.traces.source, read_tombstones(lake.folder)
    records = [
        v for v in versions_in(lake.folder) if v.table == RECORDS and v.name in found.numbers
    ]
    for record_id in record_ids:
        alone = Traces(source, [record_id])
        is_labelled = found.journal and found.journal.lines_of([RecordName(source, record_id)])
        if (
            tombstones.of(source, record_id)
            or is_labelled
            or any(numbers_of(engine, version, alone) for version in records)
            or any(names_rows(engine, version, alone) for version in found.kept)
        ):
            continue
        raise InputError(
            f"source {source} has no record {record_id!r} in the lake {lake.root}, and no label"
            " names it; nothing is forgotten: correct the id"
        )


def _note_tombstones(lake: Lake, spec: PipelineSpec, found: _Found, *, is_erased: bool) -> None:
    source, tombstones = found.traces.source, read_tombstones(lake.folder)
    place = spec.source_labels.index(source)
    tombstones.with_records(
        source, place, found.traces.record_ids, utc_now(), is_erased=is_erased
    ).save(lake.folder)


def _counted(engine: Engine, lake: Lake, found: _Found) -> Forgotten:
    """Count what would be done."""
    counted = Forgotten(len(found.traces.record_ids), versions=found.dropped)
    for version in found.kept:
        if n_rows := _rows(engine, found, version, found.traces):
            counted.rows[version.table] = counted.rows.get(version.table, 0) + n_rows
    counted.notes = sum(names_any(note, found.traces) for note in _notes(lake, found))
    counted.labels = found.journal.lines_of(found.names) if found.journal else 0
    return counted


def _rows(engine: Engine, found: _Found, version: Version, traces: Traces) -> int:
    """Count the rows of a version that name records."""
    return sum(
        touched_rows(engine, file, row_traces(engine, file, traces, *found.of_run(version)))
        for file in version.files
    )


def _erase(engine: Engine, lake: Lake, found: _Found, say: Callable[[str], None]) -> Forgotten:
    """Do it all, in an order that lets it be done again after a kill."""
    done = Forgotten(len(found.traces.record_ids))
    mark_thinned(found.kept, found.unmarked)
    say("dropping what is no longer shown")
    done.versions = drop_versions(lake.folder, found.kept)
    for report in (REPORT_FILE, PAGE_FILE):
        (lake.folder / report).unlink(missing_ok=True)
    for folder in (CANDIDATES, DATA_DOCS):
        shutil.rmtree(lake.folder / folder, ignore_errors=True)
    clear_left((lake.root / SPILL).glob("*"))
    clear_scratch()
    embeddings = {v.records: v for v in found.kept if v.table == EMBEDDINGS}
    read = {v for tables in lake.published()["reads"].values() for v in tables.items()}
    for version in found.kept:
        numbers, moved = found.of_run(version)
        clear_left(version.folder.glob(f"{SINCE}*"))  # found again when it is asked for
        vectors = list(version.folder.rglob("*.npy")) if numbers or not version.records else []
        is_cache = version.table == TEXT_VECTORS and version.records in embeddings
        if vectors and is_cache and found.keeps_vectors:  # encoding all texts anew may take hours
            own = texts_of_records(engine, embeddings[version.records].folder, numbers)
            blank_vectors(engine, version.folder, own)
        elif vectors and (version.table, version.name) not in read:  # made again, of what is left
            done.versions += drop_versions(lake.folder, [v for v in found.kept if v != version])
            continue
        else:
            clear_left(vectors)
        for file in version.files:
            rows = row_traces(engine, file, found.traces, numbers, moved)
            if n_rows := touched_rows(engine, file, rows):
                say(f"{version.table}: {n_rows:,} rows")
                thin_file(engine, file, rows)
                done.rows[version.table] = done.rows.get(version.table, 0) + n_rows
    done.notes = sum(mask_file(note, found.traces) for note in _notes(lake, found))
    note_sizes([version for version in found.kept if version.table in found.unmarked])
    done.labels = found.journal.forget(found.names) if found.journal else 0
    forget_gone(lake.folder)
    rewrite_catalog(lake)
    return done


def _notes(lake: Lake, found: _Found) -> Iterator[Path]:
    """Give the notes that quote what a step or a check has found; others hold figures and SQL."""
    failures = lake.folder / FAILURES
    for note in notes_in([lake.folder, failures, *(version.folder for version in found.kept)]):
        quotes = note.name in (FACTS, VERDICTS) or note.parent in (lake.folder, failures)
        if quotes and note.name not in (PUBLISHED, FORGOTTEN):
            yield note


def _search(engine: Engine, lake: Lake, found: _Found, done: Forgotten) -> None:
    """Look through every file of the dataset, the catalog and the journal; note what is left."""
    kept = {version.folder: version for version in found.kept}
    notes = set(_notes(lake, found))
    files = [path for path in sorted(lake.folder.rglob("*")) if path.is_file()]
    files = [path for path in files if not any(p.is_symlink() for p in (path, *path.parents))]
    if found.journal and found.journal.path.is_file():
        files.append(found.journal.path)
    if (lake.root / CATALOG).is_file():
        files.append(lake.root / CATALOG)
    for path in files:
        done.files += 1
        done.size += path.stat().st_size
        try:
            if found.journal and path == found.journal.path:
                is_left = found.journal.lines_of(found.names) > 0
            elif path.suffix == ".parquet":
                version = kept.get(path.parent) or Version(path.parent.parent.name, "", path.parent)
                is_left = _is_in_rows(engine, found, version, path)
            elif path in notes:
                is_left = names_any(path, found.traces)
            else:
                values = () if path.suffix == ".json" else found.traces.values
                is_left = replace(found.traces, values=values).is_in_bytes(path.read_bytes())
        except (OSError, duckdb.Error) as error:
            done.left.append(f"{path}: cannot be searched ({first_line(error)})")
            continue
        if is_left:
            done.left.append(str(path))


def _is_in_rows(engine: Engine, found: _Found, version: Version, file: Path) -> bool:
    numbers, _ = found.of_run(version)
    rows = row_traces(engine, file, found.traces, numbers, {})
    return touched_rows(engine, file, rows) > 0 or bool(
        has_values(engine, file, found.traces.values)
    )
