import ast
import json
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import COMMAND, SMALL, Project, command, environment

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_help_shows_every_command_in_its_group_and_the_exit_codes() -> None:
    shown = command("--help")
    assert shown.returncode == 0
    assert shown.stderr == ""
    assert "\x1b" not in shown.stdout
    groups = re.split(r"╭─ (\w+) ─+╮\n", shown.stdout)
    commands = {
        name: re.findall(r"^│ (-*[a-z-]+)", lines, re.M)
        for name, lines in zip(groups[1::2], groups[2::2], strict=True)
    }
    assert commands == {
        "Run": [
            *(
                "check",
                "demo",
                "diff",
                "entity",
                "explain",
                "forget",
                "init",
                "learn",
                "notify",
                "promote",
                "report",
                "run",
                "show",
                "step",
                "versions",
            ),
        ],
        "Labels": ["label", "labels"],
        "Rules": ["rules", "training-rules"],
        "Reference": ["docs", "settings"],
        "Other": ["--help", "--install-completion", "--show-completion", "--version"],
    }
    for code in (0, 1, 2, 130, 141):
        assert re.search(rf"^  {code} +\w", shown.stdout, re.M)


def test_help_imports_none_of_the_heavy_libraries() -> None:
    heavy = ["dagster", "duckdb", "pandas", "numpy", "pydantic", "er_pipeline.blocking", "pygments"]
    code = (
        "import sys\n"
        "from er_pipeline.terminal.cli import main\n"
        "codes = [main(['--help']), main(['run', '--help']), main(['--version']), main(['docs'])]\n"
        f"print([codes, [name for name in {heavy} if name in sys.modules]])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert ast.literal_eval(ran.stdout.splitlines()[-1]) == [[0, 0, 0, 0], []]


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == version("er_pipeline")


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["run", "defs.yaml", "--selct", "x"], "Unknown option: --selct. Did you mean --select?"),
        (["rum"], 'Unknown command "rum". Did you mean "run"?'),
        (["run"], 'Command "run" parameter DEFS requires an argument.'),
        (["run", "defs.yaml", "--executor", "threads"], 'Invalid value "threads" for --executor'),
        (["labels", "export", "defs.yaml"], "parameter FILE requires an argument"),
        (["demo", "--records", "0"], "Must be >= 1"),
        (["run", "defs.yaml", "more"], "Unused Tokens: ['more']"),
    ],
    ids=["option", "command", "no file", "choice", "no second file", "range", "too many"],
)
def test_wrong_use_exits_2_with_an_error_on_stderr(
    arguments: list[str], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert shown in printed.err
    assert re.search(r"\nSee er-pipeline( \w+)* --help\.\n$", printed.err)


@pytest.mark.parametrize("arguments", [[], ["labels"], ["rules"]], ids=["none", "labels", "rules"])
def test_a_missing_command_exits_2_and_shows_help_on_stderr(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(" ".join(["Usage: er-pipeline", *arguments]))


def test_the_program_exits_with_the_code_of_the_command() -> None:
    ran = command("run", "no/such/defs.yaml")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == (
        "error: no/such/defs.yaml: cannot be read (No such file or directory); name a defs.yaml\n"
    )


@pytest.mark.parametrize("arguments", ["settings", "--help", "docs command"])
def test_a_closed_pipe_ends_quietly(arguments: str) -> None:
    closed, output = os.pipe()
    os.close(closed)
    ran = subprocess.run(
        [*COMMAND, *arguments.split()],
        env=environment(),
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(output)
    assert ran.stderr == ""
    assert ran.returncode == 141


def test_settings_are_a_table_or_a_list_of_objects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings"]) == 0
    rows = capsys.readouterr().out.strip().splitlines()[2:]
    assert main(["settings", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row.split("`")[1] for row in rows] == [setting["setting"] for setting in listed]
    by_name = {setting["setting"]: setting for setting in listed}
    assert by_name["dataset"]["default"] == "(needed)"
    assert by_name["blocks.max_size"]["meaning"]


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("er-pipeline r", {"run", "rules", "report"}),
        ("er-pipeline rules ", {"list", "pin"}),
        ("er-pipeline run --dry", {"--dry-run"}),
        ("er-pipeline run --executor ", {"in_process", "multiprocess"}),
    ],
)
def test_bash_completes_commands_options_and_choices(
    words: str, completed: set[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--show-completion", "bash"]) == 0
    script = tmp_path / "completion.sh"
    script.write_text(capsys.readouterr().out)
    parts = words.split(" ")
    quoted = " ".join(shlex.quote(part) for part in parts)
    line = (
        f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(parts) - 1};"
        ' _er_pipeline; echo "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert set(ran.stdout.split()) == completed


def test_completion_is_installed_once_for_the_shell_that_is_named(tmp_path: Path) -> None:
    for _ in range(2):
        ran = command("--install-completion", "bash", HOME=str(tmp_path))
        assert ran.returncode == 0, ran.stderr
    (script,) = [path for path in tmp_path.rglob("*") if path.name == "er-pipeline"]
    assert f"Completion is in {script};" in ran.stdout
    assert "complete -F _er_pipeline er-pipeline" in script.read_text()
    startup = (tmp_path / ".bashrc").read_text()
    assert startup.count(f'. "{script}"') == 1


@pytest.mark.parametrize(
    ("settings", "line", "told"),
    [
        ("  block: {max_size: 3}\n", 9, "block: unknown setting 'block'; did you mean 'blocks'?"),
        (
            "  blocks:\n    max_size: many\n",
            10,
            "blocks.max_size: Input should be a valid integer",
        ),
        ("  checks: {max_pairs: -1}\n", 9, "checks.max_pairs: Input should be greater than or eq"),
        (
            "  cleaning: {rejects: 3}\n",
            9,
            "cleaning.rejects: unknown setting 'rejects'; there are phone_region, gmail_dots,",
        ),
        ("  owners: [x\n", 9, "not YAML: "),
    ],
    ids=["unknown", "wrong type", "out of range", "unknown below", "no YAML"],
)
def test_a_wrong_setting_is_reported_with_file_and_line(
    project: Project, settings: str, line: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL + settings)
    for arguments in ((), ("--dry-run",)):
        assert project.run(*arguments) == 2
        assert f"error: {project.defs}:{line}: {told}" in capsys.readouterr().err
    assert not project.lake.exists()


def test_a_missing_or_foreign_declaration_is_an_error(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.defs.write_text("dataset: people\n")
    assert project.run() == 2
    assert "defs.yaml:1: must begin with `type: er_pipeline.Blocking" in capsys.readouterr().err
    project.defs.unlink()
    assert project.run() == 2
    assert "defs.yaml: cannot be read (No such file or directory)" in capsys.readouterr().err


def test_an_unset_variable_is_an_error_that_names_it(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL.replace("people.csv", '"{{ env.NO_SUCH_PLACE }}"'))
    assert project.run() == 2
    assert "environment variable NO_SUCH_PLACE is not set" in capsys.readouterr().err


def test_a_password_in_a_wrong_line_is_not_shown(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    source = '[{url: "postgresql://ann:hun@ter2@host/name"}]'
    project.declare(SMALL.replace("[{path: people.csv, record_id: id}]", source))
    assert project.run() == 2
    told = capsys.readouterr().err
    assert f"error: {project.defs}:5: sources.0: url and query belong toge" in told
    assert "hun" not in told
    assert "ter2" not in told
