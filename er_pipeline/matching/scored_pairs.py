"""Scores of some pairs, whoever proposed them: those of a sample, and those that were missed."""

from collections.abc import Mapping
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, arrow_of
from er_pipeline.matching.comparisons import compared_value
from er_pipeline.matching.splink_linker import linker_of, predicted

# Pairs scored at once: some 250 MB.
PAIRS_PER_SLICE = 2_000_000
SCORES = (
    LEFT_NO,
    RIGHT_NO,
    Column("match_probability", "DOUBLE", "As the model scores the pair", minimum=0),
)


def number_compared(engine: Engine, spec: PipelineSpec, records: str) -> None:
    """Make the engine table `records` (record_no and the fields) of its cleaned_records.

    Values are cut as in training, see `compared_value`.
    """
    columns = ", ".join(["record_no", *(compared_value(name) for name in spec.field_kinds)])
    engine.make_table(records, f"select {columns} from cleaned_records order by record_no")


def score_table(
    engine: Engine,
    model: Mapping[str, Any],
    records: str,
    pairs: str,
    scored: str,
    *,
    min_probability: float,
    frequencies: str | None = None,
) -> int:
    """Make the table `scored` (left_no, right_no, match_probability) of the pairs of another.

    model: Splink's settings, trained. records: of `number_compared`. pairs: engine table (left_no,
    right_no); a pair that stands in it twice is scored once. min_probability: pairs below it are
    left out. frequencies: as `linker_of` takes them. Returns how many pairs were scored.
    """
    engine.make_table(
        "pairs_to_score",
        "select row_number() over (order by left_no, right_no) - 1 as n, left_no, right_no"
        f" from (select distinct left_no, right_no from {pairs})",
    )
    engine.put(scored, arrow_of(SCORES))
    (n_pairs,) = engine.row("select count(*) from pairs_to_score")
    if not n_pairs:
        return 0
    # One table, whatever the mode: which pairs are compared is decided already.
    settings = {**model, "link_type": "dedupe_only"}
    with linker_of(engine, [records], settings, frequencies) as (linker, api):
        for start in range(0, n_pairs, PAIRS_PER_SLICE):
            engine.make_table(
                "slice_to_score",
                "select left_no as join_key_l, right_no as join_key_r, '0' as match_key"
                f" from pairs_to_score where n >= {start} and n < {start + PAIRS_PER_SLICE}",
            )
            with predicted(
                linker, api, "slice_to_score", threshold_match_probability=min_probability
            ) as found:
                engine.append(
                    scored,
                    "select least(record_no_l, record_no_r), greatest(record_no_l, record_no_r),"
                    f" match_probability from {found}",
                )
    return int(n_pairs)
