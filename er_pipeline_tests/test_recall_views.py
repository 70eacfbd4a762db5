from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation import recall_views
from er_pipeline.evaluation.recall_views import (
    ViewFacts,
    estimate_by_views,
    judge_views,
    view_facts,
)
from er_pipeline.evaluation.view_recall import FIELDS, MODEL, STRICT, WIDE
from er_pipeline.terminal.demo import DEMO_DEFS, demo_overrides
from er_pipeline_tests.conftest import Dataset

PEOPLE_KINDS = {
    "given_name": "person_name",
    "surname": "person_name",
    "date_of_birth": "date",
    "suburb": "text",
    "postcode": "identifier",
    "soc_sec_id": "identifier",
}


def completeness(data: Dataset) -> float:
    with DuckDBEngine() as engine:
        for table in ("true_pairs", "unified_pairs"):
            data.lake.open(engine, table)
        (share,) = engine.row(
            "select count(u.left_no) / count(*) from true_pairs as t left join unified_pairs as u"
            " on u.left_no = t.left_no and u.right_no = t.right_no"
        )
    return float(share)


def of_real(folder: Path, data: Path, kinds: dict[str, str] | None, **settings: Any) -> Dataset:
    files = sorted(file for file in data.glob("*.csv") if file.name != "truth.csv")
    spec = PipelineSpec.model_validate(
        {
            "dataset": data.name,
            "sources": [{"path": str(file), "record_id": "id"} for file in files],
            "truth": {"path": str(data / "truth.csv")},
            **({"fields": kinds} if kinds else {}),
            **settings,
        }
    )
    return Dataset.of(spec, folder)


@pytest.mark.parametrize(
    "settings",
    [
        {"strategies": "auto"},
        {"strategies": "auto", "budget": {"pairs_per_record": 0.8}},
        {"strategies": {"suburb": "suburb"}},
        {"strategies": {"born": "date_of_birth", "postcode": "postcode"}},
    ],
    ids=["all", "small budget", "one bad rule", "two rules"],
)
def test_the_interval_holds_the_recall_of_real_people(
    real_data: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    data = of_real(tmp_path, real_data / "febrl3", PEOPLE_KINDS, **settings)
    facts = data.make("recall_views")
    data.make("true_pairs")
    true = completeness(data)
    assert facts["recall_low"] <= true <= facts["recall_high"]
    assert facts["recall_high"] - facts["recall_low"] < 0.3
    assert facts["records_sampled"] == 1_000


def test_of_one_column_recall_is_not_known(real_data: Path, tmp_path: Path) -> None:
    data = of_real(tmp_path, real_data / "wrestler", {"title": "text"}, strategies="auto")
    facts = data.make("recall_views")
    data.make("true_pairs")
    assert not facts["is_known"]
    assert "one column of text" in facts["why"][0]
    assert facts["recall_low"] <= completeness(data) <= facts["recall_high"]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("viewed")
    spec = read_spec(DEMO_DEFS, demo_overrides(1_500, 20))
    data = Dataset.of(spec, folder)
    data.make("recall_views")
    return data


def test_every_view_has_a_say(people: Dataset) -> None:
    facts = view_facts(people.lake)
    assert {STRICT, WIDE, FIELDS, MODEL} <= set(facts["views"])
    sample = people.lake.facts("recall_sample")["sample"]
    assert facts["views"][MODEL]["recall"] == sample["recall"]
    assert facts["recall_low"] <= sample["recall_low"]
    assert facts["recall_high"] >= sample["recall_high"]


def test_likely_pairs_are_kept_with_what_is_known_of_them(people: Dataset) -> None:
    rows = people.rows("recall_views")
    candidates = set(people.rows("unified_pairs", "left_no, right_no"))
    assert len(rows) > 100
    assert len({row[:2] for row in rows}) == len(rows)
    assert all(left < right for left, right, *_ in rows)
    assert all(((left, right) in candidates) == found for left, right, _, _, found in rows)
    assert any(not found for *_, found in rows) or view_facts(people.lake)["recall_high"] > 0.99


def test_threads_and_batches_change_nothing(
    people: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, rows = view_facts(people.lake), people.rows("recall_views")
    with DuckDBEngine(threads=1) as engine:
        again = estimate_by_views(engine, people.lake, people.spec)
    assert cast(Any, again) == first
    assert people.rows("recall_views") == rows
    monkeypatch.setattr(recall_views, "MOST_RECORDS", 700)
    with DuckDBEngine(threads=2) as engine:
        part = estimate_by_views(engine, people.lake, people.spec)
    assert (part["records"], part["records_sampled"]) == (700, 700)
    people.make_again("recall_views")


def test_one_match_at_most_is_shared_in_a_link(dataset: Callable[..., Dataset]) -> None:
    left = [{"id": str(i), "name": f"ann{i % 7} lee{i}", "town": f"bath{i % 5}"} for i in range(40)]
    right = [{**row, "name": f"{row['name']} x"} for row in left[:30]]
    data = dataset(left, right, strategies={"town": "town"})
    facts = data.make("recall_views")
    # Partners share their town, so all of them are candidates; ten of the left have none.
    assert facts["views"][STRICT]["recall"] == 1.0
    assert 60 <= facts["views"][STRICT]["likely_matches"] <= 65


@pytest.mark.parametrize(
    ("facts", "passed", "said"),
    [
        ({}, True, "Between 92.0% and 99.0% of all matches are candidates, as 2 views"),
        ({"recall_high": 0.8, "recall_low": 0.7}, False, "(at least 90% wanted)"),
        ({"is_known": False, "why": ["one", "two"]}, True, "Why: one; two."),
        ({"is_known": False, "why": ["one"], "recall_high": 0.6}, False, "is not known"),
    ],
)
def test_a_warning_where_no_view_sees_enough(
    dataset: Callable[..., Dataset], facts: Any, passed: bool, said: str
) -> None:
    spec = dataset([{"id": "1", "name": "ann"}], strategies={"name": "name"}).spec
    known: Any = {
        "recall_low": 0.92,
        "recall_high": 0.99,
        "is_known": True,
        "why": [],
        "unseen": 0.05,
        "records_sampled": 1_000,
        "views": {WIDE: {}, STRICT: {}},
        "known": None,
    }
    (verdict,) = judge_views(cast(ViewFacts, {**known, **facts}), spec)
    assert (verdict.passed, verdict.severity) == (passed, "warn")
    assert said in verdict.text
    known["known"] = {"true_pairs": 300, "found": 297}
    (verdict,) = judge_views(cast(ViewFacts, {**known, **facts}), spec)
    assert verdict.passed
    assert "Truth is known: missed_matches" in verdict.text
    assert "not known" not in verdict.text
