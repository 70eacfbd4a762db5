import re

import pytest

from er_pipeline_tests.benchmarks import best_pairs, demo, neighbours, unified_pairs, whole_graph


def test_every_way_makes_the_same_pairs(capfd: pytest.CaptureFixture[str]) -> None:
    assert unified_pairs.main(["--records", "2000", "--rounds", "1"]) == 0
    printed = capfd.readouterr().out
    assert all(f"\n{way} " in printed for way in ("bound", "er_pipeline", "splink", "group_by"))
    assert "[ok] distinct pairs" in printed


def test_the_whole_graph_tells_the_time_of_each_asset(capfd: pytest.CaptureFixture[str]) -> None:
    assert whole_graph.main(["--records", "1500"]) == 0
    printed = capfd.readouterr().out
    assert all(f"\n{asset} " in printed for asset in ("cleaned_records", "unified_pairs"))
    assert "[ok] 1,500 records" in printed


def test_the_demo_and_its_loading_are_measured(capfd: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--records", "1500", "--rounds", "1"]) == 0
    assert "assets loaded" in capfd.readouterr().out


def test_neighbours_are_measured_beside_exact_search(capfd: pytest.CaptureFixture[str]) -> None:
    assert neighbours.main(["--records", "2000"]) == 0
    printed = capfd.readouterr().out
    assert all(f"\n{way} " in printed for way in ("lexical encode", "lexical search", "tfidf"))
    recall = printed.partition("recall of exact search ")[2][:6]
    assert float(recall) > 0.99  # at 2,000 hardly an n-gram is left out


def test_the_best_pairs_stand_beside_the_six_strategies(capfd: pytest.CaptureFixture[str]) -> None:
    assert best_pairs.main(["--records", "1000", "--sets", "people"]) == 0
    printed = capfd.readouterr().out
    assert all(f"people 1,000, {way}: peak " in printed for way in ("six", "auto"))
    assert re.search(r"the six strategies: 0\.\d+ of [\d.]+ pairs a record", printed)
