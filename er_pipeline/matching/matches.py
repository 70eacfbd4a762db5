"""Candidate pairs + model -> matches: every pair scored once, the likely ones stored."""

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NotRequired, cast

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake, link_files
from er_pipeline.blocking.tables.pictures import MatchWeights, Shown, numbers
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
from er_pipeline.matching.likely_pairs import LikelyPairs, least_weight
from er_pipeline.matching.pair_bounds import PairBounds
from er_pipeline.matching.precision_doubts import (
    PrecisionDoubts,
    checks_of,
    doubts_grid,
    find_precision_doubts,
    judge_precision,
)
from er_pipeline.matching.scored_pairs import number_compared
from er_pipeline.matching.scores_before import CODES, ScoresBefore, find_scores_before
from er_pipeline.matching.splink_linker import ModelError, linker_of, predicted, read_model
from er_pipeline.matching.term_frequencies import FREQUENCIES, read_frequencies

logger = logging.getLogger(__name__)

FIRST_PASS = "first_pass_matches"

RECORDS = "records_to_score"
# Looking at the values of a record alone costs as much as comparing so many pairs.
LEAST_PAIRS_PER_RECORD = 5
SCORED = (
    "select cast(record_no_l as integer) as left_no, cast(record_no_r as integer) as right_no,"
    " cast(match_probability as double) as match_probability,"
    " cast(match_weight as float) as match_weight"
)
NONE_SCORED = (
    f"{SCORED} from (select 0 as record_no_l, 0 as record_no_r, 0 as match_probability,"
    " 0 as match_weight) where false"
)
# As Splink takes pairs.
TO_SCORE = (
    "select left_no as join_key_l, right_no as join_key_r, '0' as match_key from likely_pairs"
)

SCORED_CHECK = "every_candidate_is_scored"


class MatchesFacts(PrecisionDoubts):
    """What is noted beside matches; see `score_pairs`.

    compared: pairs that were no lost case before their values were compared. weights: stored pairs
    by match weight. taken_over: candidates whose scores are those of the night before.
    done_in_full: why none are.
    """

    candidates: int
    scored: int
    compared: int
    stored: int
    matches: int
    weights: dict[str, int]
    unscored: NotRequired[bool]
    taken_over: NotRequired[int]
    done_in_full: NotRequired[str]
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
        checks=(Check(SCORED_CHECK, why), *([] if table == FIRST_PASS else checks_of(spec))),
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
    facts = dict.fromkeys(("candidates", "scored", "compared", "stored", "matches"), 0)
    with lake.writing(FIRST_PASS, {**facts, "weights": {}, "unscored": True}) as draft:
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
    threshold, "compared", see `_score`, "weights": stored pairs by their match weight, rounded
    down, and, but for a first pass, what speaks against them, see `PrecisionDoubts`.
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
        scored, compared = _score(engine, lake, spec, model, known, pairs, draft.file(table))
        shutil.rmtree(scratch)
        candidates = int(lake.facts(pairs)["pairs"])
        if known:
            scored += known.n_kept
            draft.facts["taken_over"] = candidates - known.n_gained
        elif before:
            draft.facts["done_in_full"] = before
        if first:
            link_files(lake.path(first), draft.folder)
            of_first = matches_facts(lake, first)
            candidates += of_first["candidates"]
            scored += of_first["scored"]
        engine.read_folder(draft.folder, "written_matches")
        n_stored, n_matches = engine.row(
            f"select count(*), count(*) filter (where match_probability >= {threshold!r})"
            " from written_matches"
        )
        draft.facts.update(
            candidates=candidates,
            scored=scored,
            compared=compared,
            stored=n_stored,
            matches=n_matches,
            weights=_count_weights(engine),
        )
        if table != FIRST_PASS:
            draft.facts.update(
                find_precision_doubts(engine, spec, model, "written_matches", threshold)
            )
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
) -> tuple[int, int]:
    """Score the pairs, or those gained; write the likely ones beside `file`, which names them.

    Returns how many pairs were scored, and of how many the values were compared: the others are
    unlikely whatever these are alike.
    """
    assert spec.matching is not None, "matching is on"
    number_compared(engine, spec, RECORDS)
    least = spec.matching.min_probability
    parts = (file.with_stem(f"{file.stem}_{i:04}") for i in count())
    if known:
        engine.write(known.kept, next(parts), bulk=True)
    frequencies = read_frequencies(engine, lake)
    n_pairs = known.n_gained if known else lake.facts(pairs)["pairs"]
    (n_records,) = engine.row(f"select count(*) from {RECORDS}")
    bounds = None
    if n_pairs > n_records * LEAST_PAIRS_PER_RECORD:
        bounds = PairBounds(engine, model, RECORDS, frequencies, least_weight(least))
    likely = LikelyPairs(engine, known.gained if known else pairs, bounds)
    # One table of numbered records, whatever the mode: which pairs to score is decided already.
    settings = {**model, "link_type": "dedupe_only"}
    with linker_of(engine, [RECORDS], settings, frequencies) as (linker, api):
        for left, right in likely.slices():
            logger.info("scoring %s pairs of %s so far", len(left), likely.seen)
            engine.put("likely_pairs", {"left_no": left, "right_no": right})
            engine.make_table("slice_to_score", TO_SCORE)
            with predicted(linker, api, "slice_to_score") as scored:
                stored = f"{SCORED} from {scored} where match_probability >= {least!r}"
                engine.write(_matches_sql(spec, model, stored), next(parts), bulk=True)
    first = next(parts)
    if first.stem.endswith("_0000"):
        engine.write(_matches_sql(spec, model, NONE_SCORED), first)
    return likely.seen, likely.kept


def _count_weights(engine: Engine) -> dict[int, int]:
    """Count the pairs of written_matches of each match weight, rounded down."""
    counted = engine.rows(
        "select cast(floor(greatest(-99, least(99, match_weight))) as integer) as weight, count(*)"
        " from written_matches group by 1 order by 1"
    )
    return dict(counted)


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
    yield from judge_precision(facts, facts["matches"], spec)


def _show(facts: Facts) -> Mapping[str, Shown]:
    doubts = doubts_grid(cast(PrecisionDoubts, facts))
    return {
        **numbers(facts),
        **({"doubts": doubts} if doubts else {}),
        "weights": MatchWeights({int(weight): n for weight, n in facts["weights"].items()}),
    }
