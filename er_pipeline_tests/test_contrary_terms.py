from er_pipeline.evaluation.contrary_terms import contrary_text, swapped_fields
from er_pipeline.evaluation.pair_score import PairScore, Term

SCORE = PairScore(
    0.1,
    -3.0,
    (
        Term("first", "else", -2.5),
        Term("mail", "equal", 8.0),
        Term("last", "else", -4.0),
        Term("city", "else", -0.5),
        Term("zip", "else", -0.25),
    ),
)


def test_the_comparisons_that_take_most_away_are_named_worst_first() -> None:
    assert contrary_text(SCORE, {}) == (
        "Most against it: last (-4.00 bits), first (-2.50 bits), city (-0.50 bits)."
    )
    assert contrary_text(PairScore(0.5, -3.0, (Term("a", "equal", 1.0),)), {}) == ""


def test_swapped_fields_are_named() -> None:
    values = {"first": ("ann", "lee"), "mail": ("a@b", "a@b"), "last": ("lee", "ann")}
    assert swapped_fields(values) == [("first", "last")]
    assert contrary_text(SCORE, values).endswith(" first and last are swapped.")


def test_equal_or_missing_values_are_not_swapped() -> None:
    assert swapped_fields({"a": ("x", "x"), "b": ("x", "x")}) == []
    assert swapped_fields({"a": (None, None), "b": (None, None)}) == []
    assert swapped_fields({"a": ("x", "y"), "b": ("x", "y")}) == []
