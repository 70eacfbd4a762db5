import subprocess
from pathlib import Path

import pytest

from er_pipeline_tests.benchmarks.measured import PAGES, compare, main, tables_of
from er_pipeline_tests.benchmarks.measuring import REPOSITORY, show_table

PAGE = """# Measured

Measured on commit ...

<!-- measured: counting --pairs 7 -->
| set | records | pairs | completeness | CPU s |
|---|---|---|---|---|
| people | 1,000 | 1,234 | 90.84% | 5.0 |
| **firms** | 2,000 | 7 | | 6.0 |

Words.

<!-- measured: counting --pairs 7 -->
| way | peak MiB |
|---|---|
| ours | 100 |
"""
# Prints its tables as the programs do, and notes each run.
COUNTING = """
import sys
open("runs.txt", "a").write(" ".join(sys.argv[1:]) + chr(10))
print("2 cores")
print("| set | records | pairs | completeness | CPU s |")
print("|---|---|---|---|---|")
print("| people | 1,000 | 1,234 | 90.84% | 5.5 |")
print()
print("| set | records | pairs | completeness | CPU s |")
print("|---|---|---|---|---|")
print(f"| **firms** | 2,000 | {sys.argv[2]} | | 6.0 |")
print("| unknown | 2,000 | 8 | | 6.0 |")
print(".")
print("| way | peak MiB |")
print("|---|---|")
print("| **ours** | 120 |")
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "er_pipeline" / "docs").mkdir(parents=True)
    (tmp_path / PAGES[0]).write_text(PAGE, "utf-8")
    (tmp_path / PAGES[1]).write_text("# A page without tables\n", "utf-8")
    (tmp_path / "counting.py").write_text(COUNTING, "utf-8")
    return tmp_path


def replace_in_page(repository: Path, old: str, new: str) -> None:
    page = repository / PAGES[0]
    assert old in page.read_text("utf-8")
    page.write_text(page.read_text("utf-8").replace(old, new), "utf-8")


def test_figures_that_stay_are_the_same_and_costs_are_only_shown(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], repository) == 0
    printed = capsys.readouterr()
    assert "  people, 1,000: CPU s 5.0 -> 5.5\n  firms, 2,000: same\n" in printed.out
    assert "  ours: peak MiB 100 -> 120\n" in printed.out
    assert "[1 of 1] counting --pairs 7" in printed.err
    assert (repository / PAGES[0]).read_text("utf-8") == PAGE


def test_a_program_of_two_tables_runs_once(repository: Path) -> None:
    main([], repository)
    assert (repository / "runs.txt").read_text() == "--pairs 7\n"


def test_an_exact_figure_that_moved_fails(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_in_page(repository, "1,234 | 90.84%", "1,235 | 90.85%")
    assert main([], repository) == 1
    printed = capsys.readouterr().out
    assert (
        "people, 1,000: MOVED: pairs 1,235 -> 1,234; MOVED: completeness 90.85% -> 90.84%;"
        " CPU s 5.0 -> 5.5"
    ) in printed
    assert "[FAILED] 3 rows of 2 tables, exact figures moved in 1;" in printed


def test_a_row_that_is_not_printed_fails(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_in_page(repository, "**firms**", "**banks**")
    assert main([], repository) == 1
    assert "banks, 2,000: MOVED: was not printed" in capsys.readouterr().out


def test_a_program_that_fails_is_named_and_the_others_run(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_in_page(repository, "counting --pairs 7 -->\n| way", "missing_program -->\n| way")
    assert main(["--write"], repository) == 1
    printed = capsys.readouterr()
    assert "programs that failed: missing_program" in printed.out
    assert "FAILED, exit code 1 of -m missing_program" in printed.err
    assert "people, 1,000: CPU s 5.0 -> 5.5" in printed.out
    written = (repository / PAGES[0]).read_text("utf-8")
    assert "| people | 1,000 | 1,234 | 90.84% | 5.5 |" in written
    assert "Measured on commit ...\n" in written  # as a part of the tables is older


def test_results_that_are_kept_are_used_again(repository: Path) -> None:
    for _ in range(2):
        assert main(["--results", str(repository / "results")], repository) == 0
    assert (repository / "runs.txt").read_text() == "--pairs 7\n"


def test_new_figures_and_the_commit_are_written_into_the_page(repository: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    (repository / ".gitignore").write_text("*.txt\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], cwd=repository, check=True)
    replace_in_page(repository, "1,234", "1,235")
    subprocess.run([*git, "commit", "-qam", "two"], cwd=repository, check=True)
    hash_ = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert main(["--write"], repository) == 1
    expected = PAGE.replace("commit ...", f"commit {hash_}").replace("5.0 |", "5.5 |")
    expected = expected.replace("| ours | 100 |", "| **ours** | 120 |")
    assert (repository / PAGES[0]).read_text("utf-8") == expected


def test_only_programs_of_a_pattern_run(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_in_page(repository, "counting --pairs 7 -->\n| way", "missing_program -->\n| way")
    assert main(["--of", "counting"], repository) == 0
    with pytest.raises(SystemExit):
        main(["--of", "nothing"], repository)
    assert "no table is measured by a program that contains 'nothing'" in capsys.readouterr().err


def test_a_comment_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="page:2: no table follows at once"):
        list(tables_of("page", "\n<!-- measured: counting -->\n\n| a |\n|---|\n| 1 |\n"))


def test_every_table_of_the_pages_has_labels_of_its_own() -> None:
    for page in PAGES:
        tables = list(tables_of(page, (REPOSITORY / page).read_text("utf-8")))
        assert tables
        for table in tables:
            text = "\n".join("| " + " | ".join(row) + " |" for row in table.rows)
            head = "| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns)
            rows = compare(table, f"{head}\n{text}\n")
            assert [row.label for row in rows if not row.label] == []
            assert [row.label for row in rows if row.old != row.new] == []


def test_a_table_is_printed_as_the_pages_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["way", "CPU s", "pairs", "completeness"], [("ours", 5.04, 1_234, None)])
    show_table(["way", "CPU s"], [("ours", 1_234.5)])
    assert capsys.readouterr().out == (
        "\n| way | CPU s | pairs | completeness |\n|---|---|---|---|\n| ours | 5.0 | 1,234 | |\n"
        "\n| way | CPU s |\n|---|---|\n| ours | 1,234 |\n"
    )
