"""Fixtures: an engine, a lake in a temporary folder, a spec in a few words, and real data."""

import csv
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.pairs.weighed_when_read import with_weights
from er_pipeline.blocking.records.generated_people import write_people
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.runs import run_step
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.flow import flow, open_lake, run
from er_pipeline_tests.projects import elsewhere, finished, project  # noqa: F401

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"

# A shell starts what runs in the background deaf to Ctrl-C, and so would be all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Rows = Sequence[Mapping[str, str | None]]


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    with DuckDBEngine(threads=2) as engine:
        yield engine


@pytest.fixture
def real_data() -> Path:
    if not REAL_DATA.is_dir():
        pytest.skip("the public benchmark sets are not beside this checkout (../shared/data)")
    return REAL_DATA


def write_csv(path: Path, rows: Rows) -> Path:
    """Write rows as csv; None becomes an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def made_up_people(folder: Path, n_records: int, seed: int = 20) -> list[dict[str, str | None]]:
    """Give made-up people as rows; person_id tells who is who."""
    write_people(folder / "made_up.csv", n_records=n_records, seed=seed)
    with (folder / "made_up.csv").open(newline="", encoding="utf-8") as file:
        return [
            {name: value or None for name, value in row.items()} for row in csv.DictReader(file)
        ]


def put_records(engine: Engine, lake: Lake, spec: PipelineSpec, sources: Sequence[Rows]) -> None:
    """Write cleaned_records of rows that are clean already, numbered as they stand.

    lake: one without plans, which takes tables as they come.
    """
    fields = list(spec.field_kinds)
    declared = ", ".join(f"{quoted(field)} varchar" for field in fields)
    engine.execute(
        "create or replace table clean_rows (record_no integer, record_id varchar, source varchar,"
        f" source_no smallint, {declared})"
    )
    numbered = [(i, row) for i, rows in enumerate(sources) for row in rows]
    for no, (source_no, row) in enumerate(numbered):
        values = [no, str(no), spec.source_labels[source_no], source_no, *(row[f] for f in fields)]
        engine.execute(f"insert into clean_rows values ({', '.join('?' * len(values))})", values)
    with lake.writing("cleaned_records") as draft:
        engine.write("select * from clean_rows", draft.file())


class Dataset:
    """A small dataset in a folder of its own, with its lake: rows in, tables out."""

    def __init__(self, folder: Path, sources: Sequence[Rows], **settings: Any) -> None:
        self.folder = folder
        declared = []
        for i, rows in enumerate(sources):
            name = "people" if len(sources) == 1 else f"source{i}"
            write_csv(folder / f"{name}.csv", rows)
            declared.append({"path": f"{name}.csv", "record_id": "id"})
        fields = [name for name in sources[0][0] if name not in ("id", "person_id")]
        settings.setdefault("fields", {name: "text" for name in fields})
        settings.setdefault("training_rules", {"rule": fields[0]})
        self.spec = PipelineSpec.model_validate(
            {"dataset": "people", "sources": declared, **settings}
        ).located_in(folder)
        self.root = folder / "lake"

    @classmethod
    def of(cls, spec: PipelineSpec, root: Path) -> "Dataset":
        """Make a dataset of a whole declaration, with its lake in a folder."""
        dataset = cls.__new__(cls)
        dataset.spec, dataset.folder, dataset.root = spec, spec.folder, root
        return dataset

    @property
    def lake(self) -> Lake:
        """The lake as the spec is now; what does not follow from it is refused."""
        return open_lake(self.root, self.spec)

    @property
    def threads(self) -> int:
        """Threads of every engine: as the spec says, else two."""
        return self.spec.threads or 2

    def make(self, until: str) -> Any:
        """Run the flow up to a table, current or not; return the facts of its step."""
        made = list(run(flow(self.spec), self.lake, until=until, full=True, threads=self.threads))
        return made[-1][1]

    def make_again(self, table: str) -> Any:
        """Run the step of one table alone, on what lies in the lake."""
        (step,) = (step for step in flow(self.spec) if step.name == table)
        with DuckDBEngine(threads=self.threads) as engine:
            again = replace(step, writes=[replace(t, stays_in_force=False) for t in step.writes])
            return run_step(again, engine, self.lake)

    def clean(self) -> Any:
        return self.make("cleaned_records")

    def filter(self) -> Any:
        return self.make("filtered_blocks")

    def learn(self) -> Any:
        """Learn rules and build their blocks; return the facts of the rules."""
        self.make("learned_blocks")
        return self.lake.facts("learned_rules")

    def embed(self) -> Any:
        return self.make("record_embeddings")

    def neighbours(self) -> Any:
        return self.make("embedding_blocks")

    def second(self) -> Any:
        return self.make("second_pass_pairs")

    def pair(self) -> Any:
        return self.make("unified_pairs")

    def train(self) -> Any:
        return self.make("em_model")

    def match(self) -> Any:
        return self.make("matches")

    def rows(self, table: str, columns: str = "*", order: str = "all") -> list[tuple[Any, ...]]:
        with DuckDBEngine(threads=self.threads) as engine:
            self.lake.open(engine, table)
            return engine.rows(f"select {columns} from {table} order by {order}")

    def weights(self) -> dict[tuple[int, int], float]:
        """Give the weight of every pair of unified_pairs, as readers see it."""
        with DuckDBEngine(threads=self.threads) as engine:
            self.lake.open(engine, "unified_pairs")
            weighed = with_weights(engine, self.lake, self.spec, "unified_pairs")
            rows = engine.rows(f"select left_no, right_no, weight from ({weighed}) order by all")
        return {(left, right): weight for left, right, weight in rows}

    def by_id(self, table: str, columns: str, order: str = "all") -> list[tuple[Any, ...]]:
        """Read a table of record_no, with the columns of cleaned_records beside its own."""
        with DuckDBEngine(threads=self.threads) as engine:
            for read in (table, "cleaned_records"):
                self.lake.open(engine, read)
            return engine.rows(
                f"select {columns} from {table} join cleaned_records using (record_no)"
                f" order by {order}"
            )


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Dataset]:
    """Make a dataset: dataset([rows of source 0], [rows of source 1], strategies={...}, ...)."""

    def make(*sources: Rows, **settings: Any) -> Dataset:
        return Dataset(tmp_path, sources, **settings)

    return make


@pytest.fixture(scope="session")
def lossy_people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Give matched people of whom some are lost, up to missed_matches; nobody may change them."""
    from er_pipeline_tests.lossy_people import make_lossy_people  # which imports this module

    return make_lossy_people(tmp_path_factory.mktemp("lossy"))
