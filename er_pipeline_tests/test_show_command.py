import csv
import io
import json
import re

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import SMALL, Project, at_a_terminal

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Four people, run once; an id of one would steer a terminal."""
    folder = tmp_path_factory.mktemp("shown")
    project = Project(folder, folder / "defs.yaml", folder / "lake")
    project.declare(SMALL)
    steering = "\x9b31m\x1b[2J\u202e9"
    project.records("1,Ann,Smith", f"{steering},Bob,Smith", "3,Ann,Jones", "4,,Jones")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DAGSTER_HOME", raising=False)
        assert project.run() == 0
    return project


def show(project: Project, *more: str) -> int:
    return main(["show", str(project.defs), "--lake", str(project.lake), *more])


def test_the_tables_and_the_rows_of_one_are_shown(
    shown: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(shown) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"table +rows +age +what it is$", lines[0])
    assert any(re.match(r"cleaned_records +4 +\d+ min +Every record once", ln) for ln in lines)
    assert show(shown, "unified_pairs", "--limit", "1", "--order-by", "left_id") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("left_id  right_id")
    assert lines[-1] == "There are more rows than these 1: see --limit."
    assert show(shown, "cleaned_records", "--where", "false") == 0
    assert "No row meets the condition." in capsys.readouterr().out


def test_json_and_csv_hold_the_same_rows(
    shown: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    of_one = ["cleaned_records", "--columns", "record_id,first_name", "--order-by", "record_id"]
    assert show(shown, *of_one, "--limit", "3", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [column["name"] for column in answer["columns"]] == ["record_id", "first_name"]
    assert answer["more"] is True
    assert show(shown, *of_one, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 4
    assert rows[:3] == [{name: value or "" for name, value in r.items()} for r in answer["rows"]]
    assert show(shown, "run_metrics", "--limit", "1", "--json") == 0
    assert re.match(r"\d{4}-\d\d-\d\dT", json.loads(capsys.readouterr().out)["rows"][0]["at"])


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["unifed_pairs"], 2, "did you mean 'unified_pairs'"),
        (["matches", "--json", "--csv"], 2, "leave --csv or --json out"),
        (["--where", "true"], 2, "are of one table: name it"),
        (["unified_pairs", "--limit", "0"], 2, "limit"),
        (["--at", "1999-01-01"], 1, "nothing is kept that was shown at 1999-01-01"),
    ],
)
def test_what_is_held_wrong_is_said(
    shown: Project, more: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(shown, *more) == code
    assert said in capsys.readouterr().err


def test_a_lake_without_publication_says_what_to_do(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(project) == 1
    assert "run er-pipeline run first" in capsys.readouterr().err


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_no_control_character_reaches_the_terminal(shown: Project, form: list[str]) -> None:
    lake = ["--lake", str(shown.lake)]
    arguments = ["show", str(shown.defs), "cleaned_records", *lake, *form]
    code, printed = at_a_terminal(*arguments, folder=shown.folder)
    assert code == 0
    assert "31m" in printed
    assert not re.search("[\x1b\x9b\u202e]", printed)
