from pathlib import Path

import pytest

from er_pipeline_tests.benchmarks.every_set import show_tables
from er_pipeline_tests.benchmarks.every_set_sets import budgets_of, fields_of, settings_of


def test_fields_are_named_after_columns_of_any_sort() -> None:
    header = ["id", "Source", "Site name", "record_id", "E-mail (office)", "person_id"]
    assert fields_of(header) == {
        "its_source": "Source",
        "site_name": "Site name",
        "its_record_id": "record_id",
        "e_mail_office": "E-mail (office)",
    }


def test_a_set_is_declared_by_its_header_alone(tmp_path: Path) -> None:
    settings = settings_of("agencies", 20, 1, tmp_path)
    assert settings["fields"]["phone"] == "phone"
    assert settings["fields"]["its_source"] == "text"
    [source] = settings["sources"]
    assert source["columns"]["site_name"] == "Site name"
    assert settings["strategies"] == "auto"
    assert settings["embedding"] is True
    songs, linked = (settings_of(name, 20, 1, tmp_path) for name in ("songs", "linked_songs"))
    assert songs["mode"] == "link_and_dedupe"
    assert "mode" not in linked
    assert linked["sources"] == songs["sources"]


def test_budgets_are_given_or_follow_the_records() -> None:
    assert budgets_of("cora", [1295]) == {22_754: 0.95, 37_227: 0.975}
    assert list(budgets_of("drug", [5356, 157])) == [157, 785]
    assert list(budgets_of("songs", [10, 20, 30, 40, 0])) == [100, 500]
    assert list(budgets_of("citations", [100])) == [100, 500, 3000]


def test_lines_where_a_rival_is_better_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    def point(budget: int, ours: float, target: float | None) -> dict[str, object]:
        return {
            "budget": budget,
            "target": target,
            "ours": ours,
            "plain": {"our cosine": 0.8, "BM25": 0.7},
            "blockers": {"BM25 top-k": 0.85},
            "union": 0.9,
        }

    points = [point(1000, 0.82, 0.8), point(2000, 0.78, 0.8), point(3000, 0.9, None)]
    show_tables({"places": {"points": points}})
    printed = capsys.readouterr().out
    assert (
        "| places | 1,000 pairs | **82.00%** | 80.00% | 70.00% | 85.00% | BM25 top-k | -3.00 |"
        " 90.00% | 80.0% reached |"
    ) in printed
    assert "| -7.00 | 90.00% | 80.0% **MISSED** |" in printed
    assert "points | -2.00 (places, 2,000 pairs) |" in printed
    assert "below the best plain ranking | 1 of 3 |" in printed
    assert "below the best rival | 2 of 3 |" in printed
    assert "| targets missed | 1 of 2 |" in printed
