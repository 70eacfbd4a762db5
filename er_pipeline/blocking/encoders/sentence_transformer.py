"""sentence_transformer: any model of the library of that name (extra `semantic`)."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from zipfile import ZipFile

import numpy as np
from pydantic import Field

from er_pipeline.blocking.encoders.encoder import (
    Dense,
    Encoder,
    EncoderError,
    Texts,
    installed_version,
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
        is_here = place.is_dir()  # then nothing is asked of a hub
        try:
            model = library.SentenceTransformer(
                str(place) if is_here else self.model, device=self.device, local_files_only=is_here
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
        """Find the model's folder: as named, or inside an installed package of that name.

        A package may carry its model zipped; it is unpacked once, into the user's cache.
        """
        named = Path(self.model).expanduser()
        if named.is_dir() or not re.fullmatch(r"[\w-]+", self.model):
            return named
        for folder in _package_folders(self.model):
            for config in sorted(folder.rglob("modules.json")):
                return config.parent
            for packed in sorted(folder.rglob("*.zip")):
                with ZipFile(packed) as archive:
                    if "modules.json" in archive.namelist():
                        return _unpacked(packed, archive)
        return named

    def version(self) -> str:
        """Name the library's version and, for a folder, the model's files."""
        place = self.place()
        files = sorted(place.rglob("*")) if place.is_dir() else []
        # A model trained further has files of the same size.
        stamp = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]
        return f"{installed_version('sentence_transformers', 'semantic')}{stamp}"


def _package_folders(name: str) -> Iterator[Path]:
    """Find the folders of a package, by the name it is installed or imported under."""
    packages = {name.replace("-", "_")}
    with suppress(PackageNotFoundError):
        files = distribution(name).files or []
        packages |= {file.parts[0] for file in files if file.parts[1:] == ("__init__.py",)}
    for package in sorted(packages):
        found = find_spec(package)
        yield from map(Path, (found.submodule_search_locations or []) if found else [])


def _unpacked(packed: Path, archive: ZipFile) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "er_pipeline"
    stamp = packed.stat()
    folder = cache / f"{packed.parent.name}-{stamp.st_size}-{stamp.st_mtime_ns}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=cache))
        archive.extractall(draft)
        try:
            draft.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return folder
