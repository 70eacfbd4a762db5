"""Pairs in question: a handful of them, each explained as er-pipeline explain does."""

from collections.abc import Iterator, Sequence

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError, LakeError, first_line
from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.evaluation.explained_pair import ExplainedPair, PairKeys, explain_pair
from er_pipeline.evaluation.page.model_charts import level_name
from er_pipeline.evaluation.page.page_parts import Listing, Part, RunOnPage, Section, name_pairs

# Pairs that are explained, each some tenths of a second among a million records.
EXPLAINED = 4
# Which pairs are asked about: table, what its pairs are, and those that say most first.
ASKED = (
    (
        "missed_matches",
        "true pairs that are not found",
        "select left_no, right_no, row_number() over"
        " (partition by cause order by left_no, right_no) as place from missed_matches",
    ),
    ("label_queue", "pairs to be judged", "select left_no, right_no, queue_no as place from {}"),
    ("entity_bridges", "weak bridges", "select left_no, right_no, bridge_no as place from {}"),
)
DROP_TEXTS = {
    "oversized": "over the cap",
    "refined": "over the cap, divided",
    "below_min_size": "too small",
    "one_source": "of one source",
}


def questioned_section(run: RunOnPage) -> Section:
    """Explain some missed pairs or, where no truth is known, some that are in doubt."""
    label, title = "In question", "Pairs in question: are they together, and why?"
    if not run.has("cleaned_records", "unified_pairs"):
        return Section(label, title, "Not known: the table unified_pairs is not good.")
    what, pairs = _draw(run)
    if not pairs:
        return Section(label, title, "No pair is known to be missed, and none is in doubt.")
    try:
        explained = _explain(run, pairs)
    except (LakeError, InputError) as error:
        return Section(label, title, f"Not known: {run.message(first_line(error))}")
    parts: list[Part] = [_listing(run, pair) for pair in explained]
    answer = (
        f"{len(explained)} {what}, explained: values, keys and blocks, score, and what would unite"
        " them. er-pipeline explain does so for any two records, or for one."
    )
    return Section(label, title, answer, parts)


def _draw(run: RunOnPage) -> tuple[str, Sequence[tuple[RecordName, RecordName]]]:
    """Choose the pairs; say what they are."""
    for table, what, query in ASKED:
        if not run.has(table):
            continue
        run.open(table, "cleaned_records")
        run.engine.make_table(
            "pairs_in_question",
            f"select * from ({query.format(table)}) order by place, left_no, right_no"
            f" limit {EXPLAINED}",
        )
        rows = run.engine.rows(
            "select left_source, left_id, right_source, right_id"
            f" from ({name_pairs(run.engine, 'pairs_in_question')})"
            " order by place, left_no, right_no"
        )
        if rows:
            return what, [(RecordName(*row[:2]), RecordName(*row[2:])) for row in rows]
    return "", ()


def _explain(run: RunOnPage, pairs: Sequence[tuple[RecordName, RecordName]]) -> list[ExplainedPair]:
    """Explain pairs in an engine of their own, where the truth is one pair at a time."""
    spec, lake = run.spec, run.lake
    with DuckDBEngine(spec.threads, spec.memory_limit, lake.spill) as engine:
        return [explain_pair(engine, lake, spec, *names) for names in pairs]


def _listing(run: RunOnPage, pair: ExplainedPair) -> Listing:
    left, right = (f"{name.source}:{name.record_id}" for name in (pair.left, pair.right))
    grid = Grid(("", left, right, "said"), [*_rows(run, pair)])
    return Listing(f"{left} and {right}", grid, run.message(pair.sentence), is_folded=True)


def _rows(run: RunOnPage, pair: ExplainedPair) -> Iterator[tuple[str, ...]]:
    for field, (left, right) in pair.values.items():
        same = "equal" if left is not None and left == right else ""
        yield field, run.value(left), run.value(right), same
    for keys in pair.keys:
        sides = [run.value(" ".join(of)) if of else "no key" for of in (keys.left, keys.right)]
        yield f"strategy {keys.strategy}", *sides, _blocks(keys)
    if pair.similarity is not None:
        yield "neighbours", "", "", f"cosine {pair.similarity:.4f}, rank {pair.rank}"
    made_by = ", ".join(pair.proposed_by) or "nothing"
    candidate = "a candidate" if pair.is_candidate else "no candidate"
    yield "made by", "", "", f"{made_by}: {candidate}"
    if pair.weight is not None:
        yield "weight", "", "", f"{pair.weight:.4f}"
    for term in pair.score.terms if pair.score else ():
        said = level_name(term.level, term.comparison)
        yield f"score of {term.comparison}", "", "", f"{term.weight:+.2f} bits: {said}"
    if pair.score:
        yield "probability", "", "", f"{pair.score.probability:.6g}"
    if pair.entities:
        (left_id, n_left), (right_id, n_right) = pair.entities
        sizes = (count_of(n, "record") for n in (n_left, n_right))
        both = [f"{no}, {n}" for no, n in zip((left_id, right_id), sizes, strict=True)]
        yield "entity", *both, "the same" if left_id == right_id else "two"


def _blocks(keys: PairKeys) -> str:
    if not keys.blocks:
        return "no common key"
    return "; ".join(
        "one block"
        + (f" of {count_of(block.records, 'record')}" if block.records is not None else "")
        + (f", {DROP_TEXTS[block.why]}" if block.why else ", compared")
        for block in keys.blocks
    )
