"""Fixtures: an engine, a lake in a temporary folder, a spec in a few words, and real data."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.blocks.blocks import build_blocks
from er_pipeline.blocking.blocks.em_training_blocks import build_em_training_blocks
from er_pipeline.blocking.blocks.filtered_blocks import filter_blocks
from er_pipeline.blocking.labels.labels import read_labels
from er_pipeline.blocking.learning.learned_blocks import build_learned_blocks
from er_pipeline.blocking.learning.learned_rules import learn_rules
from er_pipeline.blocking.neighbours.embedding_blocks import find_neighbours
from er_pipeline.blocking.neighbours.record_embeddings import embed_records
from er_pipeline.blocking.pairs.second_pass_pairs import pair_the_lonely
from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.records.cleaned_records import clean_records
from er_pipeline.blocking.records.generated_people import write_people
from er_pipeline.blocking.records.key_codes import index_keys
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, quoted
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_weights import weigh_pairs
from er_pipeline.matching.em_model import train_model
from er_pipeline.matching.matches import score_pairs
from er_pipeline_tests.projects import elsewhere, finished, project  # noqa: F401

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"

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


def put_records(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, sources: Sequence[Rows]
) -> None:
    """Write cleaned_records of rows that are clean already, numbered as they stand."""
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
    with lake.writing("cleaned_records", {"fingerprint": "these"}) as draft:
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
        )
        self.lake = Lake(folder / "lake", "people")

    @property
    def threads(self) -> int:
        """Threads of every engine: as the spec says, else two."""
        return self.spec.threads or 2

    def clean(self) -> dict[str, Any]:
        with DuckDBEngine(threads=self.threads) as engine:
            return clean_records(engine, self.lake, self.spec, self.folder)

    def embed(self) -> dict[str, Any]:
        self.clean()
        with DuckDBEngine(threads=self.threads) as engine:
            return embed_records(engine, self.lake, self.spec)

    def neighbours(self) -> dict[str, Any]:
        self.embed()
        with DuckDBEngine(threads=self.threads) as engine:
            return find_neighbours(engine, self.lake, self.spec)

    def filter(self) -> dict[str, Any]:
        self.clean()
        if self.spec.labels:
            with DuckDBEngine(threads=self.threads) as engine:
                read_labels(engine, self.lake, self.spec, self.folder)
        if self.spec.weights or self.spec.learns:
            with DuckDBEngine(threads=self.threads) as engine:
                index_keys(engine, self.lake, self.spec)
        if self.spec.learns:
            self.learn()
        for strategy in self.spec.strategy_conjunctions:
            with DuckDBEngine(threads=self.threads) as engine:
                build_blocks(engine, self.lake, strategy, self.spec)
        with DuckDBEngine(threads=self.threads) as engine:
            return filter_blocks(engine, self.lake, self.spec)

    def learn(self) -> dict[str, Any]:
        """Learn rules and build their blocks; the keys must have been indexed."""
        with DuckDBEngine(threads=self.threads) as engine:
            facts = learn_rules(engine, self.lake, self.spec)
        with DuckDBEngine(threads=self.threads) as engine:
            build_learned_blocks(engine, self.lake, self.spec)
        return facts

    def second(self) -> dict[str, Any]:
        self.filter()
        if self.spec.encoder:
            with DuckDBEngine(threads=self.threads) as engine:
                embed_records(engine, self.lake, self.spec)
        if self.spec.embedding:
            with DuckDBEngine(threads=self.threads) as engine:
                find_neighbours(engine, self.lake, self.spec)
        with DuckDBEngine(threads=self.threads) as engine:
            return pair_the_lonely(engine, self.lake, self.spec)

    def pair(self) -> dict[str, Any]:
        if self.spec.second_pass:
            self.second()
        else:
            self.filter()
            if self.spec.embedding:
                self.neighbours()
        if self.spec.weights:
            with DuckDBEngine(threads=self.threads) as engine:
                weigh_pairs(engine, self.lake, self.spec)
        with DuckDBEngine(threads=self.threads) as engine:
            return unify_pairs(engine, self.lake, self.spec)

    def train(self) -> dict[str, Any]:
        self.clean()
        for step in (build_em_training_blocks, train_model):
            with DuckDBEngine(threads=self.threads) as engine:
                facts = step(engine, self.lake, self.spec)
        return facts

    def match(self) -> dict[str, Any]:
        """Make the pairs, train a model, score them; give the facts of matches."""
        self.train()
        self.pair()
        with DuckDBEngine(threads=self.threads) as engine:
            return score_pairs(engine, self.lake, self.spec)

    def rows(self, table: str, columns: str = "*", order: str = "all") -> list[tuple[Any, ...]]:
        with DuckDBEngine(threads=self.threads) as engine:
            engine.read(self.lake, table)
            return engine.rows(f"select {columns} from {table} order by {order}")


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Dataset]:
    """Make a dataset: dataset([rows of source 0], [rows of source 1], strategies={...}, ...)."""

    def make(*sources: Rows, **settings: Any) -> Dataset:
        return Dataset(tmp_path, sources, **settings)

    return make
