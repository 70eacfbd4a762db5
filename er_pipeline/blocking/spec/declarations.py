"""Declarations: which settings shaped a table, so that tables of different settings never mix.

A pair's mask names strategies by their place in the spec; reordered or changed strategies over
tables made before would swap them silently.
"""

import hashlib
import json
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.values.keys import Conjunction


def declarations(spec: PipelineSpec) -> dict[str, str]:
    """Give a digest per table of all the settings that shape it, those of its inputs included."""
    records = [spec.sources, spec.field_kinds, spec.cleaning, spec.vector_column]
    strategies = {s.name: [records, _keys(s)] for s in spec.strategy_conjunctions}
    blocks = [list(strategies.items()), spec.blocks, spec.link_mode]
    vectors = [records, spec.encoder.vectors_of() if spec.encoder else "", spec.embedding_fields]
    neighbours = [vectors, spec.embedding, spec.link_mode]
    indexed = [records, [choice.key.sql for choice in spec.key_choices]]
    training = [
        records,
        [[rule.name, _keys(rule)] for rule in spec.training_conjunctions],
        spec.blocks,
        spec.link_mode,
    ]
    model = (
        [training, spec.comparisons, spec.seed, spec.matching.trained_by()] if spec.matching else []
    )
    judged = [spec.labels, model if spec.is_taught_by_model else []]
    learned = [indexed, spec.learns, spec.blocks, spec.link_mode, spec.proposers, judged]
    blocks = [blocks, learned] if spec.learns else blocks
    weights = [blocks, neighbours, indexed, judged, spec.seed] if spec.weights else []
    first = [blocks, neighbours, weights, spec.budget]
    first_matches = [model, first, spec.matching] if spec.matching else []
    second = [blocks, neighbours, spec.second_pass, first_matches if spec.has_two_passes else []]
    unified = [second, weights, spec.budget]
    matches = [model, unified, spec.matching]
    shaped: dict[str, Any] = {
        "cleaned_records": records,
        "rejected_records": records,
        "true_pairs": [records, spec.truth, spec.link_mode],
        "labels": [records, spec.labels, spec.link_mode],
        "filtered_blocks": blocks,
        "dropped_blocks": [blocks, spec.labels],
        "record_codes": blocks,
        "record_embeddings": vectors,
        "embedding_blocks": neighbours,
        "first_pass_pairs": first,
        "first_pass_matches": first_matches,
        "second_pass_pairs": second,
        "key_codes": indexed,
        "learned_rules": learned,
        "blocks_train": learned,
        "weak_labels": learned,
        "learned_blocks": learned,
        "learned_dropped": learned,
        "learned_codes": learned,
        "pair_weights": weights,
        "unified_pairs": unified,
        "label_queue": [unified, spec.labels],
        "em_training_blocks": training,
        "em_training_rules": training,
        "em_model": model,
        "matches": matches,
        "entities": matches,
        "match_quality": [matches, spec.truth],
        "missed_matches": [matches, unified, spec.truth],
        "recall_sample": matches,
        "blocking_report": [matches, unified, training, spec.truth],
        **{f"blocks_{name}": settings for name, settings in strategies.items()},
    }
    return {table: _digest(settings) for table, settings in shaped.items()}


def _keys(conjunction: Conjunction) -> list[str]:
    return [key.sql for key in conjunction.keys]


def _digest(settings: Any) -> str:
    text = json.dumps(settings, default=lambda value: value.model_dump(mode="json"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
