"""Informative fields: the few, of a hundred, whose agreement says that two records match.

Rules are sought among pairs and triples of fields, so that the search grows with their square and
cube. Beyond `MOST_FIELDS` a first EM looks at pairs that share a single key, some of each field,
and only the fields that say most of the probable matches are searched. Whether a field is weighed
is decided anew, by the pairs of the rules (speaking_fields.py).
"""

import logging

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.learning.conjunction_costs import Index, Sample
from er_pipeline.blocking.learning.rule_evidence import PROBABLE, proposal
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, arrow_of
from er_pipeline.blocking.weights.fitted_weights import say_of_pairs
from er_pipeline.blocking.weights.pair_weights import pairs_to_sample, sample_pairs

logger = logging.getLogger(__name__)

# Up to so many fields all are searched: tables of 25 columns, 20 of them noise, need no less.
MOST_FIELDS = 30
# Beyond, so many are at least, and of the others those that say this share of what the one does
# that says most.
LEAST_FIELDS, LEAST_SHARE = 15, 0.03
# Pairs of a key are looked at in the order of so many sampled records at most.
RECORDS_OF_KEY = 20_000
# What a field says of a match that another one has spoken for counts for this part: of ten columns
# that repeat one fact the first brings the others' due, and different facts come before them.
WORTH_OF_ANOTHER_FIELD = 0.25
FIELDS_PER_LINE = 25  # of the log


def left_out_fields(
    index: Index, sample: Sample, spec: PipelineSpec, labelled: str, round_no: int
) -> frozenset[str]:
    """Choose the fields that rules are not sought among; none where there are few.

    sample: shows which keys have how many pairs. labelled: engine table (left_no, right_no,
    is_match) of the judged pairs. Makes engine tables first_pairs and some of their own.
    Cost: two joins per field, and EM on as many pairs times fields whatever the fields are.
    """
    if len(spec.field_kinds) <= MOST_FIELDS:
        return frozenset()
    pairs = _sample_pairs(index, sample, spec, f"{spec.seed}-{round_no}")
    own = spec.key_choices
    fields, said, probability = say_of_pairs(index.engine, own, pairs, labelled)
    matches = probability >= PROBABLE
    worth = np.maximum(0, said[matches]) * probability[matches, None]
    # Names in either order are no field of the records: they go with both of their fields.
    plain = [place for place, field in enumerate(fields) if field in spec.field_kinds]
    chosen = {fields[plain[nth]] for nth in most_telling(worth[:, plain], MOST_FIELDS)}
    logger.info(
        "seeking rules among %s of %s fields, by %s probable matches: %s",
        len(chosen),
        len(spec.field_kinds),
        f"{int(matches.sum()):,}",
        ", ".join(field for field in spec.field_kinds if field in chosen),
    )
    swapped = {
        choice.field for choice in own if choice.swaps and not chosen.issuperset(choice.swaps)
    }
    return frozenset(spec.field_kinds.keys() - chosen) | swapped


def most_telling(worth: NDArray[np.float64], n: int) -> list[int]:
    """Choose up to n fields, what adds most first; of equals the first one.

    worth: (n_matches, n_fields) of what each field says of each match, 0 for nothing.
    """
    # Rounded, so that threads do not decide between equals.
    whole = np.round(worth.sum(axis=0), 6)
    waiting = set(np.flatnonzero(whole >= LEAST_SHARE * whole.max(initial=0.0)).tolist())
    left = np.ones(len(worth))
    chosen: list[int] = []
    while waiting and len(chosen) < n:
        gain = np.round(left @ worth, 6)
        best = min(waiting, key=lambda field: (-gain[field], field))
        waiting.remove(best)
        chosen.append(best)
        left = np.where(worth[:, best] > 0, left * WORTH_OF_ANOTHER_FIELD, left)
    others = sorted(set(range(len(whole))) - set(chosen), key=lambda field: (-whole[field], field))
    return chosen + others[: max(0, min(n, LEAST_FIELDS) - len(chosen))]


def _sample_pairs(index: Index, sample: Sample, spec: PipelineSpec, seed: str) -> str:
    """Make first_pairs (left_no, right_no): pairs of each key to look at, of each about as many."""
    engine, pairs, proposed = index.engine, "first_pairs", "first_proposals"
    keys = [key for key in _keys_to_look_at(sample, spec) if not _is_alone(sample, key)]
    of_key = max(1, pairs_to_sample(len(spec.field_kinds)) // max(1, len(keys)))
    order = f"md5(concat({literal(seed)}, ' ', record_no)), record_no"
    engine.make_table(
        "first_records",
        f"select record_no, row_number() over (order by {order}) as nth from key_codes"
        f" order by {order} limit {RECORDS_OF_KEY}",
    )
    engine.make_table(
        "first_codes",
        "select c.*, f.nth from key_codes as c join first_records as f"
        " on f.record_no = c.record_no order by f.nth",
    )
    engine.put(proposed, arrow_of([LEFT_NO, RIGHT_NO]))
    for nth, key in enumerate(keys):
        if nth % FIELDS_PER_LINE == 0:
            logger.info("looking at the pairs of single keys: %s of %s", nth, len(keys))
        per_record = 2 * sample.pairs((key,)) / max(1, index.n_records)
        # Twice as many records as should have that many pairs.
        n_records = int(min(RECORDS_OF_KEY, 2 * of_key / max(per_record, 1e-6)))
        some = f"(select * from first_codes where nth <= {max(1, n_records)})"
        engine.append(
            proposed,
            f"select a, b from ({proposal(index, (key,), some)}) where a <> b"
            f" order by md5(concat({literal(seed)}, ' ', a, ' ', b)), a, b limit {of_key}",
        )
    sample_pairs(engine, [f"select left_no as a, right_no as b from {proposed}"], index.mode, pairs)
    (n_pairs,) = engine.row(f"select count(*) from {pairs}")
    logger.info("finding what %s fields say of %s pairs", len(spec.field_kinds), f"{n_pairs:,}")
    return pairs


def _is_alone(sample: Sample, key: int) -> bool:
    """Return whether a key surely has no pair within the cap."""
    return sample.is_whole and not sample.pairs((key,))


def _keys_to_look_at(sample: Sample, spec: PipelineSpec) -> list[int]:
    """Choose of every field its whole value and the widest key that a rule may consist of.

    Where a field's whole value makes more pairs than that, it is still looked at.
    """
    assert spec.learns is not None
    most = spec.learns.rule_pairs_per_record * sample.index.n_records
    keys: list[int] = []
    for field in spec.field_kinds:
        own = [
            (sample.pairs((i,)), i)
            for i, choice in enumerate(spec.key_choices)
            if choice.field == field
        ]
        widest = max((option for option in own if option[0] <= most), default=own[0])
        keys += dict.fromkeys((own[0][1], widest[1]))
    return keys
