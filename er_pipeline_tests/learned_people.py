"""Datasets that rules are learned from, made-up people first, prepared once for many settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from er_pipeline.blocking.labels.labels import Journal, Label, RecordName
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.runs import run, steps_for
from er_pipeline.flow import flow, open_lake

KINDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "company": "company",
    "phone": "phone",
    "birth_date": "date",
    "city": "text",
}
# What is made once, before the settings that a test tries.
PREPARED = ("cleaned_records", "key_codes", "labels")
Pair = tuple[int, int]


@dataclass
class Made:
    """A dataset whose records are cleaned and whose keys are numbered, once for many settings."""

    folder: Path
    settings: Mapping[str, Any]

    @property
    def lake(self) -> Lake:
        """The tables as they were made last, under whichever settings."""
        return Lake(self.folder / "lake", "people")

    def spec(self, **more: Any) -> PipelineSpec:
        settings = {**self.settings, "strategies": "auto", **more}
        if settings["strategies"] == "auto":  # tests learn again and again from other labels
            settings["learning"] = {"promote": "always", **settings.get("learning", {})}
        return PipelineSpec.model_validate(settings).located_in(self.folder)

    def make(
        self, until: str, but: Sequence[str] = (), threads: int = 1, **more: Any
    ) -> dict[str, Any]:
        """Run the steps up to a table, current or not, but for some; return its facts."""
        spec = self.spec(**more)
        steps = [step for step in steps_for(flow(spec), until) if step.name not in but]
        made = list(run(steps, open_lake(self.lake.root, spec), full=True, threads=threads))
        return made[-1][1]

    def prepare(self) -> "Made":
        self.make("key_codes")
        return self

    def learn(self, threads: int = 1, **more: Any) -> dict[str, Any]:
        return self.make("learned_rules", PREPARED, threads, **more)

    def pair(self, **more: Any) -> tuple[float, float]:
        """Run the steps from the rules to the pairs; give completeness and pairs per record."""
        self.make("unified_pairs", PREPARED, **more)
        return self.completeness("select left_no, right_no from unified_pairs", "unified_pairs")

    def completeness(self, pairs: str, table: str) -> tuple[float, float]:
        """Give the share of the true pairs among some, which read a table, and their number."""
        with DuckDBEngine(threads=1) as engine:
            for read in (table, "cleaned_records", "true_clusters"):
                self.lake.open(engine, read)
            found, n_pairs, n_records = engine.row(
                f"""
                select count(*) filter (where l.true_cluster = r.true_cluster), count(*),
                    (select count(*) from cleaned_records)
                from ({pairs}) as p
                left join true_clusters as l on l.record_no = p.left_no
                left join true_clusters as r on r.record_no = p.right_no
                """
            )
        return found / len(self.true_pairs()), n_pairs / n_records

    def true_pairs(self, known: bool = True) -> list[Pair]:
        """List the pairs of one person; where not known, those of two who share a surname."""
        same = "l.true_cluster = r.true_cluster"
        if not known:
            same = "l.true_cluster <> r.true_cluster and l.last_name = r.last_name"
        with DuckDBEngine(threads=1) as engine:
            self.lake.open(engine, "cleaned_records", "records")
            self.lake.open(engine, "true_clusters")
            engine.make_view("known", "select * from records join true_clusters using (record_no)")
            return engine.rows(
                "select l.record_no, r.record_no from known as l"
                f" join known as r on {same} and l.record_no < r.record_no order by all"
            )

    def judge(self, matches: Sequence[Pair], non_matches: Sequence[Pair] = ()) -> None:
        """Let the journal hold these answers alone."""
        with DuckDBEngine(threads=1) as engine:
            self.lake.open(engine, "cleaned_records")
            rows = engine.rows("select source, record_id from cleaned_records order by record_no")
        names = [RecordName(*row) for row in rows]
        (self.folder / "labels.jsonl").unlink(missing_ok=True)
        Journal(self.folder / "labels.jsonl").append(
            [
                Label(names[a], names[b], answer, "ann", "2026-11-03T10:15:00Z")
                for answer, pairs in (("match", matches), ("no_match", non_matches))
                for a, b in pairs
            ]
        )
        self.make("labels", ["cleaned_records"], labels={})

    def judge_some(self, n: int, seed: int, n_wrong: int = 0) -> None:
        draw = Random(seed)
        wrong = draw.sample(self.true_pairs(known=False), n_wrong) if n_wrong else []
        self.judge(draw.sample(self.true_pairs(), n), wrong)


def made_up(folder: Path, records: int) -> Made:
    settings = {
        "dataset": "people",
        "sources": [{"generate": {"records": records, "seed": 20}}],
        "fields": KINDS,
        "truth": {"cluster_column": "person_id"},
    }
    return Made(folder, settings).prepare()


def expressions(facts: Mapping[str, Any]) -> list[list[str]]:
    return [rule["expressions"] for rule in facts["rules"]]
