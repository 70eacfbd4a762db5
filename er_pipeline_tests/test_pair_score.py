import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.pair_score import score_pair

LEVELS = [
    {"sql_condition": '"name_l" is null or "name_r" is null', "is_null_level": True},
    {
        "sql_condition": '"name_l" = "name_r"',
        "m_probability": 0.8,
        "u_probability": 0.1,
        "tf_adjustment_column": "name",
        "tf_adjustment_weight": 1.0,
    },
    {"sql_condition": "ELSE", "m_probability": 0.2, "u_probability": 0.9},
]
MODEL = {
    "probability_two_random_records_match": 0.5,
    "comparisons": [
        {
            "output_column_name": "name",
            "comparison_levels": [
                {"label_for_charts": label, **level}
                for label, level in zip(("missing", "equal", "other"), LEVELS, strict=True)
            ],
        }
    ],
}
NAMES = ["ann", "ann", "bob", None, *["ann"] * 4]


@pytest.mark.parametrize(
    ("left", "right", "level", "odds"),
    [
        (0, 1, "equal", 0.8 / (6 / 7)),  # six of seven names are ann: the frequency is their u
        (0, 2, "other", 0.2 / 0.9),
        (0, 3, "missing", 1.0),
    ],
)
def test_a_pair_is_scored_by_its_level_and_the_frequency_of_its_value(
    left: int, right: int, level: str, odds: float
) -> None:
    with DuckDBEngine(threads=1) as engine:
        rows = ", ".join(
            f"({no}, {'null' if name is None else repr(name)})" for no, name in enumerate(NAMES)
        )
        engine.make_table("cleaned_records", f"select * from (values {rows}) as t(record_no, name)")
        engine.make_table(
            "frequencies", "select 'name' as field, 'ann' as value, 6 / 7::double as frequency"
        )
        score = score_pair(engine, MODEL, "frequencies", (left, right))
    (term,) = score.terms
    assert (term.comparison, term.level) == ("name", level)
    assert score.probability == pytest.approx(odds / (1 + odds))
