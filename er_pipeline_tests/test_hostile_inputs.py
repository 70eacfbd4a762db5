"""A short selection of `faults.hostile_inputs`: those of some kilobytes, many at a time."""

from pathlib import Path

import pytest

from er_pipeline_tests.faults.hostile_faults import faults
from er_pipeline_tests.faults.hostile_files import Hostile, csv_shapes, encodings, many_files
from er_pipeline_tests.faults.hostile_files import json_shapes as json_files
from er_pipeline_tests.faults.hostile_inputs import check
from er_pipeline_tests.faults.hostile_oddities import odd_faults, oddities
from er_pipeline_tests.faults.hostile_tables import databases, parquet_parts, parquet_types

KINDS = (csv_shapes, encodings, json_files, many_files, parquet_types, parquet_parts, databases)
# Every fifth file that is right; the program runs them all, as it does those of 100 MB.
READ = [hostile for kind in KINDS for hostile in list(kind())[::5]]
REFUSED = [*list(faults())[::3], *list(odd_faults())[::4], *list(oddities())[::6]]


@pytest.mark.parametrize("hostile", [*READ, *REFUSED], ids=lambda hostile: hostile.name)
def test_an_input_is_read_right_or_refused_with_place_and_cure(
    hostile: Hostile, tmp_path: Path
) -> None:
    assert check(hostile, tmp_path)[0] == ""
