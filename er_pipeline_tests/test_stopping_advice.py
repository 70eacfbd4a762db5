from er_pipeline.blocking.labels.labels import Label
from er_pipeline.blocking.labels.stopping_advice import stopping_advice
from er_pipeline_tests.judged_people import label


def known(n_matches: int, n_others: int) -> list[Label]:
    answers = ["match"] * n_matches + ["no_match"] * n_others
    return [label(f"k{i}", f"K{i}", answer, reason="audit") for i, answer in enumerate(answers)]


def likely(*answers: str) -> list[Label]:
    return [
        label(f"l{i}", f"L{i}", answer, reason="likely_uncovered")
        for i, answer in enumerate(answers)
    ]


def test_a_few_answers_of_either_kind_are_never_enough() -> None:
    for n_left in (0, 9):
        advice = stopping_advice(known(19, 500), n_likely_left=n_left)
        assert advice == "Go on: 1 more match needed, at least 20 of each."
    assert stopping_advice([], n_likely_left=0).startswith("Go on: 20 more matches and 20 more non")


def test_no_more_matches_outside_the_rules_are_enough() -> None:
    none = likely(*["no_match"] * 25)
    assert stopping_advice(known(120, 85) + none, n_likely_left=9) == (
        "Enough: none of the last 25 likely matches outside the rules was a match, and 120 matches"
        " and 110 non-matches are known; more labels will change little."
    )
    one = likely("match", "match", "match", *["no_match"] * 12, "match", *["no_match"] * 12)
    advice = stopping_advice(known(20, 20) + one, n_likely_left=9)
    assert advice.startswith("Enough: 1 of the last 25 likely matches outside the rules was a mat")


def test_two_matches_among_the_last_likely_ones_say_go_on() -> None:
    two = likely(*["no_match"] * 12, "match", "match", *["no_match"] * 11)
    advice = stopping_advice(known(20, 20) + two, n_likely_left=9)
    assert advice == (
        "Go on: 22 matches and 43 non-matches are known, but 2 of the last 25 likely matches"
        " outside the rules were matches; there is more to find."
    )


def test_unsure_answers_and_other_reasons_do_not_count_as_likely_matches() -> None:
    labels = likely(*["no_match"] * 24, *["unsure"] * 9) + known(20, 20)
    advice = stopping_advice(labels, n_likely_left=9)
    assert advice == (
        "Go on: 20 matches and 44 non-matches are known, but 1 more likely match outside the rules"
        " must be judged to be sure."
    )


def test_a_queue_without_likely_matches_is_enough_for_now() -> None:
    advice = stopping_advice(known(20, 21) + likely("match", "match"), n_likely_left=0)
    assert advice == (
        "Enough for now: the queue has no likely match outside the rules, and 22 matches and 21"
        " non-matches are known."
    )
