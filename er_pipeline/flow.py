"""The flow of a dataset: its steps, in order. Everything else is derived from this list.

spec = read_spec(Path("defs.yaml"))
for step, facts in run(flow(spec), open_lake(Path("lake"), spec)):
    print(step.name, facts)
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from er_pipeline.blocking.blocks import blocks, em_training_blocks, filtered_blocks
from er_pipeline.blocking.labels import label_queue, labels
from er_pipeline.blocking.learning import learned_blocks, learned_rules
from er_pipeline.blocking.neighbours import embedding_blocks, record_embeddings
from er_pipeline.blocking.pairs import second_pass_pairs, unified_pairs
from er_pipeline.blocking.records import cleaned_records, key_codes, true_pairs
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.step import Step, plans_of
from er_pipeline.blocking.tables.table import Facts
from er_pipeline.blocking.weights import pair_weights
from er_pipeline.evaluation import blocking_report, match_quality, missed_matches, recall
from er_pipeline.matching import em_model, entities, matches


def flow(spec: PipelineSpec) -> list[Step]:
    """List the steps of a dataset; each reads only tables that steps before it make."""
    return [
        *cleaned_records.steps(spec),
        *true_pairs.steps(spec),
        *labels.steps(spec),
        *blocks.steps(spec),
        *em_training_blocks.steps(spec),
        *em_model.steps(spec),
        *key_codes.steps(spec),
        *learned_rules.steps(spec),
        *learned_blocks.steps(spec),
        *filtered_blocks.steps(spec),
        *record_embeddings.steps(spec),
        *embedding_blocks.steps(spec),
        *second_pass_pairs.steps_after_blocks(spec),
        *pair_weights.steps(spec),
        *unified_pairs.steps(spec),
        *matches.steps_of_first_pass(spec),
        *second_pass_pairs.steps_after_matches(spec),
        *label_queue.steps(spec),
        *matches.steps(spec),
        *entities.steps(spec),
        *missed_matches.steps(spec),
        *match_quality.steps(spec),
        *recall.steps(spec),
        *blocking_report.steps(spec),
    ]


def open_lake(root: Path, spec: PipelineSpec) -> Lake:
    """Open the tables of a dataset; those that do not follow from its settings are refused."""
    return Lake(root, spec.dataset, plans_of(flow(spec)))


def run(
    steps: Sequence[Step],
    lake: Lake,
    *,
    until: str | None = None,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> Iterator[tuple[Step, Facts]]:
    """Run steps in their order, each in an engine of its own; give every step with its facts.

    until: only what this table is made of, and itself; None runs all.
    threads, memory_limit: of each engine, as `DuckDBEngine` takes them.
    Raises KeyError if no step makes `until`, and what the steps raise.
    """
    for step in steps if until is None else steps_for(steps, until):
        with DuckDBEngine(threads, memory_limit, lake.root / ".spill") as engine:
            facts = run_step(step, engine, lake)
        yield step, facts


def steps_for(steps: Sequence[Step], table: str) -> list[Step]:
    """List the steps that a table needs, its own last.

    Raises KeyError if no step makes the table.
    """
    maker = {made.name: step for step in steps for made in step.writes}
    needed, waiting = set(), [maker[table].name]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [maker[read].name for read in maker[name].reads]
    return [step for step in steps if step.name in needed]


def run_step(step: Step, engine: Engine, lake: Lake) -> Facts:
    """Run one step; what it reads stays at one version, and is what it declares."""
    return step.run(engine, lake.for_step(step.reads, [table.name for table in step.writes]))
