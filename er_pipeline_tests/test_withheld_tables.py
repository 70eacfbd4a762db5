import json

import pytest

from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.verdict_notes import note_verdicts
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.terminal.cli import main
from er_pipeline.terminal.lakes import open_lake
from er_pipeline.terminal.withheld_tables import withheld_line, withheld_tables
from er_pipeline_tests.projects import Project

pytestmark = pytest.mark.usefixtures("elsewhere")
BAD = Verdict("holds", False, "error", "it does not hold")


def test_tables_that_failed_a_check_are_named_where_they_are_read_or_sought(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run() == 0
    spec = read_spec(project.defs)
    lake = open_lake(spec, project.lake)
    assert withheld_tables(lake, spec, lake.tables()) == {}
    note_verdicts(lake, "unified_pairs", [BAD])
    withheld = withheld_tables(lake, spec, ["cleaned_records", "unified_pairs"])
    assert withheld == {"unified_pairs": "check holds failed"}
    assert withheld_line(withheld) == (
        "This reads tables of the last run that are withheld (unified_pairs: check holds failed)."
    )
    made_of_it = withheld_tables(lake, spec, ["blocking_report"])
    assert "unified_pairs" not in made_of_it
    assert made_of_it["blocking_report"].endswith(" is withheld (check holds failed)")
    capsys.readouterr()
    for records in (["1"], ["1", "2"]):
        command = ["explain", str(project.defs), *records, "--lake", str(project.lake)]
        assert main(command) == 0
        assert capsys.readouterr().out.splitlines()[0] == withheld_line(withheld)
        assert main([*command, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["withheld"] == withheld


def test_a_table_that_was_never_published_is_said_to_be_withheld(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    # No pair may be made: the run publishes what is above them.
    project.declare(project.defs.read_text().split("dataset: people\n")[1] + CHECKS)
    assert project.run() != 0
    capsys.readouterr()
    show = ["show", str(project.defs), "--lake", str(project.lake)]
    assert main([*show, "cleaned_records"]) == 0
    assert main([*show, "filtered_blocks"]) == 1
    said = capsys.readouterr().err
    assert "filtered_blocks is withheld: check" in said
    assert "it was never published" in said
    assert main([*show, "filtered_block"]) == 2


CHECKS = "  checks: {max_pairs: 1}\n"
