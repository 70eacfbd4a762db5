"""The command explain: what became of a record, and why two are, or are not, together."""

from typing import Annotated

from cyclopts import Parameter

from er_pipeline.terminal.exit_codes import OK, UsageError
from er_pipeline.terminal.options import Defs, JsonOption, LakeOption, examples

EXPLAIN_EXAMPLES = examples(
    "er-pipeline explain defs.yaml 17",
    "er-pipeline explain defs.yaml 17 4711",
    "er-pipeline explain defs.yaml crm:17 shop:4711 --json",
)
# Candidates of a record that are listed.
CANDIDATES = 10


def explain(
    defs: Defs,
    record: Annotated[str, Parameter(name="RECORD", help="A record: its id, or source:id.")],
    other: Annotated[str | None, Parameter(name="OTHER", help="Another one.")] = None,
    /,
    *,
    candidates: Annotated[
        int, Parameter(name="--candidates", help="Candidates of one record that are listed.")
    ] = CANDIDATES,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Explain what became of a record, or why two are, or are not, together.

    Of one record: its clean values; its keys, with the size of each block and
    whether it is compared; its best candidates; its entity, and what happened
    to it; and why it has no candidate, if it has none.

    Of two: both side by side; the keys that every strategy gives them and the
    blocks that they share; neighbours, weight and budget; the model's score,
    one comparison after the other; and what joins them. If they are not
    together: the first thing that parts them, and the cheapest change that
    would unite them, with its cost in pairs.

    Tables whose last version is withheld, since a check failed, are read
    all the same; the first line then names them.
    """
    from dataclasses import asdict

    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
    from er_pipeline.evaluation.missed_matches import tables_read
    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.lakes import open_lake
    from er_pipeline.terminal.record_arguments import record_named
    from er_pipeline.terminal.withheld_tables import withheld_line, withheld_tables

    if candidates < 1:
        raise UsageError(f"--candidates {candidates}: list one or more")
    spec = read_spec(defs)
    threshold = spec.matching.threshold if spec.matching else None
    place = open_lake(spec, lake).as_it_stands()
    with DuckDBEngine(spec.threads, spec.memory_limit, place.spill) as engine:
        place.open(engine, "cleaned_records")
        named = record_named(engine, spec, record)
        if other is None:
            from er_pipeline.evaluation.explained_record import explain_record
            from er_pipeline.terminal.record_lines import record_lines

            alone = explain_record(engine, place, spec, named, candidates)
            answer, sentence, lines = asdict(alone), alone.sentence, record_lines(alone)
        else:
            from er_pipeline.evaluation.explained_pair import explain_pair
            from er_pipeline.terminal.explain_lines import explained_lines

            pair = explain_pair(engine, place, spec, named, record_named(engine, spec, other))
            answer, sentence, lines = asdict(pair), pair.sentence, explained_lines(pair)
    withheld = withheld_tables(place, spec, tables_read(spec, threshold))
    if as_json:
        print_json({**answer, "withheld": withheld, "sentence": sentence})
    else:
        if withheld:
            print_lines([withheld_line(withheld), ""])
        print_lines(lines)
    return OK
