import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import pytest
from cyclopts import App

from er_pipeline.terminal import cli
from er_pipeline.terminal.cli import app, main
from er_pipeline.terminal.options import examples

pytestmark = pytest.mark.usefixtures("elsewhere")

# What answers no question, and so has no answer in JSON.
WITHOUT_JSON = {
    "label": "it asks, and shows one pair after the other",
    "step": "a batch job speaks to Dagster by its own protocol",
    "--show-completion": "its answer is a script of the shell",
    "--install-completion": "it writes a file of the shell",
}
# What a hint may call besides er-pipeline itself: what every shell has, or comes with it.
PROGRAMS = {"grep", "dagster", "python3"}


def commands(of: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    """Give every command that does something by its name: rules list."""
    for name in of:
        if name in ("--help", "-h", "--version"):
            continue
        if of[name].default_command is not None:
            yield " ".join([*path, name]), of[name]
        yield from commands(of[name], (*path, name))


COMMANDS = dict(commands(app))
VERBS = [name.split() for name in COMMANDS if not name.startswith("-")]


def test_every_command_answers_in_json_or_there_is_a_reason_why_not() -> None:
    answering = {
        name
        for name, command in COMMANDS.items()
        if command.default_command and "as_json" in signature(command.default_command).parameters
    }
    assert set(COMMANDS) - answering == set(WITHOUT_JSON)


def test_the_page_of_the_command_line_knows_every_command_and_the_keys_of_its_answer() -> None:
    page = (Path(cli.__file__).parents[1] / "docs" / "command.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    described = [row for row in rows if row.startswith("| `er-pipeline ")]
    keys = " ".join(row.split("|")[1] for row in rows if row not in described)
    for name in COMMANDS:
        if not name.startswith("-"):
            assert any(row.startswith(f"| `er-pipeline {name}") for row in described), name
        if name not in WITHOUT_JSON:
            assert f"`{name}`" in keys, name


def test_no_hint_needs_a_program_that_need_not_be_there() -> None:
    for name, command in COMMANDS.items():
        for line in str(command.help_epilogue or "").splitlines()[1:]:
            for part in re.split(r"\||&&|;", re.sub(r"'[^']*'", "''", line)):
                assert part.split()[0] in {"er-pipeline", *PROGRAMS}, f"{name}: {line}"
    package = Path(cli.__file__).parents[1]
    sources = [*package.rglob("*.py"), *package.rglob("*.md"), package.parent / "README.md"]
    for file in sources:
        text = file.read_text("utf-8")
        found = re.findall(r"\| *(?:jq|less)\b|\bduckdb \S+\.duckdb", text)
        assert [f"{file.name}: {hint}" for hint in found] == []


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_the_help_of_a_command_ends_with_examples(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*verb, "--help"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    usage, examples = printed.out.split("\nExamples\n")
    assert usage.startswith(f"Usage: er-pipeline {' '.join(verb)}")
    assert max(map(len, printed.out.splitlines())) <= 80
    for line in examples.strip().splitlines():
        assert line.strip().startswith(f"er-pipeline {' '.join(verb)}")


def test_every_example_stands_on_a_line_of_its_own() -> None:
    assert examples("a --b", "c").splitlines() == ["Examples", "  a --b", "  c"]


@pytest.mark.parametrize(
    ("arguments", "bound"),
    [
        (["run", "d.yaml", "--executor", "multiprocess"], {"executor": "multiprocess"}),
        (["rules", "list", "d.yaml", "--json"], {"as_json": True}),
        (["run", "d.yaml", "--json", "--lake", "l"], {"as_json": True, "lake": Path("l")}),
    ],
)
def test_an_option_reaches_the_command_with_its_type(
    arguments: list[str], bound: dict[str, object]
) -> None:
    _, taken, _ = app.parse_args(arguments, exit_on_error=False)
    assert taken.args == (Path("d.yaml"),)
    assert taken.kwargs == bound


@pytest.mark.parametrize("option", ["--no-json", "--executor=threads", "--lake"])
def test_what_an_option_does_not_take_is_wrong_use(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "d.yaml", option]) == 2
    assert option.split("=")[0] in capsys.readouterr().err
