"""Verdicts on entities: whole, not giant, as people have answered, and with ids that last."""

from collections.abc import Iterator

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.matching.entity_cuts import Contradiction
from er_pipeline.matching.entity_facts import EntitiesFacts
from er_pipeline.matching.match_doubts import HIGHEST_RAISED
from er_pipeline.matching.weakest_links import Link, link_text


def checks_of(spec: PipelineSpec) -> tuple[Check, ...]:
    """List the checks on entities; those on answers only where people judge pairs."""
    return (*CHECKS, *(ON_ANSWERS if spec.labels else ()))


CHECKS = (
    Check("every_record_in_one_entity", "People count and look up entities by record."),
    Check("every_id_is_of_one_entity", "Who keeps an id finds the same entity by it every night."),
    Check(
        "no_entity_is_giant",
        "A chain of wrong matches joins strangers.",
        limits=("checks.max_entity_size",),
    ),
)
ON_ANSWERS = (
    Check("no_answer_is_overruled", "What people call no match never ends inside one entity."),
    Check("answers_agree", "Of answers that contradict each other one is wrong.", stops=False),
)


def judge_entities(
    engine: Engine, lake: Lake, spec: PipelineSpec, facts: EntitiesFacts
) -> Iterator[Verdict]:
    """Judge the entities, by reading them and from the facts of `join_matches`."""
    lake.open(engine, "cleaned_records")
    lake.open(engine, "entities")
    (n_records,) = engine.row("select count(*) from cleaned_records")
    rows, distinct, known = engine.row(
        "select count(*), count(distinct e.record_no), count(r.record_no)"
        " from entities as e left join cleaned_records as r on r.record_no = e.record_no"
    )
    whole = rows == distinct == known == n_records
    yield Verdict(
        "every_record_in_one_entity",
        whole,
        "error",
        f"{distinct:,} of {n_records:,} records stand in {rows:,} rows."
        + ("" if whole else " Materialize entities again."),
        {"records": n_records, "rows": rows, "records_in_entities": distinct},
    )
    yield _judge_ids(engine, lake)
    largest, most = facts["largest_entity"], spec.checks.max_entity_size
    yield Verdict(
        "no_entity_is_giant",
        largest <= most,
        "error",
        f"The largest entity has {largest:,} records (at most {most:,} wanted)."
        + (
            ""
            if largest <= most
            else " Chains of matches joined what does not belong together."
            + _chain_text(facts["weakest_links"])
            + _cure(facts["weakest_links"])
        ),
        {"largest_entity": largest, "max_entity_size": most},
    )
    if spec.labels:
        lake.open(engine, "labels")
        yield _judge_answers(engine)
        yield _judge_contradictions(facts["contradictions"])


def _cure(links: list[Link]) -> str:
    """Advise what parts the largest entity: a threshold only where one can."""
    real = "or raise checks: max_entity_size if such entities are real."
    if links and links[0]["match_probability"] >= HIGHEST_RAISED:
        return (
            " The model is sure of all of them, so no threshold parts them: compare a field in"
            f" which such records differ, declare what they share a placeholder, {real}"
        )
    return f" Raise matching: threshold, {real}"


def _chain_text(links: list[Link]) -> str:
    if not links:
        return ""
    return f" Weakest link first, it hangs on {'; '.join(link_text(link) for link in links)}."


def _judge_ids(engine: Engine, lake: Lake) -> Verdict:
    engine.read_folder(lake.path("entity_history"), "entity_history")
    entities, ids, of_entity = engine.row(
        "select count(distinct entity_no), count(distinct entity_id),"
        " count(distinct (entity_no, entity_id)) from entities"
    )
    (retired,) = engine.row(
        "select count(distinct entity_id) from entities semi join entity_history using (entity_id)"
    )
    holds = entities == ids == of_entity and not retired
    return Verdict(
        "every_id_is_of_one_entity",
        holds,
        "error",
        f"{entities:,} entities have {ids:,} ids, {retired:,} of them retired ones."
        + ("" if holds else " Materialize entities again."),
        {"entities": entities, "ids": ids, "retired_ids_in_use": retired},
    )


def _judge_answers(engine: Engine) -> Verdict:
    (overruled,) = engine.row(
        """
        select count(*) from labels as a
        join entities as l on l.record_no = a.left_no
        join entities as r on r.record_no = a.right_no and r.entity_no = l.entity_no
        where a.answer = 'no_match'
        """
    )
    return Verdict(
        "no_answer_is_overruled",
        not overruled,
        "error",
        f"{overruled:,} pairs that people call no match are inside one entity."
        + (" Materialize entities again." if overruled else ""),
        {"overruled": overruled},
    )


def _judge_contradictions(found: list[Contradiction]) -> Verdict:
    texts = [
        f"{each['left']!r} and {each['right']!r} are called no match, yet answered matches join"
        f" them; so {_pairs(each['cut'])} called a match is cut"
        for each in found
    ]
    return Verdict(
        "answers_agree",
        not found,
        "warn",
        f"{'; '.join(texts)}. Judge these pairs again, with er-pipeline label or labels import."
        if found
        else "No answer contradicts another one.",
        {"contradictions": len(found)},
    )


def _pairs(pairs: list[tuple[str, str]]) -> str:
    return ", ".join(f"{left!r} and {right!r}" for left, right in pairs)
