import pytest

from er_pipeline.evaluation.score_bounds import read_comparisons
from er_pipeline_tests.model_by_hand import BY_HAND


def test_levels_are_read_as_splink_writes_them() -> None:
    (name, _) = read_comparisons(BY_HAND)
    assert name.columns == ("name",)
    assert [level.weight for level in name.levels] == pytest.approx([0, 6, -2])
    with pytest.raises(ValueError, match="must begin with missing values and end with ELSE"):
        read_comparisons({"comparisons": [{"comparison_levels": [{"sql_condition": "ELSE"}]}]})
