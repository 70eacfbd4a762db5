import json
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.records.snapshots import (
    at_snapshot,
    check_is_of,
    check_order,
    chosen_snapshot,
    chosen_snapshots,
    is_by_date,
    published_snapshot,
    snapshot_in,
    snapshots,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.errors import InputError, LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.flow import flow, open_lake, run
from er_pipeline_tests.small_spec import small_spec

TWO: list[dict[str, Any]] = [{"path": "shop_{date}.csv"}, {"path": "bank_{date:%Y%m%d}.csv"}]


def dated(folder: Path, *names: str, sources: Any = None) -> PipelineSpec:
    for name in names:
        (folder / name).write_text("id,name\n1,Ann\n2,Bob\n", "utf-8")
    return small_spec(sources=sources or [{"path": "people_{date}.csv"}]).located_in(folder)


def test_the_newest_date_is_read_unless_another_is_wanted(tmp_path: Path) -> None:
    spec = dated(tmp_path, "people_2026-11-02.csv", "people_2026-11-10.csv", "people_old.csv")
    assert is_by_date(spec)
    assert snapshots(spec) == ["2026-11-02", "2026-11-10"]
    assert chosen_snapshot(spec) == "2026-11-10"
    assert chosen_snapshot(spec, "2026-11-02") == "2026-11-02"
    assert chosen_snapshots(spec, "2026-11-03", "") == ["2026-11-10"]
    (source,) = at_snapshot(spec, "2026-11-02").sources
    assert (source.path, source.label) == ("people_2026-11-02.csv", "people")
    assert spec.sources[0].label == "people"


def test_a_date_is_one_that_every_dated_source_has(tmp_path: Path) -> None:
    names = ["shop_2026-11-01.csv", "shop_2026-11-02.csv", "bank_20261101.csv", "all.csv"]
    spec = dated(tmp_path, *names, sources=[*TWO, {"path": "all.csv"}])
    assert snapshots(spec) == ["2026-11-01"]
    read = [source.path for source in at_snapshot(spec, None).sources]
    assert read == ["shop_2026-11-01.csv", "bank_20261101.csv", "all.csv"]
    with pytest.raises(InputError, match=r"bank_20261102\.csv: .* the newest is 2026-11-01"):
        chosen_snapshot(spec, "2026-11-02")
    (tmp_path / "bank_20261101.csv").unlink()
    with pytest.raises(InputError, match=r"shop.* has 2026-11-02 as its newest, bank.* has none"):
        chosen_snapshot(spec)


def test_a_missing_snapshot_names_its_path_and_the_newest(tmp_path: Path) -> None:
    spec = dated(tmp_path, "people_2026-11-02.csv")
    with pytest.raises(InputError, match=r"people_2026-11-05\.csv: .*the newest is 2026-11-02$"):
        chosen_snapshot(spec, "2026-11-05")
    with pytest.raises(InputError, match=r"2026-12-01\.\.: .*the newest is 2026-11-02"):
        chosen_snapshots(spec, "2026-12-01", "")
    with pytest.raises(InputError, match="is no date"):
        chosen_snapshot(spec, "yesterday")
    (tmp_path / "people_2026-11-02.csv").unlink()
    with pytest.raises(InputError, match="there is no snapshot yet: people_"):
        chosen_snapshot(spec)


def test_without_a_date_nothing_is_chosen(tmp_path: Path) -> None:
    spec = small_spec().located_in(tmp_path)
    assert not is_by_date(spec)
    assert chosen_snapshot(spec, "2026-11-01") is None
    assert at_snapshot(spec, None) is spec


def test_records_know_their_date_and_dates_go_forward_alone(tmp_path: Path) -> None:
    spec = dated(tmp_path, "people_2026-11-01.csv", "people_2026-11-02.csv")
    lake = open_lake(tmp_path / "lake", spec)

    def read(day: str | None) -> Lake:
        for _ in run(flow(spec), lake.at_snapshot(day), until="cleaned_records"):
            pass
        return lake

    assert snapshot_in(read("2026-11-01")) == "2026-11-01"
    assert published_snapshot(lake) is None
    check_is_of(lake, "2026-11-01")
    check_is_of(lake, None)
    with pytest.raises(LakeError, match=r"of the snapshot of 2026-11-01,.* is of 2026-11-02"):
        check_is_of(lake, "2026-11-02")
    assert snapshot_in(read(None)) == "2026-11-02"
    published = {"tables": {"cleaned_records": lake.version("cleaned_records")}, "at": "2026"}
    (lake.folder / "published.json").write_text(json.dumps(published), "utf-8")
    assert published_snapshot(lake) == "2026-11-02"
    check_order(lake, "2026-11-02")
    with pytest.raises(LakeError, match=r"2026-11-01 is older than that of 2026-11-02, which"):
        read("2026-11-01")
    assert snapshot_in(lake) == "2026-11-02"
