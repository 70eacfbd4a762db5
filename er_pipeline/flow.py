"""The flow of a dataset: its steps, in order. Everything else is derived from this list.

spec = read_spec(Path("defs.yaml"))
for step, facts in run(flow(spec), open_lake(Path("lake"), spec)):
    print(step.name, facts)
"""

from dataclasses import replace
from pathlib import Path

from er_pipeline.blocking.blocks import blocks, em_training_blocks, filtered_blocks
from er_pipeline.blocking.changes import pair_changes
from er_pipeline.blocking.labels import label_queue, labels
from er_pipeline.blocking.learning import learned_blocks, learned_rules
from er_pipeline.blocking.neighbours import (
    embedding_blocks,
    encoder_statistics,
    record_embeddings,
)
from er_pipeline.blocking.pairs import second_pass_pairs, unified_pairs
from er_pipeline.blocking.records import cleaned_records, key_codes, true_pairs
from er_pipeline.blocking.records.expected_tables import with_expectations
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.runs import run
from er_pipeline.blocking.tables.step import Step, plans_of
from er_pipeline.blocking.weights import pair_weights
from er_pipeline.evaluation import (
    blocking_report,
    match_quality,
    missed_matches,
    recall,
    recall_views,
)
from er_pipeline.matching import em_model, entities, golden_records, match_changes, matches
from er_pipeline.matching.pair_scorer import scorer_of
from er_pipeline.matching.training_advisor import propose_rules

__all__ = ["flow", "open_lake", "run"]


def flow(spec: PipelineSpec) -> list[Step]:
    """List the steps of a dataset; each reads only tables that steps before it make."""
    steps, cluster = _steps(spec), spec.cluster
    return steps if cluster is None else [replace(step, cluster=cluster) for step in steps]


def _steps(spec: PipelineSpec) -> list[Step]:
    scorer = scorer_of(spec)
    steps = [
        *cleaned_records.steps(spec),
        *true_pairs.steps(spec),
        *labels.steps(spec),
        *blocks.steps(spec),
        *em_training_blocks.steps(spec, propose_rules),
        *em_model.steps(spec),
        *key_codes.steps(spec),
        *learned_rules.steps(spec, scorer),
        *learned_blocks.steps(spec),
        *filtered_blocks.steps(spec),
        *encoder_statistics.steps(spec),
        *record_embeddings.steps(spec),
        *embedding_blocks.steps(spec),
        *second_pass_pairs.steps_after_blocks(spec),
        *pair_weights.steps(spec, scorer),
        *unified_pairs.steps(spec),
        *matches.steps_of_first_pass(spec),
        *second_pass_pairs.steps_after_matches(spec),
        *pair_changes.steps(spec),
        *label_queue.steps(spec),
        *matches.steps(spec),
        *match_changes.steps(spec),
        *entities.steps(spec),
        *golden_records.steps(spec),
        *missed_matches.steps(spec),
        *match_quality.steps(spec),
        *recall.steps(spec),
        *recall_views.steps(spec),
        *blocking_report.steps(spec),
    ]
    return with_expectations(spec, steps)


def open_lake(root: Path, spec: PipelineSpec) -> Lake:
    """Open the tables of a dataset; those that do not follow from its settings are refused."""
    return Lake(root, spec.dataset, plans_of(flow(spec)))
