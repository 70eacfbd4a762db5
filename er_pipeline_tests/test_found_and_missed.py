from pathlib import Path

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.page.found_and_missed import completeness_section, missed_section
from er_pipeline_tests.page_runs import HandMadeRun, chart, listing

TRUTH = {"true_pairs": 4, "pairs_completeness": 0.75}
POINT = {"pairs_per_record": 1.0, "pairs_completeness": 0.5}


def test_the_curve_has_a_line_of_ranked_pairs_and_a_dot_for_each_strategy(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    curve = {"ranked 1": POINT, "strategy name": POINT, "union": POINT}
    section = completeness_section(HandMadeRun(tmp_path, engine).page(curve=curve, truth=TRUTH))
    assert section.answer == "75.00% of the 4 true pairs are candidates."
    line, dots, _ = chart(section, "Completeness by pairs per record")["layer"]
    assert len(line["data"]["values"]) == 1
    assert [dot["name"] for dot in dots["data"]["values"]] == ["name", "all strategies"]


def test_missed_pairs_stand_by_cause_with_examples_and_remedies(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    run = HandMadeRun(tmp_path, engine, truth={"cluster_column": "who"})
    run.records(["ann", "anne"])
    run.write(
        "missed_matches",
        "select 0 as left_no, 1 as right_no, 'keys_differ' as cause,"
        " 'name is ''ann'' and ''anne''' as detail, 'add a strategy' as remedy",
    )
    remedy = {"pairs": 30, "finds": 1, "mends": 1, "pairs_per_match": 30.0}
    section = missed_section(
        run.page(
            missed={"keys_differ": {"true_pairs": 1}, "no_key": {"true_pairs": 0}},
            truth=TRUTH,
            remedies={"add a strategy": remedy, "useless": {**remedy, "mends": 0}},
        )
    )
    assert section.answer.startswith("1 of 4 true pairs are missed. The change that mends most")
    ((cause, left, right, why, how),) = listing(section, "Missed pairs, for example")
    assert (cause, left, right) == ("no strategy gives them a common key", "people:r0", "people:r1")
    assert (why, how) == ("name is 'ann' and 'anne'", "add a strategy")
    assert listing(section, "The cheapest changes") == [("add a strategy", "1", "30", "30.0")]


def test_without_truth_it_is_left_out_in_one_sentence(tmp_path: Path, engine: DuckDBEngine) -> None:
    section = missed_section(HandMadeRun(tmp_path, engine).page())
    assert "`truth` is not declared" in section.answer
    assert not section.parts
