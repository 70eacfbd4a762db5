"""What every encoder is: settings that can turn the texts of records into vectors.

An encoder is one class in one file: its fields are the settings a user writes under `embedding:`,
its `encode` makes the vectors. To add one, write the class and name it in `encoders/__init__.py`.
"""

import importlib
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from er_pipeline.blocking.tables.errors import BlockingError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Dense = NDArray[np.float32]
TEXTS_PER_BATCH = 100_000
# Neighbours per record where nothing says how many; with a budget so many times its pairs per
# record: of the pairs that a ranking shall choose from, three times as many must be there.
LISTED, LISTED_OF_BUDGET, MOST_LISTED = 10, 2.5, 1_000
PAIRS_PER_RECORD, PAIRS_PER_LISTED = 50.0, 4
# The least share of the best cosine where a budget cuts the pairs by more than a cosine.
SHARE_WITHIN_BUDGET = 0.2


class EncoderError(BlockingError):
    """An encoder cannot work here: names what is missing and the line that installs it."""


@dataclass(frozen=True)
class FieldValues:
    """One field of the distinct texts.

    values: its distinct clean values. codes: (n_texts,) place of each text's value, -1 for none.
    counts: (n_texts,) records that have the text.
    """

    name: str
    kind: str
    values: Sequence[str]
    codes: NDArray[np.int32]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """The distinct texts of a dataset, as encoders see them; each loads only what it needs.

    n_texts: their number. fields: reads one field after the other. batches: gives the texts
    written out as one line each, in order, `TEXTS_PER_BATCH` at a time. vectors: gives the
    vectors that the user brought, (n_texts, n_dims), for the encoder `column`.
    """

    n_texts: int
    fields: Callable[[], Iterator[FieldValues]]
    batches: Callable[[], Iterator[list[str]]]
    vectors: Callable[[], Dense]

    def sample(self, texts: NDArray[np.int64]) -> "Texts":
        """Return some of the texts, by field only, with the values that these hold."""

        def by_field() -> Iterator[FieldValues]:
            for field in self.fields():
                codes = field.codes[texts]
                held, places = np.unique(codes[codes >= 0], return_inverse=True)
                codes[codes >= 0] = places
                values = [field.values[code] for code in held.tolist()]
                yield FieldValues(field.name, field.kind, values, codes, field.counts[texts])

        return Texts(len(texts), by_field, self.batches, self.vectors)


class Encoder(BaseModel):
    """Settings of embedding blocks that all encoders share."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False
    )

    encoder: str
    fields: list[str] | None = Field(None, description="Fields the texts are made of; null is all.")
    k: int | None = Field(
        None,
        ge=1,
        le=MOST_LISTED,
        description="Neighbours listed per record, itself left out; if omitted 10, or 2.5 for each"
        " pair per record of the budget where that is more.",
    )
    whole_record: bool = Field(
        True,
        description="Find neighbours by the words of the whole record as one text, too, and let"
        " that view speak when pairs are ranked; not with the encoder column.",
    )
    min_similarity: float = Field(0.1, ge=-1, le=1, description="Least cosine of a pair.")
    min_share_of_best: float = Field(
        0.4,
        ge=0,
        le=1,
        description="Least share of the best cosine of either record of a pair; if omitted at most"
        " 0.2 where there is a budget.",
    )
    direction: Literal["both", "small_to_large"] = Field(
        "both", description="When linking: search from both sources, or from the smaller one only."
    )
    max_pairs_per_record: float | None = Field(
        None,
        gt=0,
        description="Most pairs per record: of lists (n x k) before, of pairs after; if omitted 50,"
        " or four times k where that is more.",
    )
    min_recall: float = Field(
        0.98, gt=0, le=1, description="Least recall of an approximate index against exact search."
    )
    flat_limit: int = Field(
        200_000, ge=0, description="Texts up to which dense vectors are searched exactly."
    )

    @property
    def n_listed(self) -> int:
        """How many neighbours a list holds."""
        return self.k or LISTED

    @property
    def most_pairs_per_record(self) -> float:
        """How many pairs per record are too many."""
        return self.max_pairs_per_record or max(PAIRS_PER_RECORD, PAIRS_PER_LISTED * self.n_listed)

    def within(self, pairs_per_record: float | None) -> Self:
        """Return the encoder with k and its cut as a budget has them, where the user set none."""
        if pairs_per_record is None:
            return self
        k = max(LISTED, math.ceil(LISTED_OF_BUDGET * pairs_per_record))
        share = min(self.min_share_of_best, SHARE_WITHIN_BUDGET)
        follow = {"k": min(k, MOST_LISTED), "min_share_of_best": share}
        kept = {name: value for name, value in follow.items() if self.is_open(name)}
        return self.model_copy(update=kept)

    def is_open(self, name: str) -> bool:
        """Say whether a setting is not the user's."""
        return name not in self.model_fields_set or getattr(self, name) is None

    @abstractmethod
    def encode(self, texts: Texts) -> "Dense | csr_matrix":
        """Turn every text into a vector.

        Returns (n_texts, n_dims) float32, dense or sparse rows; a text without a vector is a row
        of zeros. Rows of length 1, so that a product is the cosine.
        Raises EncoderError if what the encoder needs is not installed or not there.
        """

    def vectors_of(self) -> str:
        """Name the settings that a vector depends on; those of the search are none of them."""
        searched = {
            "k",
            "whole_record",
            "min_similarity",
            "min_share_of_best",
            "direction",
            "max_pairs_per_record",
            "min_recall",
            "flat_limit",
            "max_work_per_record",
            "batch_size",
            "device",
        }
        return self.model_dump_json(exclude=searched)

    @property
    def identity(self) -> str:
        """Name what a vector depends on besides its text: encoder, settings and versions."""
        return f"{self.vectors_of()} {self.version()}"

    def version(self) -> str:
        """Name the version of the code or model that makes the vectors."""
        return "1"


def need(module: str, extra: str) -> Any:
    """Import a module that an extra installs.

    Raises EncoderError with the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        hint = "pip install torch==2.13.0 && " if extra == "semantic" else ""
        raise EncoderError(
            f"{module} is not installed ({error}); install the extra:"
            f" {hint}pip install 'er_pipeline[{extra}]'"
        ) from error


def unit_rows(vectors: Dense) -> Dense:
    """Scale every row to length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return np.ascontiguousarray(vectors / lengths, dtype=np.float32)


def folder_of(package: str) -> Path:
    """Find the folder of an installed package."""
    found = importlib.import_module(package).__file__
    assert found is not None
    return Path(found).parent


def installed_version(module: str, extra: str) -> str:
    """Return the version of a library that an extra installs, without loading it.

    Raises EncoderError with the line that installs it.
    """
    try:
        return version_of(module.replace("_", "-"))
    except PackageNotFoundError:
        need(module, extra)  # it says what to do
        raise
