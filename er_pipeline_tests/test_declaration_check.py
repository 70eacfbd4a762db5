from pathlib import Path

import pytest

from er_pipeline.terminal.declaration_check import check_declaration
from er_pipeline.terminal.exit_codes import FAILED, OK, WRONG_USE

HEAD = "type: er_pipeline.BlockingPipeline\nattributes:\n  dataset: people\n"
FIELDS = "  fields: {name: person_name, city: text}\n  strategies: {a: name}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text("id,name,city\n1,Ann,Rome\n2,Bob,Bonn\n")
    (tmp_path / "b.csv").write_text("id,nam,city\n1,Ann,Rome\n1,Bob,Bonn\n")
    return tmp_path


def check(folder: Path, text: str) -> tuple[int, str]:
    file = folder / "defs.yaml"
    file.write_text(HEAD + text)
    checked = check_declaration(file)
    return checked.exit_code, "\n".join(checked.lines())


def test_a_declaration_that_runs_is_ok_and_its_records_are_counted(folder: Path) -> None:
    code, text = check(folder, "  sources: [{path: a.csv}]\n" + FIELDS)
    assert code == OK
    assert "ok, dataset people: 2 records in a" in text
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "b.csv", "defs.yaml"]


def test_a_declaration_that_compares_some_fields_only_names_the_others(folder: Path) -> None:
    text = "  sources: [{path: a.csv}]\n" + FIELDS
    code, said = check(folder, text + "  comparisons: {city: exact}\n  matching: true\n")
    assert code == OK
    assert "only city is compared by the matching model; left out: name" in said
    assert "compared" not in check(folder, text)[1]


def test_every_source_is_looked_at_and_named_by_its_line(folder: Path) -> None:
    sources = (
        "  sources:\n    - {path: nobody.csv}\n    - {path: b.csv}\n"
        "    - {path: b.csv, name: c, columns: {name: nam}}\n    - {path: a.csv}\n"
    )
    code, text = check(
        folder, sources + FIELDS + "  truth: {path: pairs.csv, left_source: l, right_source: r}\n"
    )
    assert code == FAILED
    for part in (
        "defs.yaml:5: ",
        "no such file",
        "defs.yaml:6: ",
        "has no column 'name'",
        "Did you mean 'nam'",
        "defs.yaml:7: ",
        "ids stand more than once",
        "defs.yaml:11: ",
        "pairs.csv",
    ):
        assert part in text
    assert "defs.yaml:8: " not in text


def test_wrong_settings_do_not_hide_wrong_files(folder: Path) -> None:
    code, text = check(folder, "  sources: [{path: nobody.csv}]\n  threads: 0\n" + FIELDS)
    assert code == WRONG_USE
    assert "threads" in text
    assert "no such file" in text


def test_a_source_whose_settings_are_wrong_is_not_looked_for(folder: Path) -> None:
    code, text = check(folder, "  sources: [{paht: a.csv}]\n" + FIELDS)
    assert code == WRONG_USE
    assert "did you mean 'path'" in text
    assert "no such file" not in text


def test_what_is_no_declaration_is_one_problem(tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text("a: [\n")
    checked = check_declaration(file)
    assert checked.exit_code == WRONG_USE
    assert "not YAML" in checked.problems
