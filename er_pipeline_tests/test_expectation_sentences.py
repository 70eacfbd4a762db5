from er_pipeline.blocking.records.expectation_outcomes import Outcome
from er_pipeline.blocking.records.expectation_sentences import grid_of, numbers_of, sentence
from er_pipeline.blocking.spec.expectations_section import Expectation


def test_an_expectation_without_words_of_its_own_is_named() -> None:
    one = Expectation(type="expect_column_x_to_be_y", kwargs={"column": "last"})
    text = sentence(Outcome(one, False, {"observed_value": 3}), with_values=True)
    assert text == "last: expect_column_x_to_be_y; it is 3"
    hidden = sentence(Outcome(one, False, {"observed_value": "smith"}), with_values=False)
    assert hidden == "last: expect_column_x_to_be_y"


def test_why_it_could_not_be_judged_quotes_no_value_that_may_not_be_shown() -> None:
    one = Expectation(type="expect_column_x_to_be_y", kwargs={"column": "last"})
    broken = Outcome(one, False, {}, why_not="could not convert 'smith'")
    assert "'smith'" in sentence(broken, with_values=True)
    hidden = sentence(broken, with_values=False) + str(grid_of([broken], with_values=False).rows)
    assert "smith" not in hidden
    assert "could not run it" in hidden
    too_long = Outcome(one, False, {}, why_not="only all 9 rows can show it", needs_all=True)
    assert "only all 9 rows" in sentence(too_long, with_values=False)


def test_what_is_no_number_is_not_plotted() -> None:
    one = Expectation(type="expect_column_x_to_be_y", kwargs={"column": "last"})
    for observed in ("smith", None, float("nan"), ["smith"]):
        assert numbers_of([Outcome(one, False, {"observed_value": observed})]) == {}
    assert numbers_of([Outcome(one, False, {}, why_not="broken")]) == {}
