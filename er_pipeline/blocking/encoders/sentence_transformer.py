"""sentence_transformer: any model of the library of that name (extra `semantic`)."""

import os
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from er_pipeline.blocking.encoders.base import (
    Dense,
    Encoder,
    EncoderError,
    Texts,
    need,
    unit_rows,
)


class SentenceTransformer(Encoder):
    """Neural sentence embeddings, with the defaults k = 50 and cosine >= 0.75.

    On names and addresses character n-grams find more for a hundredth of the cost; on free text in
    several languages this may be worth it.
    Source: Reimers, Gurevych, "Sentence-BERT", EMNLP 2019.
    """

    encoder: Literal["sentence_transformer"]
    model: str = Field(
        description="Folder of a model, a package that carries one, or a name on the hub."
    )
    batch_size: int = Field(64, ge=1, description="Texts encoded at once.")
    device: str | None = Field(None, description="cpu, cuda, mps; the best there is where null.")
    k: int = Field(50, ge=1, le=1000, description="Neighbours listed per record.")
    min_similarity: float = Field(0.75, ge=-1, le=1, description="Least cosine of a pair.")
    min_share_of_best: float = Field(0.0, ge=0, le=1, description="Least share of the best cosine.")

    def encode(self, texts: Texts) -> Dense:
        """Encode the texts batch by batch, with a progress bar."""
        library = need("sentence_transformers", "semantic")
        place = self.place()
        if place.is_dir():
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a folder needs nothing from a hub
        try:
            model = library.SentenceTransformer(
                str(place) if place.is_dir() else self.model, device=self.device
            )
        except (OSError, ValueError) as error:
            raise EncoderError(
                f"embedding: model {self.model!r} cannot be loaded: {str(error)[:300]};"
                " name a folder with a sentence-transformers model"
            ) from error
        encoded = [
            model.encode(
                batch,
                batch_size=self.batch_size,
                show_progress_bar=True,
                convert_to_numpy=True,
                normalize_embeddings=True,
            )
            for batch in texts.batches()
        ]
        if not encoded:
            return np.zeros((0, model.get_sentence_embedding_dimension()), np.float32)
        return unit_rows(np.concatenate(encoded).astype(np.float32))

    def place(self) -> Path:
        """Find the model's folder: as named, or inside an installed package of that name."""
        named = Path(self.model).expanduser()
        if named.is_dir() or not self.model.replace("_", "").replace("-", "").isalnum():
            return named
        import importlib.util

        found = importlib.util.find_spec(self.model.replace("-", "_"))
        for root in (found.submodule_search_locations or []) if found else []:
            for config in sorted(Path(root).rglob("modules.json")):
                return config.parent
        return named

    def version(self) -> str:
        """Name the library's version and, for a folder, the model's files."""
        need("sentence_transformers", "semantic")
        place = self.place()
        files = sorted(place.rglob("*")) if place.is_dir() else []
        stamp = [(f.name, f.stat().st_size) for f in files if f.is_file()]
        return f"{version_of('sentence-transformers')}{stamp}"
