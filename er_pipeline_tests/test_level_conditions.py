import pytest

from er_pipeline.matching.level_conditions import Part, read_comparisons, read_parts


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ('"a_l" = "a_r"', (Part("equal", '"a"'),)),
        ("a_l = b_r", ()),
        ("levenshtein(a_l, a_r) <= 2", (Part("edits", '"a"', 2),)),
        ("levenshtein(a_l, a_r) < 2 or a_l = a_r", ()),
        ("jaro_winkler_similarity(a_l, a_r) >= 0.9", (Part("jaro_winkler", '"a"', 0.9),)),
        ("jaro_similarity(a_r, a_l) >= 0.9", ()),
        ("jaccard(a_l, a_r) >= 0.9 and b_l = b_r", (Part("equal", '"b"'),)),
        ("ELSE", ()),
    ],
)
def test_only_what_follows_from_each_value_alone_is_judged(
    condition: str, parts: tuple[Part, ...]
) -> None:
    assert read_parts(condition) == parts


def test_weights_and_frequencies_are_those_of_splink() -> None:
    levels = [
        {"sql_condition": "a_l is null or a_r is null", "is_null_level": True},
        {
            "sql_condition": "a_l = a_r",
            "m_probability": 0.5,
            "u_probability": 0.0,
            "tf_adjustment_column": "a",
        },
        {"sql_condition": "ELSE", "m_probability": 0.25, "u_probability": 0.5},
    ]
    (comparison,) = read_comparisons({"comparisons": [{"comparison_levels": levels}]})
    missing, equal, other = comparison.levels
    assert (missing.weight, other.weight) == (0, -1)
    assert equal.weight > 900, "a u of 0 is all but proof"
    assert equal.tf_weight == 1.0, "Splink's own where the model says nothing"
