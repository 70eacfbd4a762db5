"""The command diff: what differs between two publications or runs."""

from typing import Annotated

from cyclopts import Parameter

from er_pipeline.terminal.exit_codes import OK
from er_pipeline.terminal.options import Defs, JsonOption, LakeOption, examples

DIFF_EXAMPLES = examples(
    "er-pipeline diff defs.yaml",
    "er-pipeline diff defs.yaml '2026-11-20 02:00'",
    "er-pipeline diff defs.yaml 2026-11-20 2026-11-27 --json",
    "er-pipeline diff defs.yaml 4f0c2a9b 91de77aa",
)


def diff(
    defs: Defs,
    before: Annotated[
        str | None,
        Parameter(
            name="RUN", help="The older one: a moment of versions in UTC, or Dagster's id of a run."
        ),
    ] = None,
    now: Annotated[
        str | None, Parameter(name="RUN2", help="The newer one; by default what is shown now.")
    ] = None,
    /,
    *,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Compare two publications or runs; by default the last two.

    Figures side by side; checks that came out otherwise; pairs, matches and
    entities gained and lost, by cause; strategies whose pairs moved most; and
    settings that changed. Of a run whose tables are gone, figures alone.
    """
    from dataclasses import asdict

    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
    from er_pipeline.blocking.tables.files import scratch_folder
    from er_pipeline.evaluation.compared_runs import compare_runs
    from er_pipeline.terminal.answer import print_json, print_lines, terminal_width
    from er_pipeline.terminal.diff_lines import diff_lines
    from er_pipeline.terminal.lakes import open_lake
    from er_pipeline.terminal.run_names import NamedRuns

    spec = read_spec(defs)
    place = open_lake(spec, lake)
    with (
        scratch_folder() as scratch,  # who looks may have no right to write in the lake
        DuckDBEngine(spec.threads, spec.memory_limit, scratch) as engine,
    ):
        named = NamedRuns(engine, place)
        sides = named.both(before, now)
        found = compare_runs(engine, place, *sides, named.between(*sides))
    if as_json:
        print_json(asdict(found))
    else:
        print_lines(diff_lines(found, terminal_width()))
    return OK
