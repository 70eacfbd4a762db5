"""The command versions: what a lake keeps of a dataset, and what can go."""

import sys
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from er_pipeline.terminal.exit_codes import OK
from er_pipeline.terminal.options import Defs, JsonOption, LakeOption


def versions(
    defs: Defs,
    /,
    *,
    prune: Annotated[
        bool,
        Parameter(
            name="--prune",
            negative="",
            show_default=False,
            help="Delete the versions that are no longer to be kept; wait for a run at work.",
        ),
    ] = False,
    keep_days: Annotated[
        float | None,
        Parameter(
            name="--keep-days",
            validator=Number(gte=0),
            help="Days that versions stay when pruning; by default the dataset's setting.",
        ),
    ] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show which versions of the tables the lake keeps, and prune them.

    Every publication stays for some days after the catalog has last shown it,
    see the settings lake.keep_days and lake.keep_versions.
    """
    from dataclasses import replace

    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.errors import LakeError
    from er_pipeline.blocking.tables.locks import catalog_lock, run_lock
    from er_pipeline.blocking.tables.publications import prune as prune_versions
    from er_pipeline.catalog import CATALOG, named_by
    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.lakes import open_lake
    from er_pipeline.terminal.versions import kept_publications, version_lines, versions_answer

    spec = read_spec(defs)
    place = open_lake(spec, lake)
    freed = None
    if prune and place.folder.is_dir():
        retention = spec.lake.retention
        if keep_days is not None:
            retention = replace(retention, days=keep_days)
        with (
            run_lock(place.folder, lambda text: print(text, file=sys.stderr)),
            catalog_lock(place.root),
        ):
            named = named_by(place.root / CATALOG)
            if named is None:
                raise LakeError(
                    f"{place.root / CATALOG} cannot be read, so that nobody knows what it shows:"
                    " publish first, with run --select catalog"
                )
            freed = prune_versions(place.folder, retention, named)
    listed = kept_publications(place)
    if as_json:
        print_json(versions_answer(listed, freed))
    else:
        print_lines(version_lines(listed))
        if freed is not None:
            print(f"{freed / 2**20:,.1f} MiB freed")
    return OK
