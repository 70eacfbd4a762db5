"""A share of the entities, with all records of each: a smaller dataset of the same kind."""

import json
from pathlib import Path

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import FACTS, Lake
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.step import Step


def draw_share(
    engine: Engine, records: Step, whole: Lake, part: Lake, entities: Path, share: float, seed: int
) -> int:
    """Write the tables of the records' step, cut down to a share of the entities, into a lake.

    records: the step that makes cleaned_records. whole: the lake of all records. entities: folder
    of the table entities (record_no, entity_no) of the same records. An entity is drawn by the name
    of its first record and the seed, so that every night draws the same ones.
    Returns how many records there are, numbered anew in their order.
    Raises InputError if that is none.
    """
    for table in records.writes:
        engine.read_folder(whole.path(table.name), f"whole_{table.name}")
    engine.read_folder(entities, "entities_to_draw")
    name = f"md5(concat({literal(f'{seed} ')}, f.source, ' ', f.record_id))"
    engine.make_table(
        "drawn_records",
        f"""
        select e.record_no as old_no,
            cast(row_number() over (order by e.record_no) - 1 as integer) as new_no
        from entities_to_draw as e join whole_cleaned_records as f on f.record_no = e.entity_no
        where cast(concat('0x', left({name}, 8)) as bigint) < {share!r} * 4294967296
        """,
    )
    (n_records,) = engine.row("select count(*) from drawn_records")
    if not n_records:
        raise InputError(f"a share of {share:g} of the entities holds no record: take a larger one")
    for table in records.writes:
        columns = [name for name, _ in engine.described(f"select * from whole_{table.name}")]
        listed = ", ".join(
            "d.new_no as record_no" if name == "record_no" else f"t.{quoted(name)}"
            for name in columns
        )
        drawn = " join drawn_records as d on d.old_no = t.record_no order by d.new_no"
        facts = json.loads((whole.path(table.name) / FACTS).read_text("utf-8"))
        if table.name == "cleaned_records":
            facts["records"] = n_records
        with part.writing(table.name, facts) as draft:
            engine.write(
                f"select {listed} from whole_{table.name} as t"
                f"{drawn if 'record_no' in columns else ''}",
                draft.file(),
            )
            draft.content = f"{share!r} of {whole.stamp(table.name)}"
    return int(n_records)
