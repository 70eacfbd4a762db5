"""An explained pair as lines for people."""

from collections.abc import Iterator

from er_pipeline.evaluation.entity_chain import ChainLink
from er_pipeline.evaluation.explained_pair import ExplainedPair, PairKeys
from er_pipeline.evaluation.remedy_settings import as_declared
from er_pipeline.terminal.text_table import table_lines

# Cells of the terminal that a value or key takes at most.
SHOWN = 40
DROP_TEXTS = {
    "oversized": "over the cap, not compared",
    "refined": "over the cap, divided",
    "below_min_size": "too small, not compared",
    "one_source": "of one source alone, not compared",
}


def explained_lines(pair: ExplainedPair) -> Iterator[str]:
    """Write what became of two records, the sentence last."""
    names = [f"{name.source}:{name.record_id}" for name in (pair.left, pair.right)]
    yield from table_lines(
        ("", *names),
        [
            (f"{'=' if left == right and left else ' '} {field}", left or "", right or "")
            for field, (left, right) in pair.values.items()
        ],
        None,
        most=SHOWN,
    )
    yield ""
    yield from table_lines(
        ("strategy", "left keys", "right keys", "shared blocks"),
        [(keys.strategy, *_keys(keys)) for keys in pair.keys],
        None,
        most=SHOWN,
    )
    yield ""
    yield from _pair_lines(pair)
    if pair.score is not None:
        yield ""
        yield from table_lines(
            ("comparison", "level", "bits"),
            [
                ("before any", "", f"{pair.score.prior:+.2f}"),
                *(
                    (term.comparison, term.level, f"{term.weight:+.2f}")
                    for term in pair.score.terms
                ),
                ("", "probability of a match", f"{pair.score.probability:.6f}"),
            ],
            None,
            most=SHOWN,
        )
    if pair.chain:
        yield ""
        yield "joined by"
        for link in pair.chain:
            yield f"  {link.left} and {link.right} ({_strength(link)})"
    is_refused = pair.label is not None and pair.label.answer == "no_match"
    is_settled = pair.is_together or is_refused
    if pair.missed is not None and pair.missed.change is not None and not is_settled:
        yield ""
        yield f"to declare      {as_declared(pair.missed.change)}"
    yield ""
    yield pair.sentence


def _strength(link: ChainLink) -> str:
    scored = "" if link.match_probability is None else f"{link.match_probability:.6f}"
    said = "called a match" if link.answered else ""
    return ", ".join(filter(None, (scored, said)))


def _pair_lines(pair: ExplainedPair) -> Iterator[str]:
    by = ", ".join(pair.proposed_by)
    yield f"made by         {by or 'nothing'}"
    if pair.similarity is not None:
        yield f"neighbours      cosine {pair.similarity:.4f}, rank {pair.rank}"
    if pair.weight is not None:
        least = "" if pair.least_weight is None else f" (the least kept: {pair.least_weight:.4f})"
        yield f"weight          {pair.weight:.4f}{least}"
    yield f"candidate pair  {'yes' if pair.is_candidate else 'no'}"
    if pair.label is not None:
        yield f"label           {pair.label.line}"
    if pair.entities is not None:
        (left, n_left), (right, n_right) = pair.entities
        one = f"both in {left}, of {n_left:,} records"
        two = f"{left} of {n_left:,} records, and {right} of {n_right:,}"
        yield f"entities        {one if left == right else two}"


def _keys(keys: PairKeys) -> tuple[str, str, str]:
    blocks = [
        f"{block.records:,} records{', ' + DROP_TEXTS[block.why] if block.why else ''}"
        for block in keys.blocks
    ]
    return " ".join(keys.left) or "none", " ".join(keys.right) or "none", "; ".join(blocks) or "-"
