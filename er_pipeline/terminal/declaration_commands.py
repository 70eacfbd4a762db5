"""The commands init and check: a first declaration of tables, and what is wrong with one."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from er_pipeline.terminal.exit_codes import OK, UsageError
from er_pipeline.terminal.options import JsonOption, examples

INIT_EXAMPLES = examples(
    "er-pipeline init customers.csv",
    "er-pipeline init crm.csv shop.parquet --out customers/defs.yaml",
)
CHECK_EXAMPLES = examples(
    "er-pipeline check defs.yaml",
    "er-pipeline check er_pipeline/defs/*/defs.yaml",
    "er-pipeline check defs.yaml --json",
)


def init(
    files: Annotated[
        list[Path],
        Parameter(name="FILE", negative="", help="Tables of records: csv, parquet or json."),
    ],
    /,
    *,
    out: Annotated[
        Path, Parameter(name="--out", help="The file to write; its folder is made.")
    ] = Path("defs.yaml"),
    force: Annotated[
        bool,
        Parameter(
            name="--force", negative="", show_default=False, help="Replace a file that is there."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Look at tables and write a declaration that runs.

    Guesses from names and values what each column holds, which one is the id,
    how dates and phone numbers are written and how a csv file is, and says in
    comments what each guess rests on. Several tables are linked.
    """
    from dataclasses import asdict

    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.first_declaration import write_declaration

    if out.is_dir():
        raise UsageError(f"{out} is a folder; name the file to write, such as {out / 'defs.yaml'}")
    declared = write_declaration(files, out, force=force)
    if as_json:
        print_json(asdict(declared))
    else:
        print_lines(declared.lines())
    return OK


def check(
    files: Annotated[
        list[Path], Parameter(name="DEFS", negative="", help="Declarations, each a defs.yaml.")
    ],
    /,
    *,
    as_json: JsonOption = False,
) -> int:
    """Say all that is wrong with a declaration, without running it.

    Looks at every setting and key, then reads every source once: files, columns,
    ids and rows that cannot be read. Several mistakes are reported at once.
    """
    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.declaration_check import check_declaration

    code = OK
    answers = []
    for file in files:
        checked = check_declaration(file)
        code = max(code, checked.exit_code)
        if as_json:
            answers.append(
                {
                    "file": checked.file,
                    "dataset": checked.dataset,
                    "problems": checked.problems,
                    "failures": checked.failures,
                    "records": checked.records,
                    "remark": checked.remark,
                }
            )
        else:
            print_lines(checked.lines())
    if as_json:
        print_json({"verdict": "failed" if code else "ok", "files": answers})
    return code
