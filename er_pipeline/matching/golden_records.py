"""Entities -> golden records: one row per entity, of the values that survive, each with its record.

Cleaned values survive, as everything that compares records sees them. A NULL never wins over a
value. Where two values are equally good, that of the record with the least record_no survives: the
first source's, then the least id.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TypedDict, cast

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.survivorship_section import Survivorship
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Grid, Shown
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Check, Column, Facts, Table
from er_pipeline.blocking.tables.verdicts import Verdict

GOLDEN = "golden_records"
# A rank and a record_no in one number: aggregates over whole numbers are the cheapest.
RANK = 1 << 32
# Ranks after every day that a date can be.
UNDATED = 10_000_000

CHECKS = (
    Check(
        "every_entity_has_a_golden_record",
        "Who reads golden records would miss an entity, or count one twice.",
    ),
)


class GoldenFacts(TypedDict):
    """What is noted beside golden_records.

    filled: field -> entities with a value. disagreements: field -> entities whose records have
    several values. rules: field -> its rule.
    """

    entities: int
    filled: dict[str, int]
    disagreements: dict[str, int]
    rules: dict[str, str]


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that makes golden records, if there is a section `survivorship`."""
    section = spec.survivorship
    if section is None:
        return []
    rules = {name: section.rule_of(name) for name in spec.field_kinds}
    columns = [
        Column("entity_no", "INTEGER", "Least record_no of the entity", minimum=0),
        Column("records", "BIGINT", "Records of the entity", minimum=1),
    ]
    for name, rule in rules.items():
        columns += [
            Column(name, "VARCHAR", f"The value that survives: {rule}", required=False),
            Column(f"{name}_record_no", "INTEGER", f"The record it is of, for {name}", False),
        ]
    return [
        Step(
            writes=[
                Table(
                    GOLDEN,
                    "One row per entity: the values that survive, each with the record it is of.",
                    columns,
                    partial(_view, spec=spec),
                )
            ],
            reads=["cleaned_records", "entities"],
            settings=[
                rules,
                section.newest_by if "newest" in rules.values() else None,
                section.sources_in_order(spec.source_labels)
                if "source_order" in rules.values()
                else None,
            ],
            run=partial(make_golden_records, spec=spec),
            stage="matching",
            checks=CHECKS,
            judge=_judge,
            show=_show,
            lineage={"entity_no": (), "records": ()}
            | {f"{name}_record_no": (name,) for name in spec.field_kinds},
        )
    ]


def make_golden_records(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Let one value of every field survive in each entity.

    Reads cleaned_records and entities. Writes golden_records (entity_no INTEGER, records BIGINT,
    and per field the value, VARCHAR, and <field>_record_no INTEGER, both NULL where no record has
    any), sorted by entity_no.
    Returns the facts kept beside the table, see `GoldenFacts`.
    """
    section = spec.survivorship
    assert section is not None, "there are rules"
    lake.open(engine, "cleaned_records")
    lake.open(engine, "entities")
    fields = list(spec.field_kinds)
    columns = ", ".join(f"r.{quoted(name)}" for name in fields)
    engine.make_table(
        "golden_sizes", "select entity_no, count(*) as _n from entities group by entity_no"
    )
    # Most entities have one record, which needs no rule.
    engine.make_table(
        "golden_members",
        f"select e.entity_no, s._n, r.record_no, r.source, {columns} from entities as e"
        " join golden_sizes as s on s.entity_no = e.entity_no"
        " join cleaned_records as r on r.record_no = e.record_no where s._n > 1",
    )
    alone = ", ".join(
        f"r.{quoted(name)}, case when r.{quoted(name)} is not null then r.record_no end"
        for name in fields
    )
    with lake.writing(GOLDEN) as draft:
        engine.write(
            f"""
            {_survivors_sql(section, spec)}
            union all
            select s.entity_no, s._n, {alone}
            from golden_sizes as s join cleaned_records as r on r.record_no = s.entity_no
            where s._n = 1
            order by entity_no
            """,
            draft.file(),
        )
        engine.read_folder(draft.folder, "written_golden")
        facts = _facts(engine, fields, section)
        draft.facts.update(facts)
        return dict(draft.facts)


def golden_facts(lake: Lake) -> GoldenFacts:
    """Read what is noted beside golden_records."""
    return cast(GoldenFacts, lake.facts(GOLDEN))


def judge_golden_records(engine: Engine, lake: Lake) -> Iterator[Verdict]:
    """Judge the golden records, by reading them beside the entities."""
    lake.open(engine, "entities")
    lake.open(engine, GOLDEN)
    (n_entities,) = engine.row("select count(distinct entity_no) from entities")
    rows, known = engine.row(
        f"select count(*), count(distinct entity_no) from {GOLDEN}"
        " where entity_no in (select entity_no from entities)"
    )
    passed = rows == known == n_entities
    yield Verdict(
        CHECKS[0].name,
        passed,
        "error",
        f"{known:,} of {n_entities:,} entities stand in {rows:,} rows."
        + ("" if passed else f" Materialize {GOLDEN} again."),
        {"entities": n_entities, "rows": rows},
    )


def _survivors_sql(section: Survivorship, spec: PipelineSpec) -> str:
    """Write the query of the golden records of entities of several records."""
    ranked, counted, selected = [], [], []
    for i, name in enumerate(spec.field_kinds):
        column, rule = quoted(name), section.rule_of(name)
        if rule == "most_frequent":
            value, key = f"f{i}._v", f"f{i}._k"
            counted.append(
                f" left join ({_most_frequent_sql(column)}) as f{i} on f{i}.entity_no = g.entity_no"
            )
        else:
            value, key = f"g._v{i}", f"g._k{i}"
            rank = f"({_rank(section, spec, column, rule)}) * {RANK} + record_no"
            rank = f"case when {column} is not null then {rank} end"
            ranked.append(f", arg_min({column}, {rank}) as _v{i}, min({rank}) as _k{i}")
        number = f"cast({key} & {RANK - 1} as integer)"
        selected.append(f", {value} as {column}, {number} as {quoted(f'{name}_record_no')}")
    return f"""
        select g.entity_no, g.records{"".join(selected)}
        from (
            select entity_no, count(*) as records{"".join(ranked)}
            from golden_members group by entity_no
        ) as g{"".join(counted)}
    """


def _most_frequent_sql(column: str) -> str:
    """Write the query of (entity_no, _v, _k): the commonest value, and its rank and record."""
    return (
        "select entity_no, arg_min(_v, _k) as _v, min(_k) as _k from"
        f" (select entity_no, {column} as _v, -count(*) * {RANK} + min(record_no) as _k"
        f" from golden_members where {column} is not null group by entity_no, {column})"
        " group by entity_no"
    )


def _rank(section: Survivorship, spec: PipelineSpec, column: str, rule: str) -> str:
    """Write the whole number by which values are ranked, the best one least."""
    if rule == "longest":
        return f"-len({column})"
    if rule == "newest":
        assert section.newest_by is not None
        day = f"try_cast({quoted(section.newest_by)} as date)"
        return f"coalesce(-date_diff('day', date '1970-01-01', {day}), {UNDATED})"
    assert rule == "source_order"
    cases = "".join(
        f" when {literal(source)} then {place}"
        for place, source in enumerate(section.sources_in_order(spec.source_labels))
    )
    return f"cast(case source{cases} end as bigint)"


def _facts(engine: Engine, fields: list[str], section: Survivorship) -> GoldenFacts:
    filled = ", ".join(f"count({quoted(name)})" for name in fields)
    n_entities, *n_filled = engine.row(f"select count(*), {filled} from written_golden")
    differ = ", ".join(
        f"min({quoted(name)}) is distinct from max({quoted(name)}) as _d{i}"
        for i, name in enumerate(fields)
    )
    sums = ", ".join(f"count(*) filter (_d{i})" for i in range(len(fields)))
    n_differ = engine.row(
        f"select {sums} from (select {differ} from golden_members group by entity_no)"
    )
    return GoldenFacts(
        entities=n_entities,
        filled=dict(zip(fields, n_filled, strict=True)),
        disagreements=dict(zip(fields, n_differ, strict=True)),
        rules={name: section.rule_of(name) for name in fields},
    )


def _view(relations: Mapping[str, str], spec: PipelineSpec) -> str:
    records, values, joins = relations["cleaned_records"], [], []
    for i, name in enumerate(spec.field_kinds):
        values.append(
            f"g.{quoted(name)}, r{i}.source as {quoted(f'{name}_source')},"
            f" r{i}.record_id as {quoted(f'{name}_record')}"
        )
        joins.append(
            f" left join {records} as r{i} on r{i}.record_no = g.{quoted(f'{name}_record_no')}"
        )
    return (
        f"select e.entity_id, g.records, {', '.join(values)} from {relations[GOLDEN]} as g"
        f" join {relations['entities']} as e on e.record_no = g.entity_no"
        f"{''.join(joins)}"
    )


def _judge(engine: Engine, lake: Lake) -> Iterable[Verdict]:
    return judge_golden_records(engine, lake)


def _show(facts: Facts) -> Mapping[str, Shown]:
    n_entities = facts["entities"]
    rows = [
        (
            name,
            rule,
            f"{facts['filled'][name] / n_entities:.1%}",
            f"{facts['disagreements'][name]:,}",
        )
        for name, rule in facts["rules"].items()
    ]
    header = ("field", "rule", "filled", "entities whose records differ")
    return {"entities": n_entities, "fields": Grid(header, rows)}
