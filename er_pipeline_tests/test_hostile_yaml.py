"""A selection of the hostile declarations; the program er_pipeline_tests.faults tries all."""

import subprocess
import sys

from er_pipeline_tests.faults.hostile_declarations import RIGHT, RUN, cases

SELECTED = (
    *("right_plain", "right_aliases", "right_bom", "syntax_bomb", "syntax_circle", "syntax_tab"),
    *("syntax_nested_brackets", "syntax_million_digits", "syntax_two_documents", "syntax_utf16"),
    *("shape_misspelt_top", "shape_strategy_null", "setting_inf_encoder", "setting_cron_never"),
    *("setting_threads_million", "setting_escape_word", "name_many_strategies", "key_range"),
    *("key_lpad", "key_place", "key_deep", "comparison_random", "run_cast"),
)


def test_there_are_many_of_every_kind() -> None:
    found = cases()
    assert len(found) >= 120
    assert sum(case.says == RIGHT for case in found) >= 10
    assert any(case.command == RUN and case.says != RIGHT for case in found)
    assert {case.name for case in found} >= set(SELECTED)


def test_hostile_declarations_are_right_or_refused_in_a_sentence() -> None:
    # A process of its own: it forks, which no process with threads of DuckDB may.
    tried = subprocess.run(
        [sys.executable, "-m", "er_pipeline_tests.faults.hostile_yaml", *SELECTED],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert f"{len(SELECTED)} declarations, 0 with a fault" in tried.stdout, tried.stdout
