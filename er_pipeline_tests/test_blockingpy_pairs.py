"""What is counted of BlockingPy's result; the library itself is not installed beside ours."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from er_pipeline_tests.benchmarks.blockingpy_pairs import distinct, pairs_of_blocks, took_too_long
from er_pipeline_tests.benchmarks.measuring import run_child


def test_neighbours_are_counted_once_and_never_with_themselves() -> None:
    pairs = distinct(np.array([3, 1, 2, 5]), np.array([1, 3, 2, 4]))
    assert pairs.tolist() == [[1, 3], [4, 5]]


def test_a_block_holds_all_pairs_of_its_records() -> None:
    found = pd.DataFrame({"x": [0, 1, 5], "y": [1, 2, 4], "block": [7, 7, 8], "dist": 0.1})
    assert pairs_of_blocks(found).tolist() == [[0, 1], [0, 2], [1, 2], [4, 5]]


def test_a_process_is_ended_when_it_has_taken_its_seconds() -> None:
    code = "from er_pipeline_tests.benchmarks.blockingpy_pairs import limit_cpu\nlimit_cpu(1)\n"
    with pytest.raises(RuntimeError) as raised:
        run_child("-c", code + "while True: pass")
    assert took_too_long(raised.value)
    with pytest.raises(RuntimeError) as raised:
        run_child("-c", code + "raise SystemExit(3)")
    assert not took_too_long(raised.value)


def test_the_file_runs_without_er_pipeline() -> None:
    code = "import sys; sys.modules['er_pipeline'] = sys.modules['er_pipeline_tests'] = None;"
    code += " import runpy; runpy.run_path(sys.argv[1])"
    from er_pipeline_tests.benchmarks import blockingpy_pairs

    subprocess.run([sys.executable, "-c", code, blockingpy_pairs.__file__], check=True)
