import dagster as dg
import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.locks import catalog_lock
from er_pipeline.blocking.tables.runs import run_flow
from er_pipeline.blocking.tables.verdict_notes import note_verdicts
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.flow import flow
from er_pipeline.orchestration.catalog_asset import catalog_asset, publish_what_is_good
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.small_spec import small_spec
from er_pipeline_tests.test_definitions import people as people


def of_catalog(spec: PipelineSpec) -> dg.AssetSpec:
    return next(iter(catalog_asset(spec, flow(spec)).specs))


def test_the_catalog_comes_after_every_table() -> None:
    spec = small_spec()
    shown = {t.name for step in flow(spec) for t in step.writes if not t.is_internal}
    assert {dep.asset_key.path[-1] for dep in of_catalog(spec).deps} == shown


def test_the_catalog_has_another_version_where_settings_shape_a_table() -> None:
    plain = of_catalog(small_spec()).code_version
    assert of_catalog(small_spec(schedule={"enabled": False})).code_version == plain
    assert of_catalog(small_spec(blocks={"max_size": 7})).code_version != plain


def test_what_hangs_on_a_failed_check_is_withheld_and_the_rest_is_shown(people: Dataset) -> None:
    list(run_flow(flow(people.spec), people.lake))
    note_verdicts(people.lake, "filtered_blocks", [Verdict("fits_contract", True, "error", "")])
    with catalog_lock(people.lake.root):
        all_good = publish_what_is_good(people.spec, people.lake, flow(people.spec))
    assert not all_good.standing.withheld
    assert {"unified_pairs", "run_metrics"} <= set(all_good.views)


def test_a_part_of_the_graph_alone_is_not_published(people: Dataset) -> None:
    people.pair()
    with pytest.raises(LakeError, match="materialize people/"), catalog_lock(people.lake.root):
        publish_what_is_good(people.spec, people.lake, flow(people.spec))
