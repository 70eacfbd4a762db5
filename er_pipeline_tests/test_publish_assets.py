import dagster as dg

from er_pipeline.flow import flow
from er_pipeline.orchestration.groups import CATALOG, group_of
from er_pipeline.orchestration.jobs import publish_request
from er_pipeline.orchestration.partial_jobs import partial_jobs
from er_pipeline.orchestration.publish_assets import last_assets, publish_assets
from er_pipeline.orchestration.run_tags import KIND_TAG, PUBLISHES
from er_pipeline_tests.small_spec import small_spec

SPEC = small_spec(
    publish=[
        {"parquet": "out", "tables": ["unified_pairs"]},
        {"name": "team", "database_env": "DB", "tables": ["unified_pairs"]},
    ]
)
LAST = ["catalog", "publish_parquet", "publish_team"]


def test_every_place_is_an_asset_after_the_catalog() -> None:
    assert last_assets(SPEC) == LAST
    for asset in publish_assets(SPEC):
        (spec,) = asset.specs
        assert [dep.asset_key.path for dep in spec.deps] == [["people", "catalog"]]
        assert spec.group_name == group_of("people", CATALOG)


def test_a_change_of_tables_makes_another_code_version() -> None:
    other = small_spec(publish=[{"parquet": "out", "tables": ["dropped_blocks"]}])
    first, second = (next(iter(publish_assets(s)[0].specs)).code_version for s in (SPEC, other))
    assert first != second


def test_the_part_that_publishes_writes_the_places_too() -> None:
    jobs = partial_jobs(SPEC, flow(SPEC), dg.in_process_executor, last_assets(SPEC))
    evaluation = next(job for job in jobs if job.name == "people_evaluation")
    assert "publish_team" in str(evaluation.selection)


def test_what_is_good_of_a_failed_run_goes_to_the_places_once() -> None:
    run = dg.DagsterRun(job_name="people_nightly", run_id="1")
    request = publish_request(SPEC, run)
    assert isinstance(request, dg.RunRequest)
    assert request.asset_selection == [dg.AssetKey(["people", name]) for name in LAST]
    itself = dg.DagsterRun(
        job_name="people_nightly",
        run_id="2",
        asset_selection=frozenset(request.asset_selection),
        tags={KIND_TAG: PUBLISHES},
    )
    assert isinstance(publish_request(SPEC, itself), dg.SkipReason)
