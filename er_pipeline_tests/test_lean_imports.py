"""Imports without what a library imports and we never use; in processes of their own."""

import subprocess
import sys

LEAN = "from er_pipeline.blocking.tables.lean_imports import lean_imports\n"


def printed_by(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", LEAN + code], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_module_left_out_seems_not_installed_within_the_block_alone() -> None:
    assert (
        printed_by(
            """
with lean_imports(without=["colorsys"]):
    try:
        import colorsys
    except ImportError:
        print("missing")
import colorsys
print(colorsys.rgb_to_hsv(0, 0, 0))
"""
        )
        == "missing\n(0.0, 0.0, 0)"
    )


def test_a_later_module_is_imported_when_first_used() -> None:
    assert (
        printed_by(
            """
import sys
with lean_imports(later=["colorsys", "xml.sax"]):
    import colorsys
    from xml import sax
print("colorsys" in sys.modules, "xml.sax" in sys.modules)
print(colorsys.rgb_to_hsv(0, 0, 0), sax.ContentHandler.__name__)
import colorsys as real
print(real is sys.modules["colorsys"], real is not colorsys)
"""
        )
        == "False False\n(0.0, 0.0, 0) ContentHandler\nTrue True"
    )


def test_what_is_loaded_stays_and_collecting_goes_on_after_an_error() -> None:
    assert (
        printed_by(
            """
import colorsys, gc
try:
    with lean_imports(without=["colorsys"], later=["colorsys"]):
        import colorsys as again
        print(again is colorsys, gc.isenabled())
        raise KeyError
except KeyError:
    print(gc.isenabled())
"""
        )
        == "True False\nTrue"
    )


def test_great_expectations_judges_by_the_statistics_that_it_imports_later() -> None:
    # this is one of those for which it imports both
    assert (
        printed_by(
            """
import sys
from er_pipeline.blocking.records.expectation_outcomes import RARELY_CALLED, load_library
load_library()
print([name in sys.modules for name in RARELY_CALLED])
import pandas as pd
from er_pipeline.blocking.records.expected_rows import ExpectedRows
from er_pipeline.blocking.records.expectation_outcomes import run_expectations
from er_pipeline.blocking.spec.expectations_section import Expectation
frame = pd.DataFrame({"colour": ["red", "red", "blue", "blue"]})
rows = ExpectedRows(frame, len(frame), ["colour"])
partition = {"values": ["red", "blue"], "weights": [0.5, 0.5]}
(outcome,) = run_expectations(
    rows,
    [
        Expectation(
            type="expect_column_kl_divergence_to_be_less_than",
            kwargs={"column": "colour", "partition_object": partition, "threshold": 0.1},
        )
    ],
)
print(outcome.succeeded, outcome.why_not)
"""
        )
        == "[False, False]\nTrue None"
    )
