import re

import pytest

from er_pipeline_tests.projects import Project

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize(
    ("selection", "made"),
    [
        ("blocks_soundex", {"blocks_soundex"}),
        ("filtered_blocks", {"filtered_blocks", "dropped_blocks", "record_codes"}),
        ("blocks_soundex, unified_pairs", {"blocks_soundex", "unified_pairs"}),
        (
            'key:"people/unified_pairs"+',
            {
                *("unified_pairs", "pair_changes", "missed_matches", "recall_views"),
                *("blocking_report", "run_metrics"),
            },
        ),
    ],
    ids=["a table", "one of two", "a list", "a Dagster selection"],
)
def test_select_makes_the_chosen_tables_and_no_other(
    finished: Project, selection: str, made: set[str]
) -> None:
    before = finished.versions()
    assert finished.run("--select", selection, "--full") == 0
    after = finished.versions()
    assert {table for table in after if after[table] != before[table]} == made


@pytest.mark.parametrize("selection", ["pairs", "unified_pairs, nope", 'key:"', "group:none", ""])
def test_selecting_what_does_not_exist_names_the_tables(
    project: Project, selection: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run("--select", selection) == 2
    told = capsys.readouterr().err
    assert re.search(r"error: --select '.*' selects nothing.* tables are blocking_report, ", told)
    assert not project.lake.exists()


def test_selecting_a_table_before_its_input_says_what_to_make_first(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run("--select", "filtered_blocks") == 1
    told = capsys.readouterr().err
    assert "cleaned_records is not in the lake" in told
    assert "materialize people/cleaned_records first" in told
    assert "Traceback" not in told


def test_a_misspelt_table_is_named(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.run("--select", "cleaned_records,unified_pair") == 2
    assert "selects nothing; did you mean unified_pairs? tables" in capsys.readouterr().err
