from er_pipeline.blocking.records.expectation_outcomes import Outcome
from er_pipeline.blocking.records.expectation_sentences import numbers_of, sentence
from er_pipeline.blocking.spec.expectations_section import Expectation


def test_an_expectation_without_words_of_its_own_is_named() -> None:
    one = Expectation(type="expect_column_x_to_be_y", kwargs={"column": "last"})
    text = sentence(Outcome(one, False, {"observed_value": 3}), with_values=True)
    assert text == "last: expect_column_x_to_be_y; it is 3"
    hidden = sentence(Outcome(one, False, {"observed_value": "smith"}), with_values=False)
    assert hidden == "last: expect_column_x_to_be_y"


def test_what_is_no_number_is_not_plotted() -> None:
    one = Expectation(type="expect_column_x_to_be_y", kwargs={"column": "last"})
    for observed in ("smith", None, float("nan"), ["smith"]):
        assert numbers_of([Outcome(one, False, {"observed_value": observed})]) == {}
    assert numbers_of([Outcome(one, False, {}, why_not="broken")]) == {}
