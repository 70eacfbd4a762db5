"""The command explain: why two records are, or are not, together."""

from typing import Annotated

from cyclopts import Parameter

from er_pipeline.terminal.exit_codes import OK
from er_pipeline.terminal.options import Defs, JsonOption, LakeOption, examples

EXPLAIN_EXAMPLES = examples(
    "er-pipeline explain defs.yaml 17 4711",
    "er-pipeline explain defs.yaml crm:17 shop:4711 --json",
)


def explain(
    defs: Defs,
    left: Annotated[str, Parameter(name="LEFT", help="A record: its id, or source:id.")],
    right: Annotated[str, Parameter(name="RIGHT", help="Another one.")],
    /,
    *,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Explain why two records are, or are not, together.

    Both records side by side; the keys that every strategy gives them and the
    blocks that they share; neighbours, weight and budget; the model's score,
    one comparison after the other; and what joins them. If they are not
    together: the first thing that parts them, and the cheapest change that
    would unite them, with its cost in pairs.
    """
    from dataclasses import asdict

    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
    from er_pipeline.evaluation.explained_pair import explain_pair
    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.explain_lines import explained_lines
    from er_pipeline.terminal.lakes import open_lake
    from er_pipeline.terminal.record_arguments import record_named

    spec = read_spec(defs)
    place = open_lake(spec, lake)
    with DuckDBEngine(spec.threads, spec.memory_limit, place.spill) as engine:
        place.open(engine, "cleaned_records")
        names = [record_named(engine, spec, text) for text in (left, right)]
        explained = explain_pair(engine, place, spec, names[0], names[1])
    if as_json:
        print_json({**asdict(explained), "sentence": explained.sentence})
    else:
        print_lines(explained_lines(explained))
    return OK
