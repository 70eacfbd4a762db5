"""View lists: what the searches by fields and by words take over, and leave for another night."""

from er_pipeline.blocking.encoders import Encoder, Lexical
from er_pipeline.blocking.encoders.lexical import texts_of_columns
from er_pipeline.blocking.encoders.whole_record import WORDS
from er_pipeline.blocking.neighbours.carried_lists import NEIGHBOUR_CANDIDATES, CarriedLists
from er_pipeline.blocking.neighbours.common_terms import CommonTerms
from er_pipeline.blocking.neighbours.encoder_statistics import load_statistics
from er_pipeline.blocking.neighbours.neighbour_lists import (
    Learned,
    most_texts_of,
    search_settings,
)
from er_pipeline.blocking.neighbours.record_embeddings import TEXT_NO
from er_pipeline.blocking.neighbours.vector_files import (
    WHOLE_VECTORS,
    load_learned_texts,
    vector_folder,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake, TableDraft
from er_pipeline.blocking.tables.stamps import code_version, digest
from er_pipeline.blocking.tables.table import Column, Table

# Products per record by words: a fifth of what n-grams may cost, since words are rarer.
WORK_OF_WORDS = 6_000
CANDIDATES = Table(
    NEIGHBOUR_CANDIDATES,
    "The lists that the search began from, in the numpy files beside it: what another night takes"
    " over as far as it is the same.",
    [TEXT_NO, Column("text_hash", "VARCHAR", "MD5 of the text, or of the vector brought")],
    view=None,
    is_internal=True,
    is_from_outside=True,  # former runs, on which nothing that is made of it depends
)


def carries_lists(spec: PipelineSpec) -> bool:
    """Say whether there are lists that another night can take over: those by TF-IDF."""
    return isinstance(spec.embedding, Lexical) or spec.reads_whole_records


class ViewLists:
    """What both searches of a run take over, and what they leave."""

    def __init__(
        self, engine: Engine, lake: Lake, draft: TableDraft, spec: PipelineSpec, encoder: Encoder
    ) -> None:
        """Read what the last run left; `draft` of the candidates takes what this one leaves."""
        self._lake, self._draft, self._spec = lake, draft, spec
        self._statistics = load_statistics(engine, lake)
        draft.content = digest("neighbour candidates")
        settings = search_settings(encoder, spec.link_mode)
        kinds = [[name, spec.field_kinds[name]] for name in spec.embedding_fields]
        self._identity = digest(
            [
                *(encoder.identity, kinds, self._statistics.digest),
                *(settings, encoder.direction, WORK_OF_WORDS, spec.link_mode),
                code_version(__name__),
            ]
        )
        self.carried = CarriedLists(engine, lake, draft.folder, self._identity)

    def learned(self, view: str, encoder: Encoder) -> Learned | None:
        """Give what was learned of a view; None where nothing was, with dense vectors."""
        if not isinstance(encoder, Lexical):
            return None
        if view == WORDS:
            folder = self._lake.path(WHOLE_VECTORS) / WORDS
            texts = self._statistics.whole[WORDS].texts
            # Rare words find enough (93% of the lists of a million people), and pairs save nothing.
            terms = CommonTerms.none()
        else:
            assert self._statistics.lexical is not None
            folder = vector_folder(self._lake)
            kinds = {name: self._spec.field_kinds[name] for name in self._spec.embedding_fields}
            texts = texts_of_columns(kinds, self._statistics.lexical)
            terms = self._statistics.common
        columns, in_force = load_learned_texts(folder)
        most = most_texts_of(texts, self._statistics, encoder, self._spec.link_mode, terms)
        return Learned(view, columns, in_force, most, terms, self.carried)

    def finish(self, engine: Engine) -> None:
        """Note what the lists that were kept are of."""
        self.carried.finish(engine, self._draft.facts, self._identity)
