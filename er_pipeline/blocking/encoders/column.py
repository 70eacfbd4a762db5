"""column: vectors that the user brings, as a column of the sources."""

from typing import Literal

from pydantic import Field

from er_pipeline.blocking.encoders.encoder import Dense, Encoder, Texts, unit_rows


class Column(Encoder):
    """Vectors made elsewhere: a list of numbers per record, or its text "[0.1, 0.2, ...]"."""

    encoder: Literal["column"]
    column: str = Field(min_length=1, description="Column of the sources that holds the vectors.")
    min_similarity: float = Field(0.5, ge=-1, le=1, description="Least cosine of a pair.")
    min_share_of_best: float = Field(0.6, ge=0, le=1, description="Least share of the best cosine.")

    def encode(self, texts: Texts) -> Dense:
        """Scale the vectors to length 1."""
        return unit_rows(texts.vectors())
