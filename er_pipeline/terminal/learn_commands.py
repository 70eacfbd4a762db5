"""The commands learn and promote: what a dataset would learn now, and putting it in force."""

import sys
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from er_pipeline.terminal.exit_codes import OK
from er_pipeline.terminal.options import Defs, JsonOption, LakeOption, examples

LEARN_EXAMPLES = examples(
    "er-pipeline learn defs.yaml --lake /data/lake",
    "er-pipeline learn defs.yaml --share 0.1",
    "er-pipeline learn defs.yaml --yes && er-pipeline run defs.yaml",
)
PROMOTE_EXAMPLES = examples(
    "er-pipeline promote defs.yaml --lake /data/lake",
    "er-pipeline promote defs.yaml 20261127T0200",
)


def learn(
    defs: Defs,
    /,
    *,
    share: Annotated[
        float,
        Parameter(
            name="--share",
            validator=Number(gt=0, lte=1),
            help="Share of the entities that both sides are run on, with all their records.",
        ),
    ] = 1.0,
    yes: Annotated[
        bool,
        Parameter(
            name="--yes",
            negative="",
            show_default=False,
            help="Promote it at once, whatever the comparison shows.",
        ),
    ] = False,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Learn anew, and compare with what is in force.

    Rules, weights and the model are learned from the records of the last run
    and the labels as they are now, then run on the same records as those in
    force. Nothing that is published or used changes: promote does that.
    """
    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.files import files_of_mode
    from er_pipeline.candidates import learn as learn_candidate
    from er_pipeline.candidates import promote_version
    from er_pipeline.evaluation.learned_comparison import comparison_lines
    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.lakes import open_lake

    spec = read_spec(defs)
    place = open_lake(spec, lake)
    print(f"learning anew for {spec.dataset}, beside what is in force ...", file=sys.stderr)
    with files_of_mode(spec.lake.file_mode):
        candidate = learn_candidate(spec, place, share)
        version = candidate["version"]
        if yes:
            promote_version(spec, place, version)
    if as_json:
        print_json({**candidate, "promoted": yes})
        return OK
    print_lines(comparison_lines(candidate["comparison"]))
    print(f"Learning took {candidate['learning_cpu_seconds']:,.1f} CPU seconds.")
    if yes:
        print(f"Version {version} is in force; the next run uses it.")
    else:
        print(f"To put it in force: er-pipeline promote {defs} {version}")
    return OK


def promote(
    defs: Defs,
    version: Annotated[
        str | None,
        Parameter(
            name="VERSION", help="A version of the list, or how it begins; if omitted, the list."
        ),
    ] = None,
    /,
    *,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """List what was learned, or put a version in force.

    The next run uses it. Going back is promoting an older version; the setting
    lake.keep_learned says how many stay.
    """
    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.files import files_of_mode
    from er_pipeline.candidates import promote_version
    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.lakes import open_lake
    from er_pipeline.terminal.learned_versions import (
        list_versions,
        version_lines,
        versions_answer,
    )

    spec = read_spec(defs)
    place = open_lake(spec, lake)
    if version is None:
        listed = list_versions(place)
        if as_json:
            print_json(versions_answer(listed))
        else:
            print_lines(version_lines(listed))
        return OK
    with files_of_mode(spec.lake.file_mode):
        promoted = promote_version(spec, place, version)
    if as_json:
        print_json({"promoted": promoted["version"], "tables": promoted["tables"]})
    else:
        print(f"Version {promoted['version']} is in force; the next run uses it.")
    return OK
