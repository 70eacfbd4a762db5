"""The commands label and labels: judging pairs, and files that bring or take labels."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Group, Parameter
from cyclopts.validators import Number

from er_pipeline.terminal.exit_codes import OK, UsageError
from er_pipeline.terminal.options import LABELS, Defs, JsonOption, LakeOption, examples

FormatOption = Annotated[
    Literal["csv", "jsonl", "label_studio"] | None,
    Parameter(
        name="--format",
        help="By default the file's ending decides; .json is a list of Label Studio tasks.",
    ),
]
LabelFile = Annotated[Path, Parameter(name="FILE", help="A .csv, .jsonl or .json file.")]

label = App(
    name="label",
    group=LABELS,
    help_epilogue=examples(
        "er-pipeline label defs.yaml --lake /data/lake",
        "er-pipeline label defs.yaml --who ann",
        "er-pipeline label defs.yaml --serve --open",
    ),
)
labels = App(
    name="labels",
    group=LABELS,
    help="Bring judged pairs in from a file, or write them to one.",
    group_commands=Group("Commands"),
)


@label.default
def ask(
    defs: Defs,
    /,
    *,
    who: Annotated[
        str, Parameter(name="--who", show_default=False, help="Who answers; by default the user.")
    ] = "",
    serve: Annotated[
        bool,
        Parameter(
            name="--serve",
            negative="",
            show_default=False,
            help="In a browser of this machine, until Ctrl-C; prints the address.",
        ),
    ] = False,
    port: Annotated[
        int | None,
        Parameter(
            name="--port",
            validator=Number(gte=1, lte=65_535),
            help="Where --serve listens; by default any that is free.",
        ),
    ] = None,
    open_it: Annotated[
        bool,
        Parameter(
            name="--open", negative="", show_default=False, help="With --serve, open the browser."
        ),
    ] = False,
    lake: LakeOption = None,
) -> int:
    """Judge pairs side by side, one key per answer.

    Asks about the pairs of label_queue, which a run makes. Every answer is
    kept at once in the journal that the defs.yaml names below labels, and the
    next run learns from it.
    """
    from er_pipeline.terminal.labels import ask_for_labels, serve_labels

    if serve:
        serve_labels(defs, lake, who, port or 0, open_it=open_it)
    elif port is not None or open_it:
        raise UsageError("--port and --open are of the browser; add --serve")
    else:
        ask_for_labels(defs, lake, who)
    return OK


@labels.command(
    name="import",
    help_epilogue=examples(
        "er-pipeline labels import defs.yaml judged.csv",
        "er-pipeline labels import defs.yaml export.json --lake /data/lake",
    ),
)
def import_labels(
    defs: Defs,
    file: LabelFile,
    /,
    *,
    file_format: FormatOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Append the labels of a file to the journal.

    A csv or jsonl file has left_id, right_id and answer (match, no_match or
    unsure), and if needed left_source, right_source, who and at. Labels that
    are known already are not added again.
    """
    from er_pipeline.terminal.answer import print_json
    from er_pipeline.terminal.labels import import_file

    found = import_file(defs, file, lake, file_format or "")
    if as_json:
        print_json(found)
    else:
        print(
            f"Labels added to {found['journal']}: {found['added']:,}; known already:"
            f" {found['known']:,}; rows without an answer: {found['without_answer']:,}"
        )
    return OK


@labels.command(
    name="export",
    help_epilogue=examples(
        "er-pipeline labels export defs.yaml labels.csv",
        "er-pipeline labels export defs.yaml tasks.json --lake /data/lake",
    ),
)
def export_labels(
    defs: Defs,
    file: LabelFile,
    /,
    *,
    file_format: FormatOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write the labels in force to a file.

    Tasks for Label Studio also hold the pairs of label_queue that have no
    answer yet.
    """
    from er_pipeline.terminal.answer import print_json
    from er_pipeline.terminal.labels import export_file

    written = export_file(defs, file, lake, file_format or "")
    if as_json:
        print_json(written)
    else:
        print(
            f"Labels in {file}: {written['labels']:,};"
            f" pairs to label: {written['without_answer']:,}"
        )
    return OK
