import re
from pathlib import Path

import pytest

from er_pipeline_tests.benchmarks import (
    beside_others,
    best_pairs,
    demo,
    every_set,
    explained,
    matching,
    neighbours,
    nothing_changed,
    recall,
    unified_pairs,
    whole_graph,
)


def test_every_way_makes_the_same_pairs(capfd: pytest.CaptureFixture[str]) -> None:
    assert unified_pairs.main(["--records", "2000", "--rounds", "1"]) == 0
    printed = capfd.readouterr().out
    assert all(f"\n| {title} | " in printed for title in unified_pairs.TITLES.values())
    assert "[ok] distinct pairs" in printed


def test_ours_stand_beside_others_on_the_same_people(capfd: pytest.CaptureFixture[str]) -> None:
    assert beside_others.main(["--records", "600", "--ways", "six", "splink", "bm25"]) == 0
    printed = capfd.readouterr().out
    figures = dict(
        re.findall(r"\n\| 600 \| \**([A-Z\d]\w+|er_pipeline)\b[^|]*\| ([\d,]+ \| [\d.]+%)", printed)
    )
    assert set(figures) == {"er_pipeline", "Splink", "BM25"}
    assert figures["er_pipeline"] == figures["Splink"] != figures["BM25"]
    assert re.search(r"Measured on \d{4}-\d\d-\d\d, \d+ cores, .*: duckdb .*, splink 5", printed)


def test_the_whole_graph_shows_the_time_of_each_asset(capfd: pytest.CaptureFixture[str]) -> None:
    assert whole_graph.main(["--records", "1500"]) == 0
    printed = capfd.readouterr().out
    assert all(f"\n{asset} " in printed for asset in ("cleaned_records", "unified_pairs"))
    assert "[ok] 1,500 records" in printed
    assert "| people | wall s | CPU s | peak GiB |\n|---|---|---|---|\n| 1,500 | " in printed


def test_a_night_of_which_nothing_changed_makes_no_table(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert nothing_changed.main(["--records", "1500", "--nights", "1", "--touch"]) == 0
    printed = capfd.readouterr().out
    assert "[ok] no table was made again" in printed
    assert "| people | CPU s | wall s | peak MiB |\n|---|---|---|---|\n| 1,500 | " in printed


def test_the_demo_and_its_loading_are_measured(capfd: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--records", "1500", "--rounds", "1"]) == 0
    printed = capfd.readouterr().out
    assert "assets loaded" in printed
    assert "\n| of it, the model's training | " in printed


def test_what_explain_proposes_is_done_and_holds(capfd: pytest.CaptureFixture[str]) -> None:
    sets = ["budget", "few strategies, matching"]
    assert explained.main(["--records", "300", "--pairs", "2", "--sets", *sets]) == 0
    printed = capfd.readouterr().out
    assert "WRONG" not in printed
    assert re.search(r"\n\| all \| [1-4] \| (\d) \| \1 \| (\d) \| \2 \|\n", printed)


def test_neighbours_are_measured_beside_exact_search(capfd: pytest.CaptureFixture[str]) -> None:
    assert neighbours.main(["--records", "2000"]) == 0
    printed = capfd.readouterr().out
    assert all(
        f"\n| {way} | " in printed
        for way in ("**lexical**", "plain TF-IDF of the whole text, top 10")
    )
    found = printed.partition("recall of exact search ")[2][:6]
    assert float(found) > 0.99  # at 2,000 hardly an n-gram is left out


def test_the_best_pairs_stand_beside_the_six_strategies(capfd: pytest.CaptureFixture[str]) -> None:
    assert best_pairs.main(["--records", "1000", "--sets", "people"]) == 0
    printed = capfd.readouterr().out
    assert all(f"people 1,000, {way}: peak " in printed for way in ("six", "auto"))
    assert re.search(r"\n\| people \| 1,000 \| \d+ \| [\d.]+% \| [\d.]+% \|\n", printed)
    assert re.search(r"the six strategies: 0\.\d+ of [\d.]+ pairs a record", printed)


def test_training_and_scoring_cost_what_splink_is_beside(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert matching.main(["--of", "cost", "--records", "1500"]) == 0
    printed = capfd.readouterr().out
    assert all(f"\n| {title} | " in printed for title in matching.TITLES.values())
    assert "[ok] pairs scored, likely ones" in printed


def test_matches_stand_beside_those_of_splink_alone(
    capfd: pytest.CaptureFixture[str], real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "DOCUMENTED", {"fake_1000": matching.DOCUMENTED["fake_1000"]})
    assert matching.main(["--of", "quality", "--data", str(real_data)]) == 0
    printed = capfd.readouterr().out
    assert "\n| fake_1000 | **er_pipeline** | " in printed
    assert "\n| fake_1000 | Splink alone | 4,002 | 81.29% | " in printed


def test_recall_is_estimated_beside_the_truth(capfd: pytest.CaptureFixture[str]) -> None:
    assert recall.main(["--records", "1500", "--seeds", "20", "--sampled", "200"]) == 0
    printed = capfd.readouterr().out
    assert re.search(r"\n\| 1,500 \| [\d.]+% \| [\d.]+% \| [\d.]+ \|\n", printed)


def test_the_one_setting_stands_beside_plain_rankings(capfd: pytest.CaptureFixture[str]) -> None:
    assert every_set.main(["--records", "240", "--sets", "editions"]) == 0
    printed = capfd.readouterr().out
    assert "editions: 240 records, 40 true pairs" in printed
    share = r"[\d.]+% \| "
    ours = r"\*\*[\d.]+%\*\* \| "
    assert re.search(rf"\n\| editions \| 40 pairs \| {ours}(?:{share}){{6}}", printed)
    assert "| targets missed | 0 of 0 |" in printed
