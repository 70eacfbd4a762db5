"""Linked nights: entities made night after night of records and scores that are given by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.publications import Retention
from er_pipeline.blocking.tables.run_metrics import collect_run_metrics
from er_pipeline.blocking.tables.table import RECORD_ID, RECORD_NO, SOURCE, SOURCE_NO, Column, Table
from er_pipeline.catalog import publish_dataset
from er_pipeline.matching.entities import TABLES, join_matches
from er_pipeline.matching.entity_facts import EntitiesFacts, entities_facts

Row = tuple[Any, ...]
# Two ids of records, and how sure the model is.
Scores = Mapping[tuple[str, str], float]
Answers = Mapping[tuple[str, str], str]

RECORDS = Table(
    "cleaned_records",
    "Records.",
    [RECORD_NO, RECORD_ID, SOURCE, SOURCE_NO, Column("name", "VARCHAR", "A value")],
    lambda relations: f"select * from {relations['cleaned_records']}",
)
MATCHES = Table("matches", "Scores.", [], None)


class LinkedNights:
    """One dataset in a folder; an id is one letter of the source, then what is needed."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        """Hold the settings; sources are called by letters: a, b."""
        self.folder, self.settings = folder, settings
        self.lake = Lake(folder, "people")

    @property
    def spec(self) -> PipelineSpec:
        """The declaration as it is now."""
        return PipelineSpec.model_validate(
            {
                "dataset": "people",
                "sources": [{"path": "people.csv"}],
                "fields": {"name": "text"},
                "strategies": {"name": "name"},
                "training_rules": {"name": "name"},
                "matching": {"threshold": 0.9},
                **self.settings,
            }
        )

    def night(
        self,
        records: str | Mapping[str, str],
        scores: Scores,
        answers: Answers | None = None,
        *,
        publish: bool = True,
        sources: str = "a",
        threads: int = 2,
    ) -> dict[str, int]:
        """Run a night on records, words or {id: value}; return the id of each one's entity.

        answers: None where the dataset has no labels. sources: their names, a letter each; a record
        is of the one that its id begins with, of the only one if there is but one.
        """
        values = records if isinstance(records, Mapping) else dict.fromkeys(records.split(), "x")
        spec = self.spec
        if answers is not None:
            spec = spec.model_copy(update={"labels": {"path": "labels.jsonl"}})
            spec = PipelineSpec.model_validate({**spec.model_dump(exclude_none=True)})
        rows = [
            (record_id, name, sources.index(name), value)
            for record_id, value in values.items()
            for name in [record_id[0] if len(sources) > 1 else sources]
        ]
        with DuckDBEngine(threads=threads) as engine:
            engine.execute(
                "create table r (record_id text, source text, source_no smallint, name text)"
            )
            for row in rows:
                engine.execute("insert into r values (?, ?, ?, ?)", row)
            with self.lake.writing("cleaned_records") as draft:
                numbered = "row_number() over (order by source_no, record_id) - 1"
                engine.write(
                    f"select cast({numbered} as integer) as record_no, * from r order by 1",
                    draft.file(),
                )
            self._write_pairs(engine, "matches", "p double", scores)
            if answers is not None:
                self._write_pairs(engine, "labels", "answer text", answers)
        with DuckDBEngine(threads=threads) as engine:
            join_matches(engine, self.lake, spec)
        if publish:
            self.publish([RECORDS, MATCHES, *TABLES])
        return self.ids()

    def publish(self, tables: Sequence[Table], withheld: Mapping[str, str] | None = None) -> None:
        """Publish some tables as they were written last; nothing that can go is kept."""
        with DuckDBEngine(threads=1) as engine:
            collect_run_metrics(engine, self.lake)
        publish_dataset(self.lake, tables, Retention(days=0, versions=1), withheld)

    def _write_pairs(
        self, engine: DuckDBEngine, table: str, value: str, pairs: Mapping[tuple[str, str], Any]
    ) -> None:
        engine.execute(f"create or replace table p (l text, r text, {value})")
        for (left, right), of_pair in pairs.items():
            engine.execute("insert into p values (?, ?, ?)", [left, right, of_pair])
        name = value.split()[0]
        given = {
            "p": "p as match_probability, log2(p / (1 - least(p, 0.999999)))::float as match_weight"
        }.get(name, name)
        engine.read_folder(self.lake.path("cleaned_records"), "numbered")
        with self.lake.writing(table) as draft:
            engine.write(
                "select least(a.record_no, b.record_no) as left_no,"
                f" greatest(a.record_no, b.record_no) as right_no, {given} from p"
                " join numbered as a on a.record_id = l join numbered as b on b.record_id = r",
                draft.file(),
            )

    def rows(self, query: str) -> list[Row]:
        """Query the tables as they were written last, by their names."""
        with DuckDBEngine(threads=1) as engine:
            for table in self.lake.tables():
                engine.read_folder(self.lake.path(table), table)
            return engine.rows(query)

    def ids(self) -> dict[str, int]:
        """Give record_id -> entity_id."""
        return dict(
            self.rows(
                "select record_id, entity_id from entities join cleaned_records using (record_no)"
                " order by source_no, record_id"
            )
        )

    def events(self) -> list[Row]:
        """Give the events of the last run that had any, without number, run and moment."""
        return self.rows(
            "select entity_id, event, other_entity_id, records, records_before, records_after,"
            " cause, record_id from entity_events"
            " where run_no = (select max(run_no) from entity_events) order by event_no"
        )

    def resolved(self) -> dict[int, list[int]]:
        """Give retired id -> what it stands for now."""
        found: dict[int, list[int]] = {}
        for entity_id, successor_id in self.rows("from entity_history order by all"):
            found.setdefault(entity_id, []).extend([successor_id] if successor_id else [])
        return found

    @property
    def facts(self) -> EntitiesFacts:
        """What is noted beside entities."""
        return entities_facts(self.lake)


def sure(*pairs: str) -> Scores:
    """Score pairs, written `a1-a2`, as sure matches."""
    return dict.fromkeys(_pairs(pairs), 0.99)


def said(answer: str, *pairs: str) -> Answers:
    """Answer pairs, written `a1-a2`."""
    return dict.fromkeys(_pairs(pairs), answer)


def _pairs(pairs: Sequence[str]) -> list[tuple[str, str]]:
    return [(left, right) for left, _, right in (pair.partition("-") for pair in pairs)]
