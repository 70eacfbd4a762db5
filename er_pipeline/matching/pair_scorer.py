"""The model teaches blocking: it scores the pairs that rules and weights are learned from.

A model is trained on training rules alone, before any pair is proposed, so within one run it can
say to the search for conjunctions which sampled pairs are probably matches. It grades how near two
values are, which keys do not see.
"""

import logging
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_weights import Scorer
from er_pipeline.matching.scored_pairs import number_compared, score_table
from er_pipeline.matching.splink_linker import ModelError, read_model
from er_pipeline.matching.term_frequencies import read_frequencies

logger = logging.getLogger(__name__)


def scorer_of(spec: PipelineSpec) -> Callable[[Lake], Scorer | None] | None:
    """Return what makes the scorer of a lake's model; None where the model does not teach."""
    return partial(teacher_of, spec=spec) if spec.is_taught_by_model else None


def teacher_of(lake: Lake, spec: PipelineSpec) -> Scorer | None:
    """Return the scorer of the trained model in the lake; None if it may not be used.

    Pairs do not hang on it: without a teacher, rules and weights are learned from the data alone.
    Raises LakeError if em_model is missing or stale.
    """
    try:
        scorer = model_scorer(lake, spec)
        return None if lake.facts("em_model").get("unusable") else scorer
    except ModelError as error:
        logger.warning("the model teaches nothing: %s", error)
        return None


def model_scorer(lake: Lake, spec: PipelineSpec) -> Scorer:
    """Return the scorer of the trained model in the lake.

    Raises LakeError if em_model is missing or stale, and ModelError if it may not be used.
    """
    model = read_model(lake)

    def score(engine: Engine, pairs: str) -> NDArray[np.float64]:
        lake.open(engine, "cleaned_records")
        number_compared(engine, spec, "compared_records")
        score_table(
            engine,
            model,
            "compared_records",
            pairs,
            "scored_by_model",
            min_probability=0.0,
            frequencies=read_frequencies(engine, lake),
        )
        found = engine.columns(
            "select match_probability from scored_by_model order by left_no, right_no"
        )
        # Sums of floats differ in their last digits with the number of threads.
        return np.asarray(np.round(found["match_probability"], 6), np.float64)

    return score
