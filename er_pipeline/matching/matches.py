"""Candidate pairs + model -> matches: every pair scored once, the likely ones stored."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from math import floor
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, parquet_file, quoted
from er_pipeline.blocking.tables.lake import Lake, link_files
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.matching.em_sessions import levels_of
from er_pipeline.matching.splink_linker import linker_of, read_model

logger = logging.getLogger(__name__)

# Pairs scored at once: some 500 MiB. Splink looks up the records of every slice anew, so that many
# small slices cost more: 200,000 of a million records' pairs cost as much as 4 million.
PAIRS_PER_SLICE = 4_000_000
RECORDS = "records_to_score"
SCORED = (
    "select cast(record_no_l as integer) as left_no, cast(record_no_r as integer) as right_no,"
    " cast(match_probability as double) as match_probability,"
    " cast(match_weight as float) as match_weight"
)
NONE_SCORED = (
    f"{SCORED} from (select 0 as record_no_l, 0 as record_no_r, 0 as match_probability,"
    " 0 as match_weight) where false"
)


class MatchesFacts(TypedDict):
    """The facts kept beside matches and first_pass_matches.

    candidates, scored: pairs. stored: those of at least min_probability. matches: those of at least
    the threshold. weights: scored pairs by match weight, rounded down.
    second_pass_records_given_a_match: where there are two passes.
    """

    fingerprint: str
    candidates: int
    scored: int
    stored: int
    matches: int
    weights: dict[str, int]
    second_pass_records_given_a_match: NotRequired[int]


def score_pairs(
    engine: DuckDBEngine,
    lake: Lake,
    spec: PipelineSpec,
    pairs: str = "unified_pairs",
    table: str = "matches",
    first: str | None = None,
) -> MatchesFacts:
    """Score every candidate pair with the model; keep those that may be matches.

    Reads cleaned_records, the pairs and em_model with its model.json. first: a table of matches
    that is taken over as it is, with its counts. Writes the table of matches (left_no,
    right_no INTEGER, match_probability DOUBLE, match_weight FLOAT, and gamma_<field> TINYINT, the
    level of every comparison, -1 where a value is missing), one row per pair of at least
    min_probability. Memory does not grow with the number of pairs.
    Returns the facts kept beside the table: candidates, scored and stored pairs, matches at the
    threshold, and "weights": pairs by their match weight, rounded down, of all that were scored.

    Raises LakeError if a table is missing or was made from other records.
    """
    assert spec.matching is not None, "matching is on"
    fingerprint = read_records(engine, lake)
    for name in (pairs, "em_model", *([first] if first else [])):
        read_numbered(engine, lake, name, fingerprint)
    model = read_model(lake)
    # One table of numbered records, whatever the mode: which pairs to score is decided already.
    settings = {**model, "link_type": "dedupe_only"}
    columns = ", ".join(["record_no", *(quoted(name) for name in spec.field_kinds)])
    engine.make_table(RECORDS, f"select {columns} from cleaned_records order by record_no")
    least = spec.matching.min_probability
    before: dict[str, Any] = lake.facts(first) if first else {"candidates": 0, "weights": {}}
    weights = {int(weight): int(n) for weight, n in before["weights"].items()}
    with (
        linker_of(engine, [RECORDS], settings) as (linker, api),
        lake.writing(table, {"fingerprint": fingerprint}) as draft,
    ):
        if first:
            link_files(lake.path(first), draft.folder)
        slices = list(_slices(engine, lake.path(pairs)))
        for i, some in enumerate(slices):
            logger.info("scoring slice %s of %s", i + 1, len(slices))
            engine.make_table("slice_to_score", some)
            linker.table_management.register_blocked_pairs_for_predict(
                api.register("slice_to_score")
            )
            scored = linker.inference.predict(warning_mode="never")
            for weight, n in engine.rows(
                "select cast(floor(greatest(-99, least(99, match_weight))) as integer), count(*)"
                f" from {scored.physical_name} group by 1"
            ):
                weights[weight] = weights.get(weight, 0) + n
            stored = f"{SCORED} from {scored.physical_name} where match_probability >= {least!r}"
            engine.write(
                _matches_sql(spec, model, stored), draft.file(f"{table}_{i:04}"), bulk=True
            )
            scored.drop_table_from_database_and_remove_from_cache()
        if not slices:
            engine.write(_matches_sql(spec, model, NONE_SCORED), draft.file(f"{table}_0000"))
        engine.read_folder(draft.folder, "written_matches")
        n_stored, n_matches = engine.row(
            "select count(*), count(*) filter (where match_probability >="
            f" {spec.matching.threshold!r}) from written_matches"
        )
        draft.facts.update(
            candidates=before["candidates"] + int(lake.facts(pairs)["pairs"]),
            scored=sum(weights.values()),
            stored=n_stored,
            matches=n_matches,
            weights={str(weight): n for weight, n in sorted(weights.items())},
        )
        if first:
            draft.facts["second_pass_records_given_a_match"] = _newly_matched(engine, spec, first)
        return cast(MatchesFacts, dict(draft.facts))


def judge_matches(facts: MatchesFacts) -> Iterator[Verdict]:
    """Judge the scores from the facts of `score_pairs`."""
    candidates, scored = facts["candidates"], facts["scored"]
    yield Verdict(
        "every_candidate_is_scored",
        candidates == scored,
        "error",
        f"{scored:,} of {candidates:,} candidate pairs are scored."
        + ("" if candidates == scored else " Materialize unified_pairs and matches again."),
        {"candidates": candidates, "scored": scored},
    )


def _newly_matched(engine: DuckDBEngine, spec: PipelineSpec, first: str) -> int:
    """Count the records that have a match in written_matches and none in the first pass."""
    assert spec.matching is not None, "matching is on"
    of_table = [
        f"(select left_no as record_no from {table} where {likely} union"
        f" select right_no from {table} where {likely})"
        for table in ("written_matches", first)
        for likely in [f"match_probability >= {spec.matching.threshold!r}"]
    ]
    (n_records,) = engine.row(
        f"select count(*) from {of_table[0]} anti join {of_table[1]} using (record_no)"
    )
    return int(n_records)


def _slices(engine: DuckDBEngine, folder: Path) -> Iterator[str]:
    """Cut the pairs of a folder into queries of up to `PAIRS_PER_SLICE` each.

    They give (join_key_l, join_key_r, match_key), as Splink takes pairs.
    """
    parts: list[str] = []
    room = PAIRS_PER_SLICE
    for file in sorted(folder.glob("*.parquet")):
        (n_rows,) = engine.row(f"select count(*) from {parquet_file(file)}")
        start = 0
        while start < n_rows:
            end = min(n_rows, start + room)
            parts.append(_part_sql(file, start, end))
            room -= end - start
            start = end
            if not room:
                yield " union all ".join(parts)
                parts, room = [], PAIRS_PER_SLICE
    if parts:
        yield " union all ".join(parts)


def _part_sql(file: Path, start: int, end: int) -> str:
    # Files keep the order of their rows, so every row is in exactly one part.
    reader = parquet_file(file, "file_row_number = true")
    return (
        "select left_no as join_key_l, right_no as join_key_r, '0' as match_key"
        f" from {reader} where file_row_number >= {start} and file_row_number < {end}"
    )


def _matches_sql(spec: PipelineSpec, model: Mapping[str, Any], pairs: str) -> str:
    """Write the query of the stored pairs with the level of every comparison.

    Splink gives the levels of a pair only together with all values compared; for the few pairs that
    are stored they are found anew by the conditions of the model.
    """
    values = "".join(
        f", l.{quoted(name)} as {quoted(f'{name}_l')}, r.{quoted(name)} as {quoted(f'{name}_r')}"
        for name in spec.field_kinds
    )
    levels = "".join(
        f", {_level_sql(comparison)} as {quoted('gamma_' + comparison['output_column_name'])}"
        for comparison in model["comparisons"]
    )
    return f"""
        select left_no, right_no, match_probability, match_weight{levels}
        from (
            select p.*{values} from ({pairs}) as p
            join {RECORDS} as l on l.record_no = p.left_no
            join {RECORDS} as r on r.record_no = p.right_no
        )
    """


def _level_sql(comparison: Mapping[str, Any]) -> str:
    cases, value = "", len(levels_of(comparison)) - 1
    for level in comparison["comparison_levels"]:
        if level.get("is_null_level"):
            cases += f" when {level['sql_condition']} then -1"
            continue
        if level["sql_condition"] != "ELSE":
            cases += f" when {level['sql_condition']} then {value}"
        value -= 1
    return f"cast(case{cases} else 0 end as tinyint)"


def weight_classes(weights: Sequence[tuple[int, int]], most: int) -> list[tuple[str, int]]:
    """Put match weights together into up to so many classes of equal width, heaviest first.

    weights: (match weight, rounded down; pairs). Returns (name, pairs).
    """
    if not weights:
        return []
    low, high = min(w for w, _ in weights), max(w for w, _ in weights)
    width = max(1, -(-(high - low + 1) // most))
    classes: dict[int, int] = {}
    for weight, n in weights:
        start = floor(weight / width) * width
        classes[start] = classes.get(start, 0) + n
    return [(str(start), classes[start]) for start in sorted(classes, reverse=True)]
