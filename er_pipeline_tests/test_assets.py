import errno
import time
from collections.abc import Sequence

import dagster as dg
import pytest

from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.stamps import stale_tables
from er_pipeline.blocking.tables.step import plans_of
from er_pipeline.flow import flow
from er_pipeline.orchestration.assets import (
    Clock,
    as_dagster_failures,
    dataset_assets,
    ends_of,
)
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.small_spec import small_spec
from er_pipeline_tests.test_definitions import people as people
from er_pipeline_tests.test_definitions import run_graph, shown
from er_pipeline_tests.two_engines import need_sail, on_cluster

BLOCKS = "blocks_soundex"
RECORDS = ("cleaned_records", "rejected_records")


def test_assets_show_rows_place_lineage_and_pictures(people: Dataset) -> None:
    result = run_graph(people)
    blocks = shown(result, "blocks_soundex")
    assert blocks["dagster/row_count"] == 5
    assert blocks["dagster/uri"].startswith("file://")
    lineage = blocks["dagster/column_lineage"].deps_by_column
    assert [dep.column_name for dep in lineage["block_key"]] == ["last"]
    assert "data:image/svg+xml" in blocks["block_sizes"]
    assert list(blocks)[:3] == ["verdict", "key_figures", "block_sizes"]
    names = [column.name for column in blocks["columns"].columns]
    assert names == ["block_key", "record_id", "source"]  # as people see it
    assert shown(result, "rejected_records")["verdict"] == "Every row of the sources was read."
    assert "data:image/svg+xml" in shown(result, "unified_pairs")["overlap"]
    records = shown(result, "cleaned_records")
    lineage = records["dagster/column_lineage"].deps_by_column
    assert [dep.asset_key.path[-1] for dep in lineage["email"]] == ["source_people"]


def test_steps_run_on_a_cluster_and_show_the_same(people: Dataset) -> None:
    need_sail()
    people.spec = on_cluster(people.spec)
    result = run_graph(
        people, asset_selection=[dg.AssetKey(["people", n]) for n in (*RECORDS, BLOCKS)]
    )
    assert result.success
    blocks = shown(result, BLOCKS)
    assert blocks["dagster/row_count"] == 5
    assert [column.name for column in blocks["columns"].columns] == [
        *("block_key", "record_id", "source")
    ]
    assets = specs_of(dataset_assets(people.spec, flow(people.spec)))
    assert assets[BLOCKS].kinds == {"spark", "parquet"}
    assert assets["cleaned_records"].kinds == {"duckdb", "parquet"}


def specs_of(settings: Sequence[dg.AssetsDefinition | dg.AssetSpec]) -> dict[str, dg.AssetSpec]:
    return {
        spec.key.path[-1]: spec
        for asset in settings
        for spec in (asset.specs if isinstance(asset, dg.AssetsDefinition) else [asset])
    }


def test_an_asset_hangs_on_what_its_step_reads() -> None:
    spec = small_spec()
    assets = specs_of(dataset_assets(spec, flow(spec)))

    def upstream(name: str) -> set[str]:
        return {dep.asset_key.path[-1] for dep in assets[name].deps}

    assert upstream("cleaned_records") == {"source_people"}
    assert upstream("blocks_name") == {"cleaned_records"}
    # record_codes is internal: it stands behind filtered_blocks.
    assert "filtered_blocks" in upstream("unified_pairs")
    assert "record_codes" not in assets


def test_an_asset_has_another_version_only_where_its_settings_shape_it() -> None:
    def versions(**settings: object) -> dict[str, str | None]:
        spec = small_spec(**settings)
        return {n: a.code_version for n, a in specs_of(dataset_assets(spec, flow(spec))).items()}

    plain, capped = versions(), versions(blocks={"max_size": 7})
    assert plain == versions(schedule={"enabled": False})
    changed = {name for name, version in plain.items() if capped[name] != version}
    plans = [
        plans_of(flow(small_spec(**settings))) for settings in ({}, {"blocks": {"max_size": 7}})
    ]
    assert changed == stale_tables(*plans) & set(plain)
    assert changed > {"filtered_blocks", "unified_pairs"}
    assert changed.isdisjoint({"cleaned_records", "rejected_records"})


def test_the_ends_are_what_no_step_reads() -> None:
    spec = small_spec()
    ends = ends_of(spec, flow(spec))
    assert "blocking_report" in ends
    assert "cleaned_records" not in ends
    assert "dropped_blocks" not in ends  # the report counts them


def test_an_error_for_the_user_is_a_failure_and_any_other_stays() -> None:
    with pytest.raises(dg.Failure) as caught, as_dagster_failures():
        raise InputError("people.csv: no such file")
    assert caught.value.description == "people.csv: no such file"
    assert not caught.value.allow_retries
    with pytest.raises(dg.Failure) as caught, as_dagster_failures():
        raise OSError(errno.ENOSPC, "full", "/lake")
    assert caught.value.allow_retries
    with pytest.raises(ZeroDivisionError), as_dagster_failures():
        1 / 0  # noqa: B018


def test_the_clock_counts_waiting_as_wall_time_alone() -> None:
    clock = Clock()
    time.sleep(0.2)
    figures = clock.figures()
    assert figures["wall_seconds"] >= 0.2
    assert figures["cpu_seconds"] < figures["wall_seconds"]
    assert figures["process_peak_mib"] > 1
