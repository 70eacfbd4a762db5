from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from er_pipeline.blocking.tables.arrow_values import as_array, plain_value


def test_whole_numbers_are_taken_for_what_they_are() -> None:
    values = [plain_value(value) for value in (Decimal("12.0"), Decimal("0.5"), "a", None)]
    assert values == [12, 0.5, "a", None]
    assert isinstance(values[0], int)


@pytest.mark.parametrize(
    ("values", "filled"), [(["a", None], ["a", ""]), ([1, None], [1, 0]), ([0.5, 1.5], [0.5, 1.5])]
)
def test_what_is_null_is_masked(values: list[object], filled: list[object]) -> None:
    found = as_array(pa.chunked_array([pa.array(values)]))
    assert np.ma.getmaskarray(found).tolist() == [value is None for value in values]
    assert np.ma.getdata(found).tolist() == filled
