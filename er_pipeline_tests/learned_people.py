"""Datasets that rules are learned from, made-up people first, prepared once for many settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from er_pipeline.blocking.blocks.blocks import build_blocks
from er_pipeline.blocking.blocks.filtered_blocks import filter_blocks
from er_pipeline.blocking.labels.labels import Journal, Label, RecordName, read_labels
from er_pipeline.blocking.learning.learned_blocks import build_learned_blocks
from er_pipeline.blocking.learning.learned_rules import learn_rules
from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.records.cleaned_records import clean_records
from er_pipeline.blocking.records.key_codes import index_keys
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_weights import weigh_pairs

KINDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "company": "company",
    "phone": "phone",
    "birth_date": "date",
    "city": "text",
}
Pair = tuple[int, int]


@dataclass
class Made:
    """A dataset whose records are cleaned and whose keys are numbered, once for many settings."""

    folder: Path
    settings: Mapping[str, Any]

    @property
    def lake(self) -> Lake:
        return Lake(self.folder / "lake", "people")

    def spec(self, **more: Any) -> PipelineSpec:
        return PipelineSpec.model_validate({**self.settings, "strategies": "auto", **more})

    def prepare(self) -> "Made":
        with DuckDBEngine(threads=1) as engine:
            clean_records(engine, self.lake, self.spec(), self.folder)
        with DuckDBEngine(threads=1) as engine:
            index_keys(engine, self.lake, self.spec())
        return self

    def learn(self, threads: int = 1, **more: Any) -> dict[str, Any]:
        with DuckDBEngine(threads=threads) as engine:
            return learn_rules(engine, self.lake, self.spec(**more))

    def pair(self, **more: Any) -> tuple[float, float]:
        """Run the steps from the rules to the pairs; give completeness and pairs per record."""
        spec = self.spec(**more)
        steps: list[Callable[..., dict[str, Any]]] = [filter_blocks, weigh_pairs, unify_pairs]
        if spec.learns:
            steps = [learn_rules, build_learned_blocks, *steps]
        for strategy in spec.strategy_conjunctions:
            with DuckDBEngine(threads=1) as engine:
                build_blocks(engine, self.lake, strategy, spec)
        for step in steps:
            with DuckDBEngine(threads=1) as engine:
                step(engine, self.lake, spec)
        return self.completeness("select left_no, right_no from unified_pairs", "unified_pairs")

    def completeness(self, pairs: str, table: str) -> tuple[float, float]:
        """Give the share of the true pairs among some, which read a table, and their number."""
        with DuckDBEngine(threads=1) as engine:
            engine.read(self.lake, table)
            engine.read(self.lake, "cleaned_records")
            found, n_pairs, n_records = engine.row(
                f"""
                select count(*) filter (where l.true_cluster = r.true_cluster), count(*),
                    (select count(*) from cleaned_records)
                from ({pairs}) as p
                join cleaned_records as l on l.record_no = p.left_no
                join cleaned_records as r on r.record_no = p.right_no
                """
            )
        return found / len(self.true_pairs()), n_pairs / n_records

    def true_pairs(self, known: bool = True) -> list[Pair]:
        """List the pairs of one person; where not known, those of two who share a surname."""
        same = "l.true_cluster = r.true_cluster"
        if not known:
            same = "l.true_cluster <> r.true_cluster and l.last_name = r.last_name"
        with DuckDBEngine(threads=1) as engine:
            engine.read(self.lake, "cleaned_records")
            return engine.rows(
                "select l.record_no, r.record_no from cleaned_records as l"
                f" join cleaned_records as r on {same} and l.record_no < r.record_no order by all"
            )

    def judge(self, matches: Sequence[Pair], non_matches: Sequence[Pair] = ()) -> None:
        """Let the journal hold these answers alone."""
        with DuckDBEngine(threads=1) as engine:
            engine.read(self.lake, "cleaned_records")
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
            read_labels(engine, self.lake, self.spec(labels={}), self.folder)

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
