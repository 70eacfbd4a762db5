"""What every encoder is: settings that can turn the texts of records into vectors.

An encoder is one class in one file: its fields are the settings a user writes under `embedding:`,
its `encode` makes the vectors. To add one, write the class and name it in `encoders/__init__.py`.
"""

import importlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from er_pipeline.blocking.tables.errors import BlockingError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Dense = NDArray[np.float32]
TEXTS_PER_BATCH = 100_000


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


class Encoder(BaseModel):
    """Settings of embedding blocks that all encoders share."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    # Whether a text's vector is the same whatever the other texts are, so that it can be kept.
    keeps_vectors: ClassVar[bool] = True

    encoder: str
    fields: list[str] | None = Field(None, description="Fields the texts are made of; null is all.")
    k: int = Field(10, ge=1, le=1000, description="Neighbours listed per record, itself left out.")
    min_similarity: float = Field(0.1, ge=-1, le=1, description="Least cosine of a pair.")
    min_share_of_best: float = Field(
        0.4, ge=0, le=1, description="Least share of the best cosine of either record of a pair."
    )
    direction: Literal["both", "small_to_large"] = Field(
        "both", description="When linking: search from both sources, or from the smaller one only."
    )
    max_pairs_per_record: float = Field(
        50, gt=0, description="Most pairs per record: of lists (n x k) before, of pairs after."
    )
    min_recall: float = Field(
        0.98, gt=0, le=1, description="Least recall of an approximate index against exact search."
    )
    flat_limit: int = Field(
        200_000, ge=0, description="Texts up to which dense vectors are searched exactly."
    )

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
