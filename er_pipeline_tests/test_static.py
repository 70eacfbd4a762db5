from dataclasses import replace
from importlib.util import find_spec

import pytest

from er_pipeline.blocking.encoders.static import Static
from er_pipeline_tests.encoder_texts import cosines, texts_of

needs_static = pytest.mark.skipif(
    find_spec("wordllama") is None,
    reason="wordllama is not installed: pip install 'er_pipeline[static]'",
)


@needs_static
def test_static_vectors_know_synonyms() -> None:
    rows = [("a small car",), ("a little automobile",), ("the stock market fell",)]
    for dims in (64, 256):
        static = Static.model_validate({"encoder": "static", "dims": dims})
        texts = texts_of({"text": "text"}, *rows)
        assert static.encode(texts).shape == (3, dims)
        near = cosines(static, texts)
        assert near[0, 1] > near[0, 2] + 0.2
    assert static.identity != Static.model_validate({"encoder": "static", "dims": 64}).identity


@needs_static
@pytest.mark.parametrize("dims", [64, 128, 256])
def test_no_texts_give_no_vectors_of_the_right_width(dims: int) -> None:
    static = Static.model_validate({"encoder": "static", "dims": dims})
    none = replace(texts_of({"text": "text"}), batches=lambda: iter(()))
    assert static.encode(none).shape == (0, dims)


def test_a_number_of_dimensions_that_the_weights_do_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="64, 128 or 256"):
        Static.model_validate({"encoder": "static", "dims": 300})
