from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel

from er_pipeline.blocking.encoders import Lexical, Static
from er_pipeline.blocking.spec.blocking_section import (
    Blocks,
    Budget,
    Labels,
    Learning,
    SecondPass,
)
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline_tests.small_spec import small_spec


@pytest.mark.parametrize(
    ("budget", "n_records", "pairs"),
    [
        ({"max_pairs": 7}, 100, 7),
        ({"pairs_per_record": 2}, 100, 200),
        ({"pairs_per_record": 0.29}, 100, 29),  # in binary 28.999999999999996
        ({"pairs_per_record": 2, "max_pairs": 7}, 100, 7),
        ({"pairs_per_record": 2, "max_pairs": 700}, 100, 200),
        ({"pairs_per_record": 0.1}, 5, 0),
    ],
)
def test_the_smaller_limit_holds(budget: dict[str, Any], n_records: int, pairs: int) -> None:
    assert Budget(**budget).pairs(n_records) == pairs


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("budget: {max_pairs: 5}\n  weights: false", "weights: a budget keeps the pairs of most"),
        ("budget: {}", "a budget needs pairs_per_record or max_pairs"),
        ("budget: {floor_per_record: 1}", "a budget needs pairs_per_record or max_pairs"),
        ("budget: {max_pairs: 0}", "budget.max_pairs: Input should be greater than or equal to 1"),
        ("budget: {max_pair: 9}", "did you mean 'max_pairs'?"),
    ],
)
def test_a_budget_that_says_nothing_is_an_error(
    tmp_path: Path, settings: str, message: str
) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(
        "type: er_pipeline.BlockingPipeline\nattributes:\n  dataset: people\n"
        "  sources: [{path: people.csv}]\n  fields: {first_name: person_name, email: email}\n"
        f"  {settings}\n"
    )
    with pytest.raises(SpecError) as caught:
        read_spec(file)
    assert message in str(caught.value)


@given(st.floats(0.01, 1_000) | st.none(), st.integers(1, 10**9) | st.none(), st.integers(0, 10**6))
def test_a_budget_is_the_most_whole_pairs_within_both_limits(
    per_record: float | None, most: int | None, n_records: int
) -> None:
    assume(per_record is not None or most is not None)
    pairs = Budget(pairs_per_record=per_record, max_pairs=most).pairs(n_records)
    limit = min(
        float("inf") if most is None else most,
        float("inf") if per_record is None else per_record * n_records,
    )
    assert limit - 1 - 1e-5 <= pairs <= limit + 1e-5


@pytest.mark.parametrize(
    ("written", "encoder"),
    [
        (None, None),
        (False, None),
        (True, Lexical()),
        ({}, Lexical()),
        ({"k": 3}, Lexical(k=3)),
        ({"encoder": "static", "dims": 64}, Static(encoder="static", dims=64)),
    ],
)
def test_an_embedding_without_an_encoder_is_that_of_the_default_one(
    written: Any, encoder: BaseModel | None
) -> None:
    assert small_spec(embedding=written).embedding == encoder
    assert SecondPass(embedding=written).embedding == encoder


@pytest.mark.parametrize(
    ("embedding", "text"),
    [
        ({"encoder": "lexicla"}, "lexicla"),
        ({"encoder": "lexical", "dims": 64}, "dims"),
        ({"encoder": "column"}, "column"),
        ("lexical", "embedding"),
    ],
)
def test_an_embedding_that_no_encoder_takes_is_refused(embedding: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        small_spec(embedding=embedding)


@pytest.mark.parametrize(
    ("section", "settings", "text"),
    [
        (Blocks, {"min_size": 1}, "greater than or equal to 2"),
        (Blocks, {"refine_by": []}, "at least 1 item"),
        (SecondPass, {"strategies": {"a b": "name"}}, "'a b' is no name here"),
        (Learning, {"k": 6}, "less than or equal to 5"),
        (Learning, {"recall_floor": 1.1}, "less than or equal to 1"),
        (Learning, {"ranking": "best"}, "'best' is unknown; there are 'budgeted', 'lexicographic'"),
        (Budget, {"max_pairs": 5, "floor_per_record": 101}, "less than or equal to 100"),
        (Labels, {"path": ""}, "at least 1 character"),
    ],
)
def test_a_setting_out_of_its_limits_is_refused(
    section: type[BaseModel], settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        section.model_validate(settings)
    assert text in str(caught.value)


def test_keys_that_yaml_cut_at_their_commas_are_whole_in_every_list_of_keys() -> None:
    learning = Learning.model_validate({"pin": ["left(name", "3)"], "ban": [["left(name", "1)"]]})
    assert learning.pin == ["left(name, 3)"]
    assert learning.ban == [["left(name, 1)"]]
    blocks = Blocks.model_validate({"refine_by": ["city", "left(name", "3)"]})
    assert blocks.refine_by == ["city", "left(name, 3)"]
