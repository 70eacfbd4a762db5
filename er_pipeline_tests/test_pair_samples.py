from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.page import pair_samples
from er_pipeline.evaluation.page.page_parts import PairViewer
from er_pipeline.evaluation.page.pair_samples import PER_CLASS, pairs_section
from er_pipeline_tests.page_runs import MODEL, HandMadeRun


def made_run(folder: Path, engine: DuckDBEngine, **settings: object) -> HandMadeRun:
    run = HandMadeRun(folder, engine, matching=True, **settings)
    run.records(["ann", "ann", "bob", *["cy"] * 12])
    run.write("em_model", "select 1 as a")
    run.write("term_frequencies", "select '' as field, '' as value, 1.0 as frequency")
    run.write(
        "unified_pairs",
        "select * from (values (0, 1, 1), (0, 2, 3)) as p(left_no, right_no, strategy_mask)",
        {"strategy_bits": {"name": 0, "mail": 1}},
    )
    run.write(
        "matches",
        "select 0 as left_no, 1 as right_no, 3.0 as match_weight union all"
        " select 3, 3 + n, 3.0 from range(1, 11) as r(n)",
    )
    return run


def test_pairs_of_every_class_have_their_terms_and_values(
    tmp_path: Path, engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_samples, "read_model", lambda lake: MODEL)
    run = made_run(tmp_path, engine)
    (viewer,) = pairs_section(run.page()).parts
    assert isinstance(viewer, PairViewer)
    first = viewer.pairs[0]
    assert (first["left"], first["right"], first["strategies"]) == (
        "people:r0",
        "people:r1",
        "name",
    )
    assert first["values"] == [{"field": "name", "left": "ann", "right": "ann", "is_equal": True}]
    assert [(term["level"], term["bits"]) for term in first["terms"]] == [
        ("", -2.0),
        ("Exact match", 5.0),
    ]
    assert first["weight"] == 3.0
    # Of the class of 3 bits so many are drawn, and what hardly agrees by the number of a record.
    assert len(viewer.pairs) == PER_CLASS
    weights = [pair["weight"] for pair in viewer.pairs]
    assert weights == sorted(weights, reverse=True)


def test_values_are_left_out_and_without_matching_all(
    tmp_path: Path, engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_samples, "read_model", lambda lake: MODEL)
    run = made_run(tmp_path, engine, report={"record_values": False})
    assert "'ann'" not in str(pairs_section(run.page()).parts)
    off = HandMadeRun(tmp_path / "off", engine)
    assert "`matching` is off" in pairs_section(off.page()).answer
