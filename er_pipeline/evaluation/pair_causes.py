"""The cause of every true pair that is not found, and the cheapest change that would find it.

What missed_matches writes of all true pairs of a dataset is asked of any pairs here.
"""

from dataclasses import dataclass

from er_pipeline.blocking.pairs.second_pass_pairs import helped_records
from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.table import arrow_of
from er_pipeline.evaluation.missed_blocks import choose_blocks, share_blocks
from er_pipeline.evaluation.missed_causes import causes_sql, find_missed, mark_lonely
from er_pipeline.evaluation.missed_keys import compare_keys, list_proposers
from er_pipeline.evaluation.missed_neighbours import explain_neighbours
from er_pipeline.evaluation.missed_weights import weigh_missed
from er_pipeline.evaluation.pair_score import scored_sql
from er_pipeline.evaluation.proposed_true import proposals_are_candidates, propose_true_pairs
from er_pipeline.evaluation.remedies import MissedTables, Remedy, find_remedies
from er_pipeline.evaluation.remedy_limits import remedy_limits
from er_pipeline.evaluation.remedy_settings import COMPARED_BY, NO_MATCH
from er_pipeline.matching.scored_pairs import SCORES
from er_pipeline.matching.splink_linker import read_model
from er_pipeline.matching.term_frequencies import frequencies_of_records, read_frequencies

# Said of a candidate that no threshold may be lowered for: of none, and of one so far.
IN_DOUBT = "no setting: the threshold stays while matches are in doubt or an entity is too large"
TOO_LOW = "no setting: so low a threshold lets too many wrong matches in"
ELSE_LABEL = "; if it is a match, label it, or compare its fields otherwise"
PROPOSED, CANDIDATES = "proposed_true", "candidate_true"


@dataclass(frozen=True)
class ExplainedPairs:
    """The pairs that are not found, and why.

    table: engine table (left_no, right_no, cause, detail, remedy), one row per pair. unlikely: how
    many of them no single change finds, since the model would give them less than the threshold.
    remedies: those that mend most first.
    """

    table: str
    unlikely: int
    remedies: list[Remedy]


def explain_pairs(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    threshold: float | None,
    truth: str | None,
    few: str | None = None,
) -> ExplainedPairs:
    """Find the cause of every pair of the engine's true_pairs that is not found.

    Reads the engine's tables that missed_matches declares. threshold: least probability of a match;
    None where nothing is scored, and every candidate is found. truth: engine table of all true
    pairs, None if they are not known. few: where only a few pairs are asked about, the engine table
    of their records, as cleaned_records. Then a change is sought, too, that makes pairs candidates
    and no matches.
    Makes proposed_true, too: the pairs that were ever proposed, see `propose_true_pairs`; and
    candidate_true: those that are candidates.
    """
    missed = MissedTables()
    bits = unified_facts(lake)["strategy_bits"]
    propose_true_pairs(engine, lake, spec, bits, PROPOSED)
    _find_candidates(engine, spec)
    records = few or "cleaned_records"
    find_missed(engine, PROPOSED, CANDIDATES, missed.pairs, threshold)
    if spec.second_pass:
        helped = helped_records(engine, lake, spec)
        engine.make_table(missed.helped, f"select distinct record_no from ({helped})")
    unpaired = "unpaired_true"
    mark_lonely(engine, spec, missed, unpaired, records)
    proposers = list_proposers(spec, lake)
    compare_keys(engine, proposers, unpaired, missed.records, missed.compared)
    share_blocks(
        engine, lake, spec, proposers, missed.compared, missed.records, missed.shared_blocks
    )
    dropped = "dropped_true"
    choose_blocks(engine, spec, proposers, missed.shared_blocks, dropped)
    explain_neighbours(
        engine,
        lake,
        spec,
        missed.compared,
        dropped,
        missed.neighbours,
        has_keys=bool(proposers),
    )
    weigh_missed(engine, lake, spec, missed.pairs, missed.weights)
    least = spec.matching.min_probability if spec.matching else None
    causes, unlikely, cheapest = "missed_causes", "unlikely_true", "missed_remedies"
    engine.make_table(causes, causes_sql(missed, dropped, threshold, least))
    _find_unlikely(
        engine, lake, spec, missed.pairs, unlikely, threshold, records, is_few=few is not None
    )
    if few is None:
        _leave_out(engine, missed, unlikely)
    (n_unlikely,) = engine.row(f"select count(*) from {unlikely}")
    remedies = find_remedies(engine, lake, spec, missed, cheapest, threshold=threshold, truth=truth)
    table = "explained_pairs"
    engine.make_table(
        table,
        f"""
        select c.left_no, c.right_no, c.cause,
            c.detail || coalesce('; as a candidate the model would give it '
                || printf('%.4f', u.match_probability), '') as detail,
            case when u.left_no is not null
                then {literal(NO_MATCH)} || coalesce({literal(COMPARED_BY)} || r.remedy, '')
                else coalesce(r.remedy, {_no_remedy(lake, spec)}) end as remedy
        from {causes} as c
        left join {unlikely} as u on u.left_no = c.left_no and u.right_no = c.right_no
        left join {cheapest} as r on r.left_no = c.left_no and r.right_no = c.right_no
        """,
    )
    return ExplainedPairs(table, n_unlikely, remedies)


def _find_candidates(engine: Engine, spec: PipelineSpec) -> None:
    """Make candidate_true: the pairs of true_pairs that are candidates, as in unified_pairs.

    Where nothing is cut and no weight is kept, what was proposed is there; all pairs are long to
    look through. That it is there is found out by who counts the true pairs found.
    """
    if proposals_are_candidates(spec):
        engine.make_table(CANDIDATES, f"select * from {PROPOSED}")
        return
    (n_proposed,) = engine.row(f"select count(*) from {PROPOSED}")
    engine.make_table(
        CANDIDATES,
        "select u.* from unified_pairs as u join true_pairs as t"
        " on t.left_no = u.left_no and t.right_no = u.right_no"
        + ("" if n_proposed else " limit 0"),
    )


def _find_unlikely(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    missed: str,
    unlikely: str,
    threshold: float | None,
    records: str,
    *,
    is_few: bool,
) -> None:
    """Make the engine table `unlikely` (left_no, right_no, match_probability).

    Holds missed pairs that are no candidates, and as such would score below the threshold; none
    where nothing is scored.
    """
    engine.put(unlikely, arrow_of(SCORES))
    if threshold is None or not spec.matching:
        return
    pairs = "no_candidates"
    engine.make_table(
        pairs, f"select left_no, right_no from {missed} where stage <> 'below_threshold'"
    )
    model = read_model(lake)
    frequencies = (
        frequencies_of_records(engine, lake, model, records)
        if is_few
        else read_frequencies(engine, lake)
    )
    scored = scored_sql(engine, model, frequencies, pairs, records)
    engine.make_table(unlikely, f"select * from ({scored}) where match_probability < {threshold!r}")


def _leave_out(engine: Engine, missed: MissedTables, unlikely: str) -> None:
    """Look for no remedy of unlikely pairs: no single change finds them."""
    for table in (missed.compared, missed.shared_blocks, missed.neighbours, missed.weights):
        engine.make_table(
            table,
            f"select t.* from {table} as t anti join {unlikely} as u"
            " on u.left_no = t.left_no and u.right_no = t.right_no",
        )


def _no_remedy(lake: Lake, spec: PipelineSpec) -> str:
    """Write what to say of a row c of missed_causes of which no single change is known."""
    text = "no key of one or two fields finds it"
    if not spec.embedding:
        text += "; try embedding: true"
    larger = "none that adds no more pairs than the checks and the budget allow"
    if spec.learns:
        larger = "none known: with larger blocks the rules would be learned anew"
    budget = "a larger budget"
    if spec.learns:
        budget += ", with which the rules would be learned anew"
    stays = spec.matching is not None and remedy_limits(lake, spec).least_precision is None
    threshold = f"{IN_DOUBT if stays else TOO_LOW}{ELSE_LABEL}"
    return (
        f"case c.cause when 'below_threshold' then {literal(threshold)}"
        f" when 'cut_by_budget' then {literal(budget)}"
        f" when 'block_dropped' then {literal(larger)} else {literal(text)} end"
    )
