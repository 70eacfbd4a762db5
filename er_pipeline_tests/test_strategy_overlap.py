from pathlib import Path

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.page.strategy_overlap import overlap_section
from er_pipeline_tests.page_runs import HandMadeRun, chart, listing

FACTS = {
    "strategy_bits": {"name": 0, "mail": 1},
    "pairs": 7,
    "proposed_pairs": {"name": 6, "mail": 3},
    "pairs_of_one_strategy_only": {"name": 4, "mail": 1},
    "combinations": [[1, 4], [3, 2]],
}


def test_combinations_are_those_that_were_counted(tmp_path: Path, engine: DuckDBEngine) -> None:
    run = HandMadeRun(tmp_path, engine)
    run.write("unified_pairs", "select 1 as a", FACTS)
    section = overlap_section(run.page(strategies={"name": {"blocks": 2, "largest_block": 3}}))
    assert section.answer.startswith("71.4% of the pairs")
    drawn = chart(section, "Pairs by combination of strategies")["vconcat"][0]["data"]["values"]
    assert [(row["strategies"], row["pairs"]) for row in drawn] == [("name", 4), ("name, mail", 2)]
    assert listing(section, "Strategies")[0] == ["name", "6", "4", "2", "3"]


def test_the_facts_of_an_earlier_version_have_no_combinations(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    run = HandMadeRun(tmp_path, engine)
    run.write("unified_pairs", "select 1 as a", {k: v for k, v in FACTS.items() if k[0] != "c"})
    assert len(overlap_section(run.page()).parts) == 1
