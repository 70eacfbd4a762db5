"""Vectors -> near neighbours -> pairs with a similarity.

Records are searched for by the encoder's vectors, field by field, and by the words of the whole
record as one text, which finds what stands in another field. The lists are of texts, so records
with identical texts neither crowd others out nor are searched twice; the pairs are of records. A
pair is kept when either side lists the other, its similarity reaches the floor, and it reaches the
given share of the best similarity of one of its two sides: that cut needs no scale, where a fixed
cosine would keep 2 to 67% of the true pairs of n-grams.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, cast

from er_pipeline.blocking.encoders import Encoder, Lexical
from er_pipeline.blocking.encoders.whole_record import WORDS
from er_pipeline.blocking.neighbours.carried_lists import NEIGHBOUR_CANDIDATES
from er_pipeline.blocking.neighbours.cosines import fill_cosines, texts_of_records
from er_pipeline.blocking.neighbours.encoder_statistics import BY_FIELDS, ENCODER_STATISTICS
from er_pipeline.blocking.neighbours.nearest import SearchStats
from er_pipeline.blocking.neighbours.neighbour_lists import search_settings
from er_pipeline.blocking.neighbours.neighbour_pairs import search_pairs
from er_pipeline.blocking.neighbours.vector_files import (
    TEXT_VECTORS,
    WHOLE_VECTORS,
    load_vectors,
    load_whole_vectors,
    vector_folder,
)
from er_pipeline.blocking.neighbours.view_lists import (
    CANDIDATES,
    WORK_OF_WORDS,
    ViewLists,
    carries_lists,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Shown, Similarities, numbers
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Check, Column, Facts, Table
from er_pipeline.blocking.tables.verdicts import Verdict, unless
from er_pipeline.blocking.tables.views import pairs_by_id

if TYPE_CHECKING:
    pass

SIMILARITY_CLASSES = 10
WORD_SIMILARITY = Column("word_similarity", "FLOAT", "Cosine of the words of both", minimum=-1)
# Least recall of the lists by words.
LEAST_OF_WORDS = float(Lexical.model_fields["min_recall"].default)
# Share of lists that are full above which k is too small to be the end of them.
MAX_FULL_LISTS = 0.05

CHECKS = (
    Check(
        "embedding_pairs_within_budget",
        "Every pair costs money.",
        limits=("embedding.max_pairs_per_record",),
    ),
    Check(
        "lists_are_not_full",
        "A full list may have been cut short: k is too small.",
        stops=False,
    ),
    Check(
        "index_recall_is_enough",
        "What an approximate index misses is lost for good.",
        limits=("embedding.min_recall",),
    ),
)


class NeighbourFacts(TypedDict):
    """What is noted beside embedding_blocks; similarities: range such as 0.3-0.4 -> pairs.

    k: neighbours per list. min_share_of_best: as the budget had it. pairs_by_fields,
    pairs_by_words: as either search found them. recall: of the lists by fields, as are index and
    what follows it; recall_by_words: of those by the words of whole records. lists_taken_over: by
    either search, from the last run, the others were searched.
    """

    pairs: int
    pairs_per_record: float
    k: int
    min_share_of_best: float
    pairs_by_fields: int
    pairs_by_words: int
    full_lists_share: float
    index: str
    recall: float
    recall_by_words: float
    search_width: int
    common_ngrams_left_out: int
    lists_taken_over: int
    lists_searched: int
    similarities: dict[str, int]


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that pairs every record with its neighbours, where they are asked for."""
    if spec.embedding is None:
        return []
    whole = [WORD_SIMILARITY] if spec.reads_whole_records else []
    table = Table(
        "embedding_blocks",
        "The nearest neighbours of every record, by its fields and as a whole, as pairs with their"
        " similarities.",
        [
            LEFT_NO,
            RIGHT_NO,
            Column("similarity", "FLOAT", "Cosine similarity of their vectors", minimum=-1),
            *whole,
            Column("rank", "SMALLINT", "Place in the best of their lists", minimum=1),
        ],
        pairs_by_id(
            "embedding_blocks",
            after=["p.similarity", *(f"p.{column.name}" for column in whole), "p.rank"],
        ),
    )
    return [
        Step(
            writes=[table, *([CANDIDATES] if carries_lists(spec) else [])],
            reads=[
                "cleaned_records",
                "record_embeddings",
                TEXT_VECTORS,
                *([ENCODER_STATISTICS] if carries_lists(spec) else []),
                *([WHOLE_VECTORS] if spec.reads_whole_records else []),
            ],
            settings=[
                [search_settings(spec.embedding, spec.link_mode), spec.reads_whole_records],
                spec.link_mode,
                _lists_of(spec),
            ],
            run=partial(find_neighbours, spec=spec),
            stage="blocks",
            checks=CHECKS,
            judge=partial(_judge, spec=spec),
            show=_show,
        )
    ]


def find_neighbours(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Find the neighbours of every record; write them as pairs.

    Reads record_embeddings and the vectors of its texts. Writes embedding_blocks (left_no,
    right_no INTEGER, similarity and, where records are compared as a whole, too, word_similarity
    FLOAT from -1 to 1, rank SMALLINT from 1, the best one in their lists), each pair once, left_no
    < right_no; when linking only between sources.
    A text of several records stands for at most k of them in another's list.
    Returns the facts kept beside the table, see `NeighbourFacts`.
    """
    assert spec.embedding is not None
    for table in ("cleaned_records", "record_embeddings"):
        lake.open(engine, table)
    (n_records,) = engine.row("select count(*) from cleaned_records")
    per_record = spec.kept_per_record(n_records)
    encoder = spec.embedding.within(per_record)
    search, search_by_words = SearchStats(), SearchStats()
    with ExitStack() as drafts:
        draft = drafts.enter_context(lake.writing("embedding_blocks"))
        lists = None
        if carries_lists(spec):
            kept = drafts.enter_context(lake.writing(NEIGHBOUR_CANDIDATES))
            lists = ViewLists(engine, lake, kept, spec, encoder)
        vectors = {"similarity": load_vectors(vector_folder(lake))}
        by_fields = vectors["similarity"]
        n_lists = search_pairs(
            engine,
            spec,
            encoder,
            by_fields,
            draft.folder,
            "near",
            search,
            learned=lists.learned(BY_FIELDS, encoder) if lists else None,
        )
        (n_full,) = engine.row(f"select count(*) from kept_lists where rank = {encoder.n_listed}")
        (n_by_fields,) = engine.row("select count(*) from near")
        found = "select *, null::float as word_similarity from near"
        n_by_words = 0
        if spec.reads_whole_records:
            assert lists is not None
            words = load_whole_vectors(lake)[WORDS]
            vectors[WORD_SIMILARITY.name] = words
            by_words = Lexical(
                k=encoder.n_listed, direction=encoder.direction, max_work_per_record=WORK_OF_WORDS
            ).within(per_record)
            search_pairs(
                engine,
                spec,
                by_words,
                words,
                draft.folder,
                "near_by_words",
                search_by_words,
                learned=lists.learned(WORDS, by_words),
            )
            (n_by_words,) = engine.row("select count(*) from near_by_words")
            found += (
                " union all select left_no, right_no, null, rank, similarity from near_by_words"
            )
        if lists:
            lists.finish(engine)
        cosines = "".join(f"max({name}) as {name}, " for name in vectors)
        engine.write(
            f"select left_no, right_no, {cosines}min(rank) as rank from ({found})"
            " group by left_no, right_no order by left_no, right_no",
            draft.file(),
        )
        if spec.reads_whole_records:
            text = texts_of_records(engine, lake, n_records)
            fill_cosines(draft.folder, vectors, text, missing_only=True)
        engine.read_folder(draft.folder, "neighbour_pairs")
        (n_all,) = engine.row("select count(*) from neighbour_pairs")
        facts = NeighbourFacts(
            pairs=n_all,
            pairs_per_record=n_all / n_records,
            k=encoder.n_listed,
            min_share_of_best=encoder.min_share_of_best,
            pairs_by_fields=n_by_fields,
            pairs_by_words=n_by_words,
            full_lists_share=n_full / n_lists if n_lists else 0.0,
            index=search.index,
            recall=search.recall,
            recall_by_words=search_by_words.recall,
            search_width=search.search_width,
            common_ngrams_left_out=search.left_out,
            lists_taken_over=lists.carried.carried if lists else 0,
            lists_searched=lists.carried.searched if lists else n_lists,
            similarities=_histogram(engine),
        )
        draft.facts.update(facts)
        return dict(draft.facts)


def _lists_of(spec: PipelineSpec) -> Any:
    """Return what of the budget shapes the search: its lists, which it may lengthen."""
    budget, encoder = spec.budget, spec.embedding
    if budget is None or encoder is None:
        return None
    follows = any(map(encoder.is_open, ("k", "min_share_of_best")))
    if not (follows or spec.reads_whole_records):
        return None
    if budget.max_pairs is not None:  # per record only once they are counted
        return [budget.pairs_per_record, budget.max_pairs]
    searched = encoder.within(budget.pairs_per_record)
    return [searched.k, searched.min_share_of_best]


def neighbour_facts(lake: Lake) -> NeighbourFacts:
    """Read what is noted beside embedding_blocks."""
    return cast(NeighbourFacts, lake.facts("embedding_blocks"))


def as_searched(lake: Lake, spec: PipelineSpec, encoder: Encoder) -> Encoder:
    """Give an encoder with what it was searched with, the first pass's as the budget had it."""
    if encoder is not spec.embedding:
        return encoder
    facts = neighbour_facts(lake)
    searched = {"k": facts["k"], "min_share_of_best": facts["min_share_of_best"]}
    return encoder.model_copy(update=searched)


def judge_neighbours(facts: NeighbourFacts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge what the search found, from the facts of `find_neighbours`."""
    encoder = spec.embedding
    assert encoder is not None
    most = encoder.model_copy(update={"k": facts["k"]}).most_pairs_per_record
    within = facts["pairs_per_record"] <= most
    yield Verdict(
        "embedding_pairs_within_budget",
        within,
        "error",
        f"{facts['pairs']:,} pairs, {facts['pairs_per_record']:.2f} per record (at most"
        f" {most:g} wanted)."
        + ("" if within else " Lower embedding: k, or raise min_similarity or min_share_of_best."),
        {"pairs": facts["pairs"], "pairs_per_record": facts["pairs_per_record"]},
    )
    full = facts["full_lists_share"]
    # Lists that follow from a budget hold more than it keeps, by far.
    is_of_budget = spec.budget is not None and encoder.is_open("k")
    yield Verdict(
        "lists_are_not_full",
        full <= MAX_FULL_LISTS or is_of_budget,
        "warn",
        f"{full:.1%} of the lists are full: their last neighbour is still above the cut"
        f" (a warning above {MAX_FULL_LISTS:.0%})."
        + unless(
            full <= MAX_FULL_LISTS,
            " Their length follows from the budget, which keeps fewer of them."
            if is_of_budget
            else " Raise embedding: k, at the price of more pairs.",
        ),
        {"full_lists_share": full},
    )
    # Words are searched for like n-grams, whatever index the encoder's vectors have.
    by_words, least_by_words = facts["recall_by_words"], min(encoder.min_recall, LEAST_OF_WORDS)
    yield Verdict(
        "index_recall_is_enough",
        facts["recall"] >= encoder.min_recall and by_words >= least_by_words,
        "error",
        f"The {facts['index']} index finds {facts['recall']:.2%} of the exact lists"
        f" (at least {encoder.min_recall:.0%} wanted)."
        f" By words {by_words:.2%} of them are found (at least {least_by_words:.0%}).",
        {
            "recall": facts["recall"],
            "recall_by_words": by_words,
            "min_recall": encoder.min_recall,
        },
    )


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    return judge_neighbours(neighbour_facts(lake), spec)


def _show(facts: Facts) -> Mapping[str, Shown]:
    return {
        **numbers(facts),
        "index": facts["index"],
        "similarity": Similarities(facts["similarities"]),
    }


def _histogram(engine: Engine) -> dict[str, int]:
    """Count pairs by tenth of similarity."""
    counted = dict(
        engine.rows(
            f"select least(cast(floor(similarity * {SIMILARITY_CLASSES}) as integer),"
            f" {SIMILARITY_CLASSES - 1}), count(*) from neighbour_pairs group by 1"
        )
    )
    return {
        f"{i / SIMILARITY_CLASSES:.1f}-{(i + 1) / SIMILARITY_CLASSES:.1f}": counted.get(i, 0)
        for i in range(SIMILARITY_CLASSES)
    }
