"""Candidate pairs + model -> matches: every pair scored once, the likely ones stored."""

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake, link_files
from er_pipeline.blocking.tables.pictures import Grid, MatchWeights, Shown, numbers
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import (
    LEFT_NO,
    RIGHT_NO,
    Check,
    Column,
    Facts,
    Table,
    arrow_of,
)
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.tables.views import pairs_by_id
from er_pipeline.matching.em_sessions import level_sql
from er_pipeline.matching.match_doubts import IN_DOUBT, Doubt, find_doubts, judge_doubts
from er_pipeline.matching.scored_pairs import number_compared
from er_pipeline.matching.scores_before import (
    CODES,
    ScoresBefore,
    add_weights,
    find_scores_before,
)
from er_pipeline.matching.splink_linker import ModelError, linker_of, predicted, read_model
from er_pipeline.matching.term_frequencies import FREQUENCIES, read_frequencies

logger = logging.getLogger(__name__)

FIRST_PASS = "first_pass_matches"

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


SCORED_CHECK = "every_candidate_is_scored"


class MatchesFacts(TypedDict):
    """What is noted beside matches; see `score_pairs`.

    taken_over: candidates whose scores are those of the night before. done_in_full: why none are.
    """

    candidates: int
    scored: int
    stored: int
    matches: int
    weights: dict[str, int]
    unscored: NotRequired[bool]
    taken_over: NotRequired[int]
    done_in_full: NotRequired[str]
    doubts: NotRequired[list[Doubt]]
    second_pass_records_given_a_match: NotRequired[int]


def matches_facts(lake: Lake, table: str = "matches") -> MatchesFacts:
    """Read what is noted beside a table of matches."""
    return cast(MatchesFacts, lake.facts(table))


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that scores the pairs; of two passes, those of the second."""
    if spec.matching is None:
        return []
    why = "A pair that is not scored is lost without a word."
    about = "Candidate pairs that may be matches, with their probability."
    if not spec.has_two_passes:
        return [_step(spec, "unified_pairs", "matches", about, why)]
    return [_step(spec, "second_pass_pairs", "matches", about, why, first=FIRST_PASS)]


def steps_of_first_pass(spec: PipelineSpec) -> list[Step]:
    """Declare the step that scores the first pass's pairs, where a second pass follows."""
    if not spec.has_two_passes:
        return []
    return [
        _step(
            spec,
            "first_pass_pairs",
            FIRST_PASS,
            "Pairs of the first pass that may be matches; who has none goes on.",
            "Who is not scored seems to have no match.",
        )
    ]


def _step(
    spec: PipelineSpec, pairs: str, table: str, about: str, why: str, first: str | None = None
) -> Step:
    assert spec.matching is not None, "matching is on"
    of_pass = pairs if first is None else "unified_pairs"
    return Step(
        writes=[
            Table(
                table,
                about,
                _columns(spec),
                pairs_by_id(
                    table,
                    before_strategies=("p.match_probability", "p.match_weight"),
                    strategies=spec.proposers,
                    rules="learned_rules" if spec.learns else None,
                    masks=of_pass,
                ),
            )
        ],
        reads=[
            "cleaned_records",
            "em_model",
            FREQUENCIES.name,
            CODES,
            pairs,
            *([first] if first else []),
        ],
        settings=[spec.matching.threshold, spec.matching.min_probability, spec.field_kinds],
        run=partial(score_pairs, spec=spec, pairs=pairs, table=table, first=first),
        stage="matching",
        checks=(Check(SCORED_CHECK, why), *([] if table == FIRST_PASS else [IN_DOUBT])),
        judge=partial(_judge, spec=spec, table=table),
        show=_show,
        # The pairs of a second pass hang on who has a match in the first, not on the model.
        tolerates=["em_model", FREQUENCIES.name] if table == FIRST_PASS else [],
    )


def _columns(spec: PipelineSpec) -> list[Column]:
    return [
        LEFT_NO,
        RIGHT_NO,
        Column("match_probability", "DOUBLE", "Probability of a match", minimum=0),
        Column("match_weight", "FLOAT", "The same as log2 of the odds, in bits"),
        *(
            Column(f"gamma_{name}", "TINYINT", f"Level of {name}; -1: missing", minimum=-1)
            for name in spec.comparison_fields
        ),
    ]


def _nothing_scored(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Write a first pass without scores: the second one then helps who has no candidate."""
    facts = {"candidates": 0, "scored": 0, "stored": 0, "matches": 0, "weights": {}}
    with lake.writing(FIRST_PASS, {**facts, "unscored": True}) as draft:
        engine.put("none_scored", arrow_of(_columns(spec)))
        engine.write("select * from none_scored", draft.file())
        return dict(draft.facts)


def score_pairs(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    pairs: str = "unified_pairs",
    table: str = "matches",
    first: str | None = None,
) -> Facts:
    """Score every candidate pair with the model; keep those that may be matches.

    Reads cleaned_records, the pairs, record_codes, term_frequencies and em_model with its
    model.json. first: a table of matches
    that is taken over as it is, with its counts. Writes the table of matches (left_no,
    right_no INTEGER, match_probability DOUBLE, match_weight FLOAT, and gamma_<field> TINYINT, the
    level of every comparison, -1 where a value is missing), one row per pair of at least
    min_probability. Memory does not grow with the number of pairs. What the last good run scored
    alike is taken over, see `find_scores_before`.
    Returns the facts kept beside the table: candidates, scored and stored pairs, matches at the
    threshold, "weights": pairs by their match weight, rounded down, of all that were scored, and,
    but for a first pass, "doubts", see `find_doubts`.
    """
    assert spec.matching is not None, "matching is on"
    lake.open(engine, "cleaned_records")
    for name in (pairs, *([first] if first else [])):
        lake.open(engine, name)
    try:
        model = read_model(lake)
    except ModelError:
        if table == FIRST_PASS:
            return _nothing_scored(engine, lake, spec)
        raise
    threshold = spec.matching.threshold
    with lake.writing(table) as draft:
        scratch = draft.folder / "scratch"
        scratch.mkdir()
        before = find_scores_before(engine, lake, pairs, table, first, scratch)
        known = before if isinstance(before, ScoresBefore) else None
        weights = _score(engine, lake, spec, model, known, pairs, draft.file(table))
        shutil.rmtree(scratch)
        candidates = int(lake.facts(pairs)["pairs"])
        if known:
            draft.facts["taken_over"] = candidates - known.n_gained
        elif before:
            draft.facts["done_in_full"] = before
        if first:
            link_files(lake.path(first), draft.folder)
            of_first = matches_facts(lake, first)
            candidates += of_first["candidates"]
            add_weights(weights, of_first["weights"].items())
        engine.read_folder(draft.folder, "written_matches")
        n_stored, n_matches = engine.row(
            f"select count(*), count(*) filter (where match_probability >= {threshold!r})"
            " from written_matches"
        )
        draft.facts.update(
            candidates=candidates,
            scored=sum(weights.values()),
            stored=n_stored,
            matches=n_matches,
            weights=dict(sorted(weights.items())),
        )
        if table != FIRST_PASS:
            draft.facts["doubts"] = find_doubts(engine, spec, model, "written_matches", threshold)
        if first:
            draft.facts["second_pass_records_given_a_match"] = _newly_matched(engine, spec, first)
        return dict(draft.facts)


def _score(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    model: Mapping[str, Any],
    known: ScoresBefore | None,
    pairs: str,
    file: Path,
) -> dict[int, int]:
    """Score the pairs, or those gained; write the likely ones beside `file`, which names them.

    Returns how many pairs have each match weight, rounded down.
    """
    assert spec.matching is not None, "matching is on"
    number_compared(engine, spec, RECORDS, known.records if known else None)
    likely = f"match_probability >= {spec.matching.min_probability!r}"
    weights: dict[int, int] = {}
    parts = (file.with_stem(f"{file.stem}_{i:04}") for i in count())
    if known:
        add_weights(weights, known.weights.items())
        engine.write(known.kept, next(parts), bulk=True)
    # One table of numbered records, whatever the mode: which pairs to score is decided already.
    settings = {**model, "link_type": "dedupe_only"}
    frequencies = read_frequencies(engine, lake)
    with linker_of(engine, [RECORDS], settings, frequencies) as (linker, api):
        for scored in _scored(engine, linker, api, known.gained if known else lake.path(pairs)):
            add_weights(weights, _count_weights(engine, scored))
            stored = f"{SCORED} from {scored} where {likely}"
            engine.write(_matches_sql(spec, model, stored), next(parts), bulk=True)
        for scored in _scored(engine, linker, api, known.lost) if known else ():
            add_weights(weights, _count_weights(engine, scored), sign=-1)
    first = next(parts)
    if first.stem.endswith("_0000"):
        engine.write(_matches_sql(spec, model, NONE_SCORED), first)
    return weights


def _scored(engine: Engine, linker: Any, api: Any, pairs: Path) -> Iterator[str]:
    """Score the pairs of a folder slice by slice; give the name of Splink's table of each."""
    slices = list(_slices(engine, pairs))
    for i, some in enumerate(slices):
        logger.info("scoring slice %s of %s", i + 1, len(slices))
        engine.make_table("slice_to_score", some)
        with predicted(linker, api, "slice_to_score") as scored:
            yield scored


def _count_weights(engine: Engine, scored: str) -> list[tuple[int, int]]:
    """Count the pairs of each match weight, rounded down."""
    return engine.rows(
        "select cast(floor(greatest(-99, least(99, match_weight))) as integer), count(*)"
        f" from {scored} group by 1"
    )


def judge_matches(facts: MatchesFacts) -> Iterator[Verdict]:
    """Judge the scores from the facts of `score_pairs`."""
    candidates, scored = facts["candidates"], facts["scored"]
    yield Verdict(
        SCORED_CHECK,
        candidates == scored,
        "error",
        f"{scored:,} of {candidates:,} candidate pairs are scored."
        + ("" if candidates == scored else " Materialize unified_pairs and matches again."),
        {"candidates": candidates, "scored": scored},
    )


def _newly_matched(engine: Engine, spec: PipelineSpec, first: str) -> int:
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


def _slices(engine: Engine, pairs: Path) -> Iterator[str]:
    """Cut the pairs of a folder into queries of up to `PAIRS_PER_SLICE` each.

    They give (join_key_l, join_key_r, match_key), as Splink takes pairs.
    """
    parts: list[str] = []
    room = PAIRS_PER_SLICE
    for nth, file in enumerate(sorted(pairs.glob("*.parquet"))):
        name = f"pairs_of_file_{nth}"
        engine.read_file(file, name, row_numbers=True)
        (n_rows,) = engine.row(f"select count(*) from {name}")
        start = 0
        while start < n_rows:
            end = min(n_rows, start + room)
            # Files keep the order of their rows, so every row is in exactly one part.
            parts.append(
                "select left_no as join_key_l, right_no as join_key_r, '0' as match_key"
                f" from {name} where file_row_number >= {start} and file_row_number < {end}"
            )
            room -= end - start
            start = end
            if not room:
                yield " union all ".join(parts)
                parts, room = [], PAIRS_PER_SLICE
    if parts:
        yield " union all ".join(parts)


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
        f", {level_sql(comparison)} as {quoted('gamma_' + comparison['output_column_name'])}"
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


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec, table: str) -> Iterable[Verdict]:
    facts = matches_facts(lake, table)
    yield from judge_matches(facts)
    if "doubts" in facts:
        yield judge_doubts(facts["doubts"], facts["matches"], spec.checks.max_doubtful_matches)


def _show(facts: Facts) -> Mapping[str, Shown]:
    doubts: list[Doubt] = facts.get("doubts", [])
    rows = [
        (
            doubt["field"],
            f"{doubt['doubtful']:,.0f}",
            f"{doubt['conflicts']:,} of {doubt['checked']:,}",
            " and ".join(doubt["example"]),
        )
        for doubt in doubts
    ]
    header = ("field", "doubtful matches", "both values backed", "such as")
    return {
        **numbers(facts),
        **({"doubts": Grid(header, rows)} if rows else {}),
        "weights": MatchWeights({int(weight): n for weight, n in facts["weights"].items()}),
    }
