"""static: averaged word vectors of WordLlama (extra `static`); its weights come in the package."""

from typing import Literal

import numpy as np
from pydantic import Field

from er_pipeline.blocking.encoders.encoder import (
    Dense,
    Encoder,
    Texts,
    folder_of,
    installed_version,
    need,
    unit_rows,
)


class Static(Encoder):
    """WordLlama: semantic vectors as cheap as n-grams, no torch.

    Source: https://github.com/dleemiller/WordLlama.
    """

    encoder: Literal["static"]
    dims: Literal[64, 128, 256] = Field(256, description="Dimensions of the vectors.")
    min_similarity: float = Field(0.4, ge=-1, le=1, description="Least cosine of a pair.")
    min_share_of_best: float = Field(0.6, ge=0, le=1, description="Least share of the best cosine.")

    def encode(self, texts: Texts) -> Dense:
        """Encode the texts batch by batch."""
        library = need("wordllama", "static")
        # The package looks for its tokenizer in a folder it does not have, unless given this one.
        model = library.WordLlama.load(
            trunc_dim=None if self.dims == 256 else self.dims,
            cache_dir=folder_of("wordllama"),
            disable_download=True,
        )
        encoded = [np.asarray(model.embed(batch), np.float32) for batch in texts.batches()]
        return unit_rows(np.concatenate(encoded)) if encoded else np.zeros((0, self.dims), "f4")

    def version(self) -> str:
        """Name the library's version, which carries the weights."""
        return installed_version("wordllama", "static")
