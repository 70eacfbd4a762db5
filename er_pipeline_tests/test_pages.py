"""Every page says what the code has: declarations, commands, settings, tables, files and links."""

import re
import shlex
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclopts import MissingArgumentError

from er_pipeline.blocking.spec.named_strategies import NAMED_STRATEGIES
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_document import check_read_as_written
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.values.cleaning import KINDS
from er_pipeline.flow import flow
from er_pipeline.terminal.cli import app
from er_pipeline.terminal.docs import DOCS
from er_pipeline.terminal.settings_page import settings_rows
from er_pipeline_tests.pages import anchors_of, blocks_of, inline_code, links_of, pages, prose_of

PROJECT = Path(__file__).parents[1]
PAGES = pages()
# Written by a program, which has a test of its own.
GENERATED = {"settings", "tables", "checks", "keys"}
BY_HAND = sorted(set(PAGES) - GENERATED)
# What a fragment of a declaration stands in, unless it says otherwise.
AROUND: dict[str, Any] = {
    "dataset": "people",
    "sources": [{"path": "people.csv"}],
    "fields": {
        "first_name": "person_name",
        "last_name": "person_name",
        "email": "email",
        "company": "company",
        "phone": "phone",
        "birth_date": "date",
        "city": "text",
        "account": "identifier",
        "price": "number",
    },
}
SECTIONS = set(PipelineSpec.model_fields)
SETTINGS = {re.sub(r"\[\]| \(.*\)", "", place) for place, *_ in settings_rows()}
MEASURED = re.compile(r"<!-- measured: (.+) -->\n")
# Only words that the pages must not use: the project's English has plainer ones.
AVOIDED = re.compile(r"\b(tell|tells|told|telling|where left out|dearest)\b", re.IGNORECASE)


def page(name: str) -> str:
    return PAGES[name].read_text("utf-8")


def all_fragments() -> list[tuple[str, str]]:
    return [(name, text) for name in BY_HAND for text in blocks_of(page(name), "yaml")]


def inline_settings(name: str) -> list[str]:
    """List the code in a page's prose that reads as settings, such as `strategies: auto`."""
    found = []
    for code in inline_code(page(name)):
        section = re.match(r"(\w+): \S", code)
        if section and section[1] in SECTIONS and "{cron, timezone" not in code:
            found.append(code)
    return found


def in_a_declaration(fragment: str) -> dict[str, Any]:
    return {**AROUND, **yaml.safe_load(fragment)}


@pytest.mark.parametrize(
    ("name", "fragment"), all_fragments(), ids=[name for name, _ in all_fragments()]
)
def test_declarations_and_their_pieces_are_valid(name: str, fragment: str, tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(fragment, "utf-8")
    if fragment.startswith("type:"):
        flow(read_spec(file))
        return
    check_read_as_written(file)
    flow(PipelineSpec.model_validate(in_a_declaration(fragment)))


@pytest.mark.parametrize("name", BY_HAND)
def test_settings_in_the_text_are_valid(name: str) -> None:
    for code in inline_settings(name):
        declared = in_a_declaration(code)
        if "one_to_one" in code:
            declared["mode"] = "link"
        if declared.get("mode", "dedupe") != "dedupe":
            declared["sources"] = [{"path": "people.csv"}, {"path": "others.csv"}]
        if declared.get("strategies") == {}:
            declared["embedding"] = True
        if "spark" in declared:
            declared["engine"] = "spark"
        flow(PipelineSpec.model_validate(declared))


@pytest.mark.parametrize("name", BY_HAND)
def test_settings_that_are_named_exist(name: str) -> None:
    named = {
        code
        for code in inline_code(page(name))
        if re.fullmatch(r"\w+(\.\w+)+", code) and code.split(".")[0] in SECTIONS
    }
    files = {code for code in named if code.endswith((".py", ".md", ".yaml", ".jsonl", ".html"))}
    assert sorted(named - files - SETTINGS) == []


def command_lines(name: str) -> list[list[str]]:
    """List the er-pipeline commands of a page's code blocks, as a shell takes them apart."""
    found = []
    for block in blocks_of(page(name), "bash"):
        for line in block.splitlines():
            words = shlex.shlex(line, posix=True, punctuation_chars="|&")
            words.whitespace_split = True
            for is_end, command in groupby(words, key=lambda word: word in ("|", "&&")):
                program, *arguments = command
                if not is_end and program.endswith("er-pipeline"):
                    found.append(list(takewhile(lambda word: word != ">", arguments)))
    return found


@pytest.mark.parametrize("name", BY_HAND)
def test_commands_are_understood(name: str) -> None:
    for tokens in command_lines(name):
        app.parse_args(tokens, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("name", BY_HAND)
def test_commands_in_the_text_are_understood(name: str) -> None:
    for code in inline_code(page(name)):
        tokens = re.sub(r"[\[\]]", "", code).replace(" ID", " 17").split()
        if tokens[0] != "er-pipeline" or "COMMAND" in tokens:
            continue
        try:
            app.parse_args(tokens[1:], exit_on_error=False, print_error=False)
        except MissingArgumentError:  # the text names the command only
            assert tokens[1] in app


@pytest.mark.parametrize("name", BY_HAND)
def test_links_lead_somewhere(name: str) -> None:
    dead = []
    for link in links_of(page(name)):
        place, _, anchor = link.partition("#")
        target = (PAGES[name].parent / place).resolve() if place else PAGES[name]
        there = target.is_file()
        if not there or (anchor and anchor not in anchors_of(target.read_text("utf-8"))):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("name", BY_HAND)
def test_links_of_an_installed_page_stay_in_the_package(name: str) -> None:
    out = [link for link in links_of(page(name)) if "/" in link]
    assert name == "README" or out == []


@pytest.mark.parametrize("name", BY_HAND)
def test_files_that_are_named_exist(name: str) -> None:
    named = re.findall(r"`(er_pipeline(?:_tests)?/[\w/.]+)`", prose_of(page(name)))
    own = {"er_pipeline/defs/customers/"}  # of the reader
    assert [path for path in named if path not in own and not (PROJECT / path).exists()] == []


@pytest.mark.parametrize("name", sorted(PAGES))
def test_pages_are_in_plain_english(name: str) -> None:
    assert AVOIDED.findall(prose_of(page(name)).replace("dearest_rule", "")) == []


def test_the_guide_names_every_kind_and_built_in_strategy() -> None:
    guide = page("guide")
    assert [kind for kind in KINDS if f"| {kind} |" not in guide] == []
    assert [name for name in NAMED_STRATEGIES if name not in guide] == []


def test_the_readme_links_every_page() -> None:
    linked = {Path(link).stem for link in links_of(page("README"))}
    assert linked == {path.stem for path in DOCS.glob("*.md")}


@pytest.mark.parametrize("name", ["README", "measured"])
def test_every_measured_table_names_a_program_that_exists(name: str) -> None:
    text = page(name)
    programs = MEASURED.findall(text)
    n_tables = len(re.findall(r"^\|[-|]+\|$", text[text.index("## ") :], re.MULTILINE))
    assert programs
    assert name == "README" or len(programs) == n_tables
    for program in programs:
        words = program.split()
        file = words[1] if words[0] == "pytest" else f"{words[0].replace('.', '/')}.py"
        assert (PROJECT / file).is_file(), program
    for after in MEASURED.split(text)[2::2]:
        assert after.startswith("| ")


def test_every_row_of_a_measured_table_has_a_cell_per_column() -> None:
    for table in MEASURED.split(page("measured"))[2::2]:
        rows = [line for line in table.split("\n\n")[0].splitlines() if line]
        assert len({row.count("|") for row in rows}) == 1, rows[0]
