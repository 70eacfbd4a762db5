import json
from pathlib import Path

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline.terminal.docs import DOCS, find_page, page_lines, read_pages
from er_pipeline.terminal.exit_codes import UsageError
from er_pipeline_tests.projects import at_a_terminal, command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "settings.md").write_text("# Every *setting*\n\ntext\n")
    (tmp_path / "Guide.md").write_text("```\n# no heading\n```\n\n## How to begin\n")
    (tmp_path / "bare.md").write_text("only text\n")
    (tmp_path / "notes.txt").write_text("# not a page\n")
    return tmp_path


def test_pages_are_listed_with_their_first_heading(folder: Path) -> None:
    assert list(page_lines(read_pages(folder))) == [
        "Guide     How to begin",
        "bare      bare",
        "settings  Every *setting*",
    ]


def test_a_page_is_found_by_its_name(folder: Path) -> None:
    pages = read_pages(folder)
    for name in ("Guide", "guide", "guide.md"):
        assert find_page(pages, name).title == "How to begin"


def test_an_unknown_page_names_the_nearest(folder: Path) -> None:
    pages = read_pages(folder)
    with pytest.raises(UsageError, match=r"no page 'setings'; did you mean settings\? The pages "):
        find_page(pages, "setings")
    with pytest.raises(UsageError, match=r"no page 'xyz'; the pages are Guide, bare, settings$"):
        find_page(pages, "xyz")


def test_the_installed_pages_are_listed_and_printed_as_they_are() -> None:
    listed = command("docs")
    assert listed.returncode == 0, listed.stderr
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert names == sorted(path.stem for path in DOCS.glob("*.md"))
    assert "command" in names
    page = command("docs", "command")
    assert page.stdout == (DOCS / "command.md").read_text("utf-8")


def test_an_unknown_page_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "comand"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "error: there is no page 'comand'; did you mean command?" in printed.err


def test_at_a_terminal_a_page_is_rendered(tmp_path: Path) -> None:
    code, shown = at_a_terminal("docs", "command", folder=tmp_path)
    assert code == 0
    assert "The command line\x1b[0m" in shown
    assert "|---|" not in shown


def test_pages_are_answered_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "--json"]) == 0
    pages = json.loads(capsys.readouterr().out)["pages"]
    assert [page["page"] for page in pages] == list(read_pages())
    assert main(["docs", "command", "--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert page["text"] == (DOCS / "command.md").read_text("utf-8")
