"""Values of Arrow as Python and numpy have them."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray


def plain_value(value: Any) -> Any:
    """Take a whole number for what it is, however wide its column."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def as_array(column: pa.ChunkedArray) -> "NDArray[Any]":
    """Return a column as an array; one with NULLs is a masked array."""
    if not column.null_count:
        return np.asarray(column.combine_chunks().to_numpy(zero_copy_only=False))
    mask = np.asarray(column.is_null().to_numpy())
    kept = column.combine_chunks().fill_null(_nothing(column.type))
    return np.ma.masked_array(kept.to_numpy(zero_copy_only=False), mask)


def _nothing(kind: pa.DataType) -> Any:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return ""
    return pa.scalar(0).cast(kind)
