from collections.abc import Callable

import dagster as dg
import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.files import point
from er_pipeline.blocking.tables.locks import catalog_lock
from er_pipeline.blocking.tables.run_metrics import note_run_metrics
from er_pipeline.blocking.tables.shown_links import CURRENT
from er_pipeline.catalog import CATALOG
from er_pipeline.flow import flow
from er_pipeline.flow import run as run_flow
from er_pipeline.orchestration.catalog_asset import (
    Published,
    catalog_asset,
    publish_what_is_good,
)
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.small_spec import small_spec
from er_pipeline_tests.test_definitions import people as people

PEOPLE: Rows = [{"id": str(i), "last": "lee"} for i in range(4)]
WITH_TWO_NAMES: Rows = [{**row, "first": f"ann{i % 2}"} for i, row in enumerate(PEOPLE)]
TWO_NAMES = {"last": "last", "first": "first"}


def of_catalog(spec: PipelineSpec) -> dg.AssetSpec:
    return next(iter(catalog_asset(spec, flow(spec)).specs))


def test_the_catalog_hangs_on_the_tables_that_nothing_else_reads() -> None:
    spec = small_spec()
    steps = flow(spec)
    hangs_on = {dep.asset_key.path[-1] for dep in of_catalog(spec).deps}
    read = {name for step in steps for name in step.reads}
    shown = {t.name for step in steps for t in step.assets}
    assert hangs_on == shown - read
    assert {"blocking_report", "rejected_records"} <= hangs_on


def test_the_catalog_has_another_version_where_settings_shape_a_table() -> None:
    plain = of_catalog(small_spec()).code_version
    assert of_catalog(small_spec(schedule={"enabled": False})).code_version == plain
    assert of_catalog(small_spec(blocks={"max_size": 7})).code_version != plain


def test_what_hangs_on_a_failed_check_is_withheld_and_the_rest_is_shown(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(PEOPLE, strategies={"last": "last"}, checks={"max_pairs": 1})
    list(run_flow(flow(people.spec), people.lake))
    with catalog_lock(people.lake.root):
        found = publish_what_is_good(people.spec, people.lake, flow(people.spec))
    assert found.standing.withheld["unified_pairs"] == "filtered_blocks is withheld"
    assert {"cleaned_records", "blocks_last", "run_metrics"} <= set(found.views)
    assert "unified_pairs" not in found.views


def test_a_part_of_the_graph_alone_is_not_published(people: Dataset) -> None:
    people.pair()
    with pytest.raises(LakeError, match="materialize people/"), catalog_lock(people.lake.root):
        publish_what_is_good(people.spec, people.lake, flow(people.spec))


def publish(people: Dataset) -> Published:
    with catalog_lock(people.lake.root):
        return publish_what_is_good(people.spec, people.lake, flow(people.spec))


def test_what_the_catalog_shows_already_is_no_publication(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(WITH_TWO_NAMES, strategies=TWO_NAMES, training_rules=TWO_NAMES)
    list(run_flow(flow(people.spec), people.lake))
    assert publish(people).is_new
    note, catalog = people.lake.published(), people.lake.root / CATALOG
    inode = catalog.stat().st_ino
    again = publish(people)
    assert not again.is_new
    assert set(again.views) == set(note["views"])
    assert people.lake.published() == note
    assert catalog.stat().st_ino == inode
    people.make_again("blocking_report")
    assert publish(people).is_new


def test_what_a_killed_publication_left_undone_is_published(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(WITH_TWO_NAMES, strategies=TWO_NAMES, training_rules=TWO_NAMES)
    list(run_flow(flow(people.spec), people.lake))
    publish(people)
    point(people.lake.folder / "blocks_last" / CURRENT, "elsewhere")
    assert publish(people).is_new
    (people.lake.root / CATALOG).unlink()
    assert publish(people).is_new
    assert (people.lake.root / CATALOG).exists()
    note_run_metrics(people.lake, "run", "matches", {"rows": 1})
    assert publish(people).is_new
    assert not publish(people).is_new


def test_what_is_withheld_does_not_keep_a_lost_catalog_from_coming_back(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(PEOPLE, strategies={"last": "last"})  # one field cannot train a model
    list(run_flow(flow(people.spec), people.lake))
    assert "em_training_rules" in publish(people).standing.withheld
    people.make_again("blocking_report")
    assert not publish(people).is_new
    (people.lake.root / CATALOG).unlink()
    assert publish(people).is_new
    assert (people.lake.root / CATALOG).exists()


def test_old_versions_go_on_a_night_without_a_publication(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(PEOPLE, strategies={"last": "last"}, lake={"keep_days": 0, "keep_versions": 1})
    list(run_flow(flow(people.spec), people.lake))
    publish(people)
    old = people.lake.path("blocks_last")
    copy = old.with_name(f"20200101T000000.000000-{old.name[-6:]}")
    copy.mkdir()
    assert not publish(people).is_new
    assert old.is_dir()
    assert not copy.exists()
