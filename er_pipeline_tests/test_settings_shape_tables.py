"""Which setting shapes which tables: one setting changed at a time, for every setting there is.

A setting shapes a table if it changes its rows, or what is noted beside them, such as the pairs
of its blocks, or decides that there is no such table. All that reads the table is stale as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.stamps import Plan, stale_tables
from er_pipeline.blocking.tables.step import Step, plans_of
from er_pipeline.flow import flow
from er_pipeline.terminal.settings_page import settings_rows
from er_pipeline_tests.changed_settings import (
    CHANGES,
    EVERY,
    NEIGHBOURS,
    NOT_CHANGED,
    SECOND,
    STATISTICS,
    Change,
    Declaration,
)

VECTORS = (*STATISTICS, "record_embeddings")
# What still fits after a change, by hand, whatever the steps say they read.
UNTAUGHT = ("cleaned_records", "true_pairs", "labels", "blocks_name", "blocks_mail", "key_codes")
TRAINED = (*UNTAUGHT, "em_training_rules", "em_model")
LEARNED = (*TRAINED, "learned_rules", "learned_blocks", "filtered_blocks", *VECTORS)
PAIRED = (*LEARNED, *NEIGHBOURS, "pair_weights", "first_pass_pairs", "first_pass_matches")
CHANGED = ("pair_changes", "match_changes")
FITTING: Mapping[str, Iterable[str]] = {
    "strategies": {*TRAINED, *VECTORS, *NEIGHBOURS} - {"blocks_name"},
    "learning.k": (*TRAINED, *VECTORS, *NEIGHBOURS),
    "blocks.max_size": {*UNTAUGHT, *VECTORS, *NEIGHBOURS} - {"blocks_name", "blocks_mail"},
    "blocks.oversized": (*TRAINED, "learned_rules", "learned_blocks", *VECTORS, *NEIGHBOURS),
    "embedding.k": LEARNED,
    "embedding.fields": {*LEARNED} - {*VECTORS},
    "budget.max_pairs": (*TRAINED, *VECTORS),
    "a budget that lists do not follow": (*LEARNED, *NEIGHBOURS, "pair_weights"),
    "second_pass.max_size": PAIRED,
    "training_rules": (*UNTAUGHT, *VECTORS, *NEIGHBOURS),
    "labels.path": {
        *(*TRAINED, *VECTORS, *NEIGHBOURS, "learned_rules", "learned_blocks", "pair_weights"),
    }
    - {"labels"},
    "matching.recall.records": (
        *(*PAIRED, *SECOND, "unified_pairs", "matches", "entities", *CHANGED),
        *("label_queue", "missed_matches", "match_quality"),
    ),
    "truth.path": {
        *(*PAIRED, *SECOND, "unified_pairs", "matches", "entities", "label_queue", *CHANGED),
    }
    - {"true_pairs"},
}


def flow_of(declaration: Declaration) -> list[Step]:
    """List the steps of a declared dataset."""
    return flow(PipelineSpec.model_validate(declaration))


def stale_after(change: Change) -> set[str]:
    """Name the tables that a change makes stale."""
    return stale_tables(plans_of(flow_of(change.before)), plans_of(flow_of(change.after)))


def written_with(tables: Iterable[str], steps: Sequence[Any]) -> set[str]:
    """Name all tables of the steps that write some; each of these must be one of the flow."""
    names = [{table.name for table in step.writes} for step in steps]
    assert set(tables) <= set().union(*names)
    return set().union(*(of_step for of_step in names if of_step & set(tables)))


def with_readers(tables: Iterable[str], steps: Sequence[Any]) -> set[str]:
    """Add every table that is made of some tables, directly or through others.

    What is in force follows the settings of all that lies between the sources and itself, but not
    what comes from outside.
    """
    shaped = written_with(tables, steps)
    plans, reached = plans_of(steps), set(shaped)
    for step in steps:  # in the order of the flow
        own = {table.name for table in step.writes}
        if plans[step.name].stays_in_force:
            above = _above(step.name, plans)
            between = {name for name in above if not plans[name].is_from_outside}
            learned = {name for name in above if plans[name].stays_in_force}
            follows = bool(between & shaped or learned & reached)
        else:
            follows = bool(reached & set(step.reads))
        reached |= own if follows else set()
    return reached


def _above(table: str, plans: Mapping[str, Plan]) -> set[str]:
    found, waiting = set[str](), list(plans[table].reads)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += plans[name].reads
    return found


def test_every_setting_is_changed_once() -> None:
    rows = [place for place, *_ in settings_rows()]
    sections = {row for row in rows if any(place.startswith(f"{row}.") for place in rows)}
    changed = [change.setting for change in CHANGES]
    assert len(changed) == len(set(changed))
    assert set(changed) | NOT_CHANGED == set(rows) - sections


@pytest.mark.parametrize("name", EVERY)
def test_a_change_is_from_one_valid_declaration_to_another(name: str) -> None:
    change = EVERY[name]
    before, after = map(PipelineSpec.model_validate, (change.before, change.after))
    # The order counts; secrets are in no dump.
    assert (before.model_dump_json(), before) != (after.model_dump_json(), after)


@pytest.mark.parametrize("name", EVERY)
def test_a_setting_shapes_its_tables_and_all_that_reads_them(name: str) -> None:
    change = EVERY[name]
    expected = with_readers(change.shapes, flow_of(change.before)) | set(change.alone)
    assert stale_after(change) == expected


@pytest.mark.parametrize("name", FITTING)
def test_what_a_setting_does_not_shape_still_fits(name: str) -> None:
    change = EVERY[name]
    steps = flow_of(change.before)
    every = {table.name for step in steps for table in step.writes}
    assert every - stale_after(change) == written_with(FITTING[name], steps)


def test_nothing_is_stale_where_nothing_changed() -> None:
    change = EVERY["dataset"]
    assert stale_after(change._replace(to="people")) == set()
