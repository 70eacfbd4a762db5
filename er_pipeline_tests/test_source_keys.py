from pathlib import Path

import dagster as dg

from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline.orchestration.source_keys import own_source_keys, source_key
from er_pipeline_tests.small_spec import small_spec

LINKED = {
    "sources": [
        {"path": "crm.csv", "asset_key": "dbt/customers"},
        {"path": "shop.csv"},
    ]
}


def test_a_source_is_the_asset_that_makes_it() -> None:
    spec = small_spec(**LINKED)
    keys = [source_key(spec, source) for source in spec.sources]
    assert keys == [["dbt", "customers"], ["people", "source_shop"]]
    assert own_source_keys(spec) == [dg.AssetKey(["people", "source_shop"])]


def test_lineage_goes_on_from_the_asset_of_another_component(tmp_path: Path) -> None:
    @dg.asset(key=["dbt", "customers"])
    def customers() -> None: ...

    own = BlockingPipeline(small_spec(**LINKED)).definitions(tmp_path)
    whole = dg.Definitions.merge(own, dg.Definitions(assets=[customers]))
    graph = whole.resolve_asset_graph()
    parents = graph.get(dg.AssetKey(["people", "cleaned_records"])).parent_keys
    assert parents == {dg.AssetKey(["dbt", "customers"]), dg.AssetKey(["people", "source_shop"])}
    assert dg.AssetKey(["people", "source_crm"]) not in graph.get_all_asset_keys()
