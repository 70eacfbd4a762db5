from pathlib import Path

import pytest

from er_pipeline.terminal.cli import app, main
from er_pipeline.terminal.options import examples

pytestmark = pytest.mark.usefixtures("elsewhere")

VERBS = [
    ["demo"],
    ["run"],
    ["label"],
    ["labels", "import"],
    ["labels", "export"],
    ["rules", "list"],
    ["rules", "pin"],
    ["training-rules"],
    ["settings"],
    ["docs"],
]


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
