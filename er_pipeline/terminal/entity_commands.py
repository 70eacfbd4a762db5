"""The command entity: what an id stands for, and what happened to it."""

from typing import Annotated

from cyclopts import Parameter

from er_pipeline.terminal.exit_codes import OK, UsageError
from er_pipeline.terminal.options import Defs, JsonOption, LakeOption


def entity(
    defs: Defs,
    entity_id: Annotated[
        int | None, Parameter(name="ID", help="The id, as the view entities has it.")
    ] = None,
    /,
    *,
    record: Annotated[
        str | None,
        Parameter(
            name="--record",
            help="A record instead of an id: SOURCE:RECORD_ID, of one source RECORD_ID.",
        ),
    ] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show the records of an entity and all that happened to it.

    An id that is retired is found, too: what it stands for now is shown. All is
    as the last good run left it.
    """
    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
    from er_pipeline.terminal.answer import print_json, print_lines
    from er_pipeline.terminal.entities import Ledger, entity_lines
    from er_pipeline.terminal.lakes import open_lake

    if (entity_id is None) == (record is None):
        raise UsageError("name one entity: its ID, or a record of it with --record")
    spec = read_spec(defs)
    with DuckDBEngine(spec.threads, spec.memory_limit) as engine:
        ledger = Ledger(engine, open_lake(spec, lake), spec)
        if entity_id is None:
            entity_id = ledger.entity_of(record or "")
        found = ledger.look_up(entity_id)
    if as_json:
        print_json(found)
    else:
        print_lines(entity_lines(found))
    return OK
