"""Pairs to look at one by one: of every class of score some, with what each comparison says."""

from collections.abc import Mapping, Sequence
from typing import Any

from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.evaluation.page.model_charts import level_name, waterfall
from er_pipeline.evaluation.page.page_parts import PairViewer, RunOnPage, Section, name_pairs
from er_pipeline.evaluation.pair_score import score_pairs
from er_pipeline.matching.splink_linker import read_model
from er_pipeline.matching.term_frequencies import read_frequencies

# Pairs that are drawn of each class, and the width of a class in bits.
PER_CLASS, BITS = 4, 5
# Pairs far below the threshold are not stored; some records' candidates stand for them.
RECORDS_DRAWN, PAIRS_OF_ANY = 24, 12
MISSED = 8


def pairs_section(run: RunOnPage) -> Section:
    """Let a person look at pairs of every score, and see how the score comes about."""
    title = "What do the pairs look like?"
    if run.spec.matching is None:
        return Section(
            "Pairs", title, "Nothing is scored, since `matching` is off; see er-pipeline explain."
        )
    needed = ("cleaned_records", "unified_pairs", "matches", "em_model", "term_frequencies")
    if not run.has(*needed):
        return Section("Pairs", title, "Not known: the table matches is not good.")
    run.open("cleaned_records", "unified_pairs", "matches")
    ends = _draw(run)
    if not ends:
        return Section("Pairs", title, "There is no candidate pair.")
    frequencies = read_frequencies(run.engine, run.lake)
    scores = score_pairs(run.engine, read_model(run.lake), frequencies, ends)
    named = _named(run, ends)
    pairs: list[dict[str, Any]] = []
    for (left_no, right_no), score in zip(ends, scores, strict=True):
        known = named[left_no, right_no]
        said = [("before any comparison", "", score.prior)]
        said += [
            (term.comparison, level_name(term.level, term.comparison), term.weight)
            for term in score.terms
        ]
        total = score.prior + sum(term.weight for term in score.terms)
        pairs.append(
            {
                **known,
                "weight": round(total, 2),
                "probability": f"{score.probability:.6g}",
                "terms": [
                    {"name": name, "level": level, "bits": round(bits, 3)}
                    for name, level, bits in said
                ],
            }
        )
    pairs.sort(key=lambda pair: (-pair["weight"], pair["left"], pair["right"]))
    n_terms = max(len(pair["terms"]) for pair in pairs) + 1
    answer = (
        f"{count_of(len(pairs), 'pair')} of every class of score, drawn by number, heaviest first:"
        " choose one to see its values and how its score comes about."
    )
    about = (
        "Where the score is near the threshold, look hardest. Of any other pair er-pipeline explain"
        " says the same and more."
    )
    viewer = PairViewer("A pair and its score", pairs, waterfall(n_terms), about)
    return Section("Pairs", title, answer, [viewer])


def _draw(run: RunOnPage) -> list[tuple[int, int]]:
    """Draw pairs: of each class of match weight, of those hardly alike, and of those missed."""
    rows = run.engine.rows(
        f"""
        select left_no, right_no from matches
        qualify row_number() over (
            partition by cast(floor(match_weight / {BITS}) as integer) order by left_no, right_no
        ) <= {PER_CLASS}
        """
    )
    (n_records,) = run.engine.row("select count(*) from cleaned_records")
    step = max(1, n_records // RECORDS_DRAWN)
    drawn = ", ".join(str(no) for no in range(0, n_records, step))
    if drawn:
        rows += run.engine.rows(
            f"""
            select left_no, min(right_no) from unified_pairs where left_no in ({drawn})
            group by left_no order by left_no limit {PAIRS_OF_ANY}
            """
        )
    if run.has("missed_matches"):
        run.open("missed_matches")
        rows += run.engine.rows(
            "select left_no, right_no from missed_matches order by left_no, right_no"
            f" limit {MISSED}"
        )
    return sorted({(int(left), int(right)) for left, right in rows})


def _named(
    run: RunOnPage, ends: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Mapping[str, Any]]:
    """Give the ids of pairs, their values field by field, and the strategies that propose them."""
    wanted = ", ".join(f"({left}, {right})" for left, right in ends)
    run.engine.make_table("drawn_pairs", f"select * from (values {wanted}) as d(left_no, right_no)")
    lefts = ", ".join(str(no) for no in sorted({left for left, _ in ends}))
    masks = {
        (left, right): int(mask)
        for left, right, mask in run.engine.rows(
            f"""
            select u.left_no, u.right_no, u.strategy_mask from (
                select left_no, right_no, strategy_mask from unified_pairs
                where left_no in ({lefts})
            ) as u join drawn_pairs as d on d.left_no = u.left_no and d.right_no = u.right_no
            """
        )
    }
    numbers = ", ".join(str(no) for no in sorted({no for pair in ends for no in pair}))
    fields = list(run.spec.field_kinds)
    columns = ", ".join(map(quoted, fields))
    values = {
        no: row
        for no, *row in run.engine.rows(
            f"select record_no, {columns} from cleaned_records where record_no in ({numbers})"
        )
    }
    bits = unified_facts(run.lake)["strategy_bits"]
    named: dict[tuple[int, int], Mapping[str, Any]] = {}
    for left_no, right_no, left, right in run.engine.rows(
        "select left_no, right_no, left_source || ':' || left_id, right_source || ':' || right_id"
        f" from ({name_pairs(run.engine, 'drawn_pairs')})"
    ):
        mask = masks.get((left_no, right_no))
        sides = zip(fields, values[left_no], values[right_no], strict=True)
        named[left_no, right_no] = {
            "left": left,
            "right": right,
            "strategies": None
            if mask is None
            else ", ".join(name for name, bit in bits.items() if mask >> bit & 1),
            "values": [
                {
                    "field": field,
                    "left": run.value(one),
                    "right": run.value(other),
                    "is_equal": one is not None and one == other,
                }
                for field, one, other in sides
            ],
        }
    return named
