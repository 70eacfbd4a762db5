from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.known_odd_levels import known_odd_levels
from er_pipeline.matching.odd_levels import OddLevel, judge_odd_levels
from er_pipeline_tests.test_entities import spec_with

ODD: OddLevel = {
    "near": "email",
    "label": "similar",
    "level": 1,
    "field": "name",
    "known": 40,
    "differ": 30,
    "of_equal": 0.01,
    "example": ["r0", "r1"],
}


def known(n_true: int, accepted: str = "matches") -> list[OddLevel]:
    """Hold 40 matches of a level against truth, in which the first few are true."""
    with DuckDBEngine(threads=2) as engine:
        engine.execute(
            "create table matches as select range::integer as left_no, range::integer + 1 as"
            " right_no, if(range < 40, 0.99, 0.5) as match_probability, 1 as gamma_email,"
            " if(range < 30, 0, 2) as gamma_name from range(50)"
        )
        engine.execute(f"create table true_pairs as select * from matches where left_no < {n_true}")
        engine.execute("create table links as select * from matches where left_no < 20")
        engine.make_table(
            "cleaned_records",
            "select range::integer as record_no, 'r' || range as record_id from range(60)",
        )
        return known_odd_levels(engine, spec_with(), [ODD], accepted, 0.9)


def test_a_level_whose_matches_are_true_is_not_odd() -> None:
    assert known(40) == []
    assert known(38) == []  # 95%


def test_a_wrong_match_is_the_example_and_the_wrong_ones_are_counted() -> None:
    (odd,) = known(10)
    assert (odd["matches"], odd["wrong"], odd["example"]) == (40, 30, ["r10", "r11"])
    verdict = judge_odd_levels([odd], 100, spec_with(fields={"name": "text", "email": "email"}))
    assert not verdict.passed
    assert "About 30.0% of 100 matches" in verdict.text
    assert "30 of 40 matches with email only near (similar) are no true pairs" in verdict.text
    assert "such as r10 and r11" in verdict.text


def test_one_to_one_only_the_links_count() -> None:
    (odd,) = known(10, "links")
    assert (odd["matches"], odd["wrong"]) == (20, 10)
