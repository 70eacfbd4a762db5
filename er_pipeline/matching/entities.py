"""Matches and answers -> entities: records that links join, with ids that last."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake, TableDraft, link_files
from er_pipeline.blocking.tables.stamps import digest, read_stamp
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import (
    LEFT_NO,
    RECORD_NO,
    RIGHT_NO,
    Column,
    Facts,
    Table,
    arrow_of,
)
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.matching.entity_bridges import ENTITY_BRIDGES, find_bridges
from er_pipeline.matching.entity_cuts import ENTITY_CUTS, cut_entities
from er_pipeline.matching.entity_events import (
    ENTITY_EVENTS,
    ENTITY_HISTORY,
    ENTITY_ID,
    EVENTS,
    append_events,
    find_events,
    find_retired,
)
from er_pipeline.matching.entity_facts import count_sizes, entities_facts, show_entities
from er_pipeline.matching.entity_ids import LEDGER, assign_ids, open_ledger, resolve_retired
from er_pipeline.matching.entity_links import ENTITY_LINKS, choose_links
from er_pipeline.matching.entity_verdicts import checks_of, judge_entities
from er_pipeline.matching.event_causes import Since, find_causes
from er_pipeline.matching.splink_linker import splink_api
from er_pipeline.matching.weakest_links import Link, weakest_links

ENTITIES = Table(
    "entities",
    "Every record with its entity: what matches and answers join.",
    [
        RECORD_NO,
        Column("entity_no", "INTEGER", "Least record_no of the entity", minimum=0),
        ENTITY_ID,
    ],
    lambda relations: _view(relations),
    is_from_outside=True,
    kept_with=LEDGER,
)
# Those that are written whole every night, with the order of their rows.
WHOLE = (
    (ENTITIES, "record_no"),
    (ENTITY_LINKS, "left_no, right_no"),
    (ENTITY_CUTS, "left_no, right_no, because_left_no, because_right_no"),
    (ENTITY_BRIDGES, "bridge_no"),
    (ENTITY_HISTORY, "entity_id, successor_id"),
)
TABLES = (*(table for table, _ in WHOLE), ENTITY_EVENTS)
# Engine tables that hold these.
MADE_AS = {"entities": "numbered_entities", "entity_history": "resolved"}


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that joins matches into entities."""
    if spec.matching is None:
        return []
    return [
        Step(
            writes=TABLES,
            reads=_reads(spec),
            settings=[spec.matching.threshold, spec.matching.one_to_one],
            run=partial(join_matches, spec=spec),
            stage="matching",
            checks=checks_of(spec),
            judge=partial(_judge, spec=spec),
            show=show_entities,
            lineage={"source": (), "event": ()},  # of a record that shows why
        )
    ]


def _reads(spec: PipelineSpec) -> list[str]:
    return ["cleaned_records", "matches", *(["labels"] if spec.labels else [])]


def join_matches(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Find the connected components of all links, with Splink, and carry on the ids they had.

    Reads cleaned_records, matches, labels if people judge pairs, and the tables that this step made
    when they were last published. Writes entities (record_no INTEGER, entity_no INTEGER, entity_id
    BIGINT), every record once, also those without a match; entity_no is the least record_no of the
    entity, entity_id lasts. Writes entity_links, entity_cuts, entity_bridges, entity_events and
    entity_history, too. Where nothing has changed since, all are taken over as they are.
    Returns the facts kept beside entities, see `EntitiesFacts`.
    """
    for table in _reads(spec):
        lake.open(engine, table)
    with ExitStack() as stack:
        # Entities are entered first and so written last: where they are the latest, all are.
        drafts = {table.name: stack.enter_context(lake.writing(table.name)) for table in TABLES}
        if not _take_over(lake, drafts):
            _write_anew(engine, lake, spec, drafts)
        return dict(drafts["entities"].facts)


def _take_over(lake: Lake, drafts: Mapping[str, TableDraft]) -> bool:
    """Write the ledger's tables again if nothing has changed since; say whether that was so."""
    folders = lake.ledger("entities", LEDGER)
    plan = lake.plans.get("entities")
    stamp = read_stamp(folders["entities"]) if folders else None
    if folders is None or plan is None or stamp is None:
        return False
    read = {table: lake.stamp(table) for table in plan.reads}
    if (stamp.code, stamp.settings, stamp.made_from) != (plan.code, plan.settings, read):
        return False
    for table, draft in drafts.items():
        of_table = read_stamp(folders[table])
        if of_table is None:
            return False
        draft.content = of_table.content
    for table, draft in drafts.items():
        link_files(folders[table], draft.folder)
    drafts["entities"].facts.update(
        lake.facts("entities", folders["entities"].name) | {"events": dict.fromkeys(EVENTS, 0)}
    )
    return True


def _write_anew(
    engine: Engine, lake: Lake, spec: PipelineSpec, drafts: Mapping[str, TableDraft]
) -> None:
    assert spec.matching is not None, "matching is on"
    threshold = spec.matching.threshold
    _read_answers(engine, spec)
    choose_links(engine, threshold, one_to_one=spec.matching.one_to_one)
    _join(engine)
    contradictions = cut_entities(engine, spec)
    find_bridges(engine)
    events = _carry_on(engine, lake, spec, drafts["entity_events"])
    for table in TABLES:
        if table.is_from_outside:
            drafts[table.name].content = _past(lake)
    for table, order in WHOLE:
        columns = [column.name for column in table.columns]
        made = MADE_AS.get(table.name, table.name)
        draft = drafts[table.name]
        engine.write(f"select {', '.join(columns)} from {made} order by {order}", draft.file())
    drafts["entities"].facts.update(
        count_sizes(engine, threshold),
        weakest_links=_links_of_largest(engine, spec),
        contradictions=contradictions,
        events=events,
        paired_by=_paired_by(spec),
        **{
            name.removeprefix("entity_"): engine.row(f"select count(*) from {name}")[0]
            for name in ("entity_links", "entity_cuts", "entity_bridges")
        },
    )


def _past(lake: Lake) -> str:
    """Stand for what tables of history hold beyond what tonight's tables say: their ledger."""
    folders = lake.ledger("entities", LEDGER)
    stamp = read_stamp(folders["entities"]) if folders else None
    return digest(stamp.value if stamp else None)


def _read_answers(engine: Engine, spec: PipelineSpec) -> None:
    """Make answers (left_no, right_no, answer): what people call a match, or no match."""
    if spec.labels:
        engine.make_table(
            "answers",
            "select left_no, right_no, answer from labels where answer in ('match', 'no_match')",
        )
    else:
        engine.put("answers", arrow_of([LEFT_NO, RIGHT_NO, Column("answer", "VARCHAR", "")]))


def _join(engine: Engine) -> None:
    """Make joined (record_no, entity_no), the connected components of entity_links."""
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    engine.make_table("entity_records", "select record_no from cleaned_records")
    # All of them are links, whatever the probability: people's answers have none.
    engine.make_table("all_links", "select left_no, right_no from entity_links")
    api = splink_api(engine)
    found = cluster_pairwise_predictions_at_threshold(
        api.register("entity_records"),
        api.register("all_links"),
        db_api=api,
        node_id_column_name="record_no",
        edge_id_column_name_left="left_no",
        edge_id_column_name_right="right_no",
    )
    engine.make_table(
        "joined",
        "select record_no, cast(min(record_no) over (partition by cluster_id) as integer)"
        f" as entity_no from {found.physical_name}",
    )


def _carry_on(engine: Engine, lake: Lake, spec: PipelineSpec, events: TableDraft) -> dict[str, int]:
    """Give the entities in joined the ids they had, and new ones to others; write the events.

    Makes numbered_entities (record_no, entity_no, entity_id) and resolved (entity_id,
    successor_id). Returns how many events there are of each kind.
    """
    assert spec.matching is not None, "matching is on"
    folders = open_ledger(engine, lake)
    highest, before = 0, None
    if folders:
        before = lake.facts("entities", folders["entities"].name)
        (highest,) = engine.row(
            "select greatest((select coalesce(max(entity_id), 0) from old_entity_events),"
            " (select coalesce(max(entity_id), 0) from old_entities))"
        )
    assign_ids(engine, highest)
    find_retired(engine)
    since = Since(
        old_threshold=before["threshold"] if before else None,
        threshold=spec.matching.threshold,
        settings_changed=before is not None and before["paired_by"] != _paired_by(spec),
    )
    find_causes(engine, since)
    find_events(engine, is_first=before is None)
    resolve_retired(engine)
    engine.make_table(
        "numbered_entities",
        "select j.record_no, j.entity_no, a.entity_id from joined as j"
        " join assigned as a on a.entity_no = j.entity_no",
    )
    return append_events(engine, events, folders["entity_events"] if folders else None)


def _paired_by(spec: PipelineSpec) -> str:
    """Stand for the settings that make candidate pairs, and one-to-one links of them."""
    assert spec.matching is not None, "matching is on"
    strategies = (*spec.strategy_conjunctions, *spec.second_conjunctions)
    return digest(
        [
            [[strategy.name, strategy.identity] for strategy in strategies],
            [spec.blocks, spec.embedding, spec.second_pass, spec.learning, spec.budget],
            spec.matching.one_to_one,
        ]
    )


def _links_of_largest(engine: Engine, spec: PipelineSpec) -> list[Link]:
    """Give the weakest links of the largest entity, the first of equal ones; two have but one."""
    largest = engine.rows(
        "select entity_no from joined group by entity_no having count(*) > 2"
        " order by count(*) desc, entity_no limit 1"
    )
    if not largest:
        return []
    engine.make_table(
        "sure_links",
        "select left_no, right_no, coalesce(match_probability, 1.0) as match_probability"
        " from entity_links",
    )
    return weakest_links(engine, spec, "sure_links", "joined", largest[0][0])


def _view(relations: Mapping[str, str]) -> str:
    return (
        f"select r.record_id, r.source, t.entity_id from {relations['entities']} as t"
        f" join {relations['cleaned_records']} as r on r.record_no = t.record_no"
    )


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    return judge_entities(engine, lake, spec, entities_facts(lake))
