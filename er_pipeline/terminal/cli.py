"""er-pipeline: the commands of the terminal, what they take and what their help says.

Only the parser is imported here, and rich by it; a command imports what it needs when it runs, so
that help and completion come at once.

The docstring of a command is its help: wrapped by hand, at 80 columns with the indentation.
"""

import gc
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from er_pipeline.terminal.declaration_commands import (
    CHECK_EXAMPLES,
    INIT_EXAMPLES,
    check,
    init,
)
from er_pipeline.terminal.diff_command import DIFF_EXAMPLES, diff
from er_pipeline.terminal.entity_commands import entity
from er_pipeline.terminal.exit_codes import (
    EXIT_CODES,
    FAILED,
    OK,
    PIPE_CLOSED,
    STOPPED,
    WRONG_USE,
    UsageError,
    exit_code_of,
)
from er_pipeline.terminal.explain_command import EXPLAIN_EXAMPLES, explain
from er_pipeline.terminal.forget_command import forget
from er_pipeline.terminal.label_commands import label, labels
from er_pipeline.terminal.learn_commands import (
    LEARN_EXAMPLES,
    PROMOTE_EXAMPLES,
    learn,
    promote,
)
from er_pipeline.terminal.notify_command import NOTIFY_EXAMPLES, notify_command
from er_pipeline.terminal.options import (
    OTHER,
    REFERENCE,
    RUN,
    DateOption,
    DatesOption,
    Defs,
    ExecutorOption,
    JsonOption,
    LakeOption,
    examples,
)
from er_pipeline.terminal.report_command import REPORT_EXAMPLES, report
from er_pipeline.terminal.rule_commands import rules, training_rules
from er_pipeline.terminal.show_command import SHOW_EXAMPLES, show
from er_pipeline.terminal.step_command import STEP_EXAMPLES, step
from er_pipeline.terminal.version_commands import versions

Shell = Literal["bash", "zsh", "fish"]


def _version() -> str:
    from importlib.metadata import version

    return version("er_pipeline")


app = App(
    name="er-pipeline",
    help="Blocking for entity resolution: records in, the pairs worth comparing out.",
    help_format="plaintext",
    help_epilogue=EXIT_CODES,
    version=_version,
    group_commands=OTHER,
)
app["--help"].help = "Show this help, or that of a command."
app["--version"].help = "Show the version."
app.command(init, group=RUN, help_epilogue=INIT_EXAMPLES)
app.command(check, group=RUN, help_epilogue=CHECK_EXAMPLES)
app.command(explain, group=RUN, help_epilogue=EXPLAIN_EXAMPLES)
app.command(diff, group=RUN, help_epilogue=DIFF_EXAMPLES)
app.command(show, group=RUN, help_epilogue=SHOW_EXAMPLES)
app.command(report, group=RUN, help_epilogue=REPORT_EXAMPLES)
app.command(step, group=RUN, help_epilogue=STEP_EXAMPLES)
app.command(learn, group=RUN, help_epilogue=LEARN_EXAMPLES)
app.command(promote, group=RUN, help_epilogue=PROMOTE_EXAMPLES)
app.command(notify_command, name="notify", group=RUN, help_epilogue=NOTIFY_EXAMPLES)
for command in (label, labels, rules, training_rules):
    app.command(command)
app.command(
    entity,
    group=RUN,
    help_epilogue=examples(
        "er-pipeline entity defs.yaml 17",
        "er-pipeline entity defs.yaml --record shop:4711",
        "er-pipeline entity defs.yaml 17 --json",
    ),
)
app.command(
    forget,
    group=RUN,
    help_epilogue=examples(
        "er-pipeline forget defs.yaml crm 17 --dry-run",
        "er-pipeline forget defs.yaml crm 17 203 --lake /data/lake",
        "er-pipeline forget defs.yaml crm 17 --allow-again",
    ),
)
app.command(
    versions,
    group=RUN,
    help_epilogue=examples(
        "er-pipeline versions defs.yaml --lake /data/lake",
        "er-pipeline versions defs.yaml --prune --keep-days 1",
    ),
)


@app.command(
    group=RUN,
    help_epilogue=examples(
        "er-pipeline demo",
        "er-pipeline demo --records 1000000 --lake /tmp/lake",
    ),
)
def demo(
    *,
    records: Annotated[
        int,
        Parameter(name="--records", validator=Number(gte=1, lte=10_000_000), help="How many."),
    ] = 10_000,
    seed: Annotated[
        int, Parameter(name="--seed", help="The same seed makes the same people.")
    ] = 20,
    lake: LakeOption = None,
    executor: ExecutorOption = None,
    as_json: JsonOption = False,
) -> int:
    """Make up people and run the whole graph on them.

    The people have typos, nicknames, changed e-mails and known duplicates, so
    that the report can say what was found and what was missed.
    """
    from er_pipeline.terminal.demo import DEMO_DEFS, demo_overrides
    from er_pipeline.terminal.run_answer import run_and_report

    print(f"Making {records:,} people (seed {seed}) and running the graph.", file=sys.stderr)
    return run_and_report(
        DEMO_DEFS,
        demo_overrides(records, seed),
        lake=lake,
        executor=executor or "",
        selection=None,
        as_json=as_json,
    )


@app.command(
    group=RUN,
    help_epilogue=examples(
        "er-pipeline run defs.yaml --dry-run",
        "er-pipeline run defs.yaml --lake /data/lake",
        "er-pipeline run defs.yaml --select filtered_blocks,unified_pairs",
        "er-pipeline run defs.yaml --select 'unified_pairs+'",
        "er-pipeline run defs.yaml --dates 2026-11-01..2026-11-30",
        "er-pipeline run defs.yaml --json > answer.json",
    ),
)
def run(
    defs: Defs,
    /,
    *,
    select: Annotated[
        str | None,
        Parameter(
            name="--select",
            help="Part of the graph: a table, a list a,b, or a Dagster selection of tables.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        Parameter(
            name="--dry-run",
            negative="",
            show_default=False,
            help="Count the pairs of every strategy and judge the budgets; change nothing.",
        ),
    ] = False,
    full: Annotated[
        bool,
        Parameter(
            name="--full",
            negative="",
            show_default=False,
            help="Make every table, or the selected ones, also if nothing has changed.",
        ),
    ] = False,
    notify: Annotated[
        bool,
        Parameter(
            name="--notify",
            negative="--no-notify",
            help="Send the messages that the declaration's notify wants.",
        ),
    ] = True,
    date: DateOption = None,
    dates: DatesOption = None,
    lake: LakeOption = None,
    executor: ExecutorOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run a declared dataset.

    Makes every table, or the selected ones, and runs their checks; what would
    come out as it is, since nothing has changed, is skipped. A failed
    check withholds its table and what is made of it: the catalog keeps showing
    those of the last good run, and all others as this run made them.
    """
    from er_pipeline.terminal.run_command import run_command

    return run_command(
        defs,
        date=date,
        dates=dates,
        select=select,
        dry_run=dry_run,
        full=full,
        notify=notify,
        lake=lake,
        executor=executor or "",
        as_json=as_json,
    )


@app.command(
    group=REFERENCE,
    help_epilogue=examples("er-pipeline settings", "er-pipeline settings | grep budget"),
)
def settings(*, as_json: JsonOption = False) -> int:
    """List every setting of a defs.yaml.

    The list is a Markdown table of names, defaults, limits and meanings.
    """
    from er_pipeline.terminal.answer import print_json
    from er_pipeline.terminal.settings_page import settings_markdown, settings_rows

    if as_json:
        names = ("setting", "default", "limits", "meaning")
        values = ((row.place, row.default, row.limits, row.meaning) for row in settings_rows())
        print_json([dict(zip(names, row, strict=True)) for row in values])
    else:
        print(settings_markdown())
    return OK


@app.command(
    group=REFERENCE,
    help_epilogue=examples("er-pipeline docs", "er-pipeline docs command"),
)
def docs(
    page: Annotated[
        str | None, Parameter(name="PAGE", help="A page of the list; if omitted, the list.")
    ] = None,
    /,
    *,
    as_json: JsonOption = False,
) -> int:
    """List the pages of the documentation, or show one.

    A page is rendered on a terminal, and printed as plain Markdown when piped.
    """
    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.docs import find_page, page_lines, print_page, read_pages

    pages = read_pages()
    if as_json:
        listed = [{"page": one.name, "title": one.title} for one in pages.values()]
        print_json(find_page(pages, page)._asdict() if page else {"pages": listed})
    elif page is None:
        print_lines(page_lines(pages))
    else:
        print_page(find_page(pages, page))
    return OK


ShellArgument = Annotated[
    Shell | None, Parameter(name="SHELL", help="By default the shell that runs the command.")
]


@app.command(name="--show-completion", group=OTHER)
def show_completion(shell: ShellArgument = None, /) -> int:
    """Print the completion script of a shell."""
    print(app.generate_completion(shell=shell or _shell()))
    return OK


@app.command(name="--install-completion", group=OTHER)
def install_completion(shell: ShellArgument = None, /) -> int:
    """Install completion for a shell."""
    print(f"Completion is in {app.install_completion(shell=shell or _shell())}; open a new shell.")
    return OK


def _shell() -> Shell:
    from cyclopts.completion.detect import ShellDetectionError, detect_shell

    try:
        shell = detect_shell()
    except ShellDetectionError as error:
        raise UsageError("the shell is not known; name it: bash, zsh or fish") from error
    if shell == "powershell":
        raise UsageError("there is no completion for PowerShell; name bash, zsh or fish")
    return shell


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code, 0 only if every check that stops a run has passed."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(tokens)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        # Whoever read the lines, such as head, has seen enough; rich then asks to exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = PIPE_CLOSED
    except KeyboardInterrupt:
        code = STOPPED
    except Exception as error:
        known = exit_code_of(error)
        if known is None:
            raise
        code = known
        if code != STOPPED:
            from er_pipeline.terminal.answer import print_error

            print_error(str(error))
    if code == STOPPED:
        print("stopped; the last good tables are as they were", file=sys.stderr)
    return code


def _run(tokens: list[str]) -> int:
    try:
        command, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        command_line = " ".join([*app.name[:1], *(error.command_chain or ()), "--help"])
        raise UsageError(f"{error}\nSee {command_line}.") from error
    if command == app.help_print and not {"--help", "-h"} & set(tokens):
        app.help_print(tokens, console=app.error_console)
        return WRONG_USE
    code = command(*bound.args, **bound.kwargs)
    return OK if code is None else int(code)


def entry() -> None:
    """Run the command as a program.

    The process ends at once when its work is done: DuckDB 2.0 otherwise lists on stderr, line by
    line, every object that is still alive while the interpreter goes down.
    """
    gc.set_threshold(50_000, 20, 20)  # what a run makes stays: looking took 2 of 30 CPU s
    try:
        code = main()
    except Exception:
        import traceback

        traceback.print_exc()
        code = FAILED
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    entry()
