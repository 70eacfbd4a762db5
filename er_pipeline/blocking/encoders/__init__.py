"""Encoders: the texts of records -> vectors. One class in one file each; here is their list."""

from typing import Annotated

from pydantic import Field

from er_pipeline.blocking.encoders.column import Column
from er_pipeline.blocking.encoders.encoder import (
    Dense,
    Encoder,
    EncoderError,
    FieldValues,
    Texts,
)
from er_pipeline.blocking.encoders.lexical import Lexical
from er_pipeline.blocking.encoders.sentence_transformer import SentenceTransformer
from er_pipeline.blocking.encoders.static import Static

AnyEncoder = Annotated[
    Lexical | SentenceTransformer | Static | Column, Field(discriminator="encoder")
]

__all__ = [
    "AnyEncoder",
    "Column",
    "Dense",
    "Encoder",
    "EncoderError",
    "FieldValues",
    "Lexical",
    "SentenceTransformer",
    "Static",
    "Texts",
]
