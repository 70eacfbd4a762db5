import json
from pathlib import Path

import pytest

from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.flow import flow
from er_pipeline.terminal.cli import main
from er_pipeline.terminal.declared_places import check_declared_places, would_publish
from er_pipeline_tests.projects import SMALL, Project

PUBLISH = """
  publish:
    - {parquet: out, tables: [unified_pairs, cleaned_records]}
    - {name: db, database: "sqlite:///out.sqlite", tables: [unified_pairs]}
"""


def run(project: Project, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = project.run(*arguments)
    return code, capsys.readouterr().out


def test_a_run_writes_places_once_and_again_what_is_gone(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL + PUBLISH)
    code, printed = run(project, capsys)
    assert code == 0
    assert f"Placed:   unified_pairs, cleaned_records in parquet in {project.folder}/out" in printed
    assert f"Placed:   unified_pairs in sqlite:///{project.folder}/out.sqlite" in printed
    code, printed = run(project, capsys, "--json")
    assert json.loads(printed)["published"] == {"parquet": "unchanged", "db": "unchanged"}
    (project.folder / "out" / "unified_pairs.parquet").unlink()
    code, printed = run(project, capsys, "--json")
    assert json.loads(printed)["published"] == {"parquet": "written", "db": "unchanged"}
    assert json.loads(printed)["tables"] == ["publish_parquet"]
    assert (project.folder / "out" / "unified_pairs.parquet").exists()


def test_a_place_that_fails_fails_the_run_and_leaves_the_lake_published(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL + PUBLISH)
    (project.folder / "out.sqlite").write_text("this is no database, but a text of a person")
    code = project.run("--json")
    said = capsys.readouterr()
    assert code == 1
    answer = json.loads(said.out)
    assert answer["published"] == {"parquet": "written", "db": "failed"}
    assert f"publish_db: sqlite:///{project.folder}/out.sqlite: " in said.err
    assert "file is not a database; it is as it was" in said.err
    assert "unified_pairs" in project.catalog()
    (project.folder / "out.sqlite").unlink()
    assert project.run() == 0


def test_a_dry_run_says_what_would_go_where(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL + PUBLISH)
    code, printed = run(project, capsys, "--dry-run")
    assert code == 0
    assert f"would publish unified_pairs to sqlite:///{project.folder}/out.sqlite" in printed
    assert not (project.folder / "out").exists()
    code, printed = run(project, capsys, "--dry-run", "--json")
    assert len(json.loads(printed)["figures"]["would_publish"]) == 2


def test_an_unknown_table_is_said_with_its_line_by_every_command(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL + "  publish: [{parquet: out, tables: [matchs]}]\n")
    for command in (["run"], ["run", "--dry-run"], ["check"]):
        assert main([command[0], str(project.defs), *command[1:]]) == 2
        said = "".join(capsys.readouterr())
        assert "defs.yaml:9: publish.0.tables.0: the dataset has no table 'matchs'" in said


def test_what_is_right_is_passed(tmp_path: Path, project: Project) -> None:
    spec = read_spec(project.defs)
    check_declared_places(project.defs, spec, flow(spec))
    assert list(would_publish(spec)) == []
    project.declare(SMALL + "  publish: [{parquet: out, tables: [entities]}]\n")
    spec = read_spec(project.defs)
    with pytest.raises(SpecError, match="has no table 'entities'"):
        check_declared_places(project.defs, spec, flow(spec))
