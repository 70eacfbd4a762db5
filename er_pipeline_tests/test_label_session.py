import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.labels.label_session import Session
from er_pipeline.blocking.labels.labels import (
    RETRACTED,
    Journal,
    RecordName,
    labels_in_force,
)
from er_pipeline.blocking.labels.pair_display import ShownPair
from er_pipeline.terminal.label_lines import LineFace
from er_pipeline_tests.judged_people import label


def pair(left: str, right: str, reason: str = "audit", **values: Any) -> ShownPair:
    names = (RecordName("people", left), RecordName("people", right))
    return ShownPair(*names, reason, (), values or {"name": ("ann", "anne")})


ABC = [pair("a", "b"), pair("a", "c", "likely_uncovered"), pair("b", "c")]


class Terminal:
    """A person whose keys are known beforehand, and what they get to see."""

    def __init__(self, keys: str, then: type[BaseException] = EOFError) -> None:
        self.keys: Iterator[str] = iter(keys)
        self.then = then
        self.shown: list[str] = []

    def read_key(self) -> str:
        for key in self.keys:
            return key
        raise self.then

    @property
    def text(self) -> str:
        return "\n".join(self.shown)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "labels.jsonl")


def answered(
    journal: Journal,
    keys: str,
    pairs: list[ShownPair] = ABC,
    then: type[BaseException] = EOFError,
    width: int = 80,
) -> tuple[int, str]:
    """Answer a queue with some keys; give the number of answers kept and what was shown."""
    terminal = Terminal(keys, then)
    session = Session(pairs, journal, who="eve")
    LineFace(
        session,
        read_key=terminal.read_key,
        show=terminal.shown.append,
        width=lambda: width,
    ).run()
    terminal.shown += session.closing("er-pipeline label defs.yaml")
    return len(session.given), terminal.text


def said(journal: Journal) -> list[tuple[str, str, str]]:
    return [(line.left.record_id, line.right.record_id, line.answer) for line in journal.read()]


def test_every_key_writes_its_answer_with_who_when_and_why(journal: Journal) -> None:
    assert answered(journal, "mnu")[0] == 3
    assert said(journal) == [("a", "b", "match"), ("a", "c", "no_match"), ("b", "c", "unsure")]
    line = journal.read()[1]
    assert (line.who, line.source, line.reason) == ("eve", "human", "likely_uncovered")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.at)


def test_an_answer_is_in_the_journal_before_the_next_pair_is_asked(journal: Journal) -> None:
    kept: list[int] = []
    keys = iter("mnuq")

    def read_key() -> str:
        kept.append(len(journal.read()))
        return next(keys)

    session = Session(ABC, journal, who="eve")
    LineFace(session, read_key=read_key, show=lambda line: None).run()
    assert kept == [0, 1, 2, 3]


def test_q_stops_and_says_how_to_go_on(journal: Journal) -> None:
    n_answers, shown = answered(journal, "mqn")
    assert n_answers == 1
    assert said(journal) == [("a", "b", "match")]
    assert f"1 answer kept in {journal.path}." in shown
    assert shown.endswith("Continue with: er-pipeline label defs.yaml")


@pytest.mark.parametrize("end", [KeyboardInterrupt, EOFError])
def test_an_interrupt_keeps_everything_said_so_far(
    journal: Journal, end: type[BaseException]
) -> None:
    n_answers, shown = answered(journal, "mn", then=end)
    assert n_answers == 2
    assert said(journal) == [("a", "b", "match"), ("a", "c", "no_match")]
    assert f"2 answers kept in {journal.path}." in shown
    assert shown.endswith("Continue with: er-pipeline label defs.yaml")


def test_a_second_session_goes_on_where_the_first_one_stopped(journal: Journal) -> None:
    answered(journal, "m")
    n_answers, shown = answered(journal, "nu")
    assert n_answers == 2
    assert said(journal)[1:] == [("a", "c", "no_match"), ("b", "c", "unsure")]
    assert "1 answered, 2 left; 1 match, 0 non-matches, 0 unsure" in shown
    assert shown.endswith(
        "\nThe queue is done; the next run learns from the answers and makes a new one."
    )


def test_pairs_answered_the_other_way_round_are_not_asked_again(journal: Journal) -> None:
    journal.append([label("b", "a"), label("c", "a"), label("c", "b")])
    n_answers, shown = answered(journal, "mmm")
    assert n_answers == 0
    assert "There are no pairs to judge." in shown
    assert len(journal.read()) == 3


def test_a_pair_that_stands_twice_in_the_queue_is_asked_once(journal: Journal) -> None:
    twice = [pair("a", "b"), pair("c", "d"), pair("b", "a", "dearest_rule")]
    assert answered(journal, "mnu", twice)[0] == 2
    assert said(journal) == [("a", "b", "match"), ("c", "d", "no_match")]
    assert journal.read()[0].reason == "audit"


def test_undo_takes_back_and_asks_again(journal: Journal) -> None:
    n_answers, shown = answered(journal, "mznq")
    assert n_answers == 1
    assert said(journal) == [
        ("a", "b", "match"),
        ("a", "b", RETRACTED),
        ("a", "b", "no_match"),
    ]
    assert "-> undone: match" in shown
    assert "0 answered, 3 left; 0 matches, 0 non-matches, 0 unsure" in shown.split("undone")[1]


def test_undo_may_be_repeated_down_to_the_first_answer_of_the_session(journal: Journal) -> None:
    answered(journal, "m")
    n_answers, shown = answered(journal, "nmzzzq")
    assert n_answers == 0
    assert "There is nothing to undo: no answer has been given in this session." in shown
    assert said(journal) == [
        ("a", "b", "match"),
        ("a", "c", "no_match"),
        ("b", "c", "match"),
        ("b", "c", RETRACTED),
        ("a", "c", RETRACTED),
    ]
    assert labels_in_force(journal.read())[0] == journal.read()[:1]


def test_the_last_answer_of_the_queue_can_be_taken_back_too(journal: Journal) -> None:
    n_answers, shown = answered(journal, "mnmxzuq", then=AssertionError)
    assert n_answers == 3
    assert [answer for *_, answer in said(journal)] == [
        *("match", "no_match", "match", RETRACTED, "unsure")
    ]
    assert shown.count("That was the last pair.   z undo   q quit") == 3


def test_the_end_of_the_queue_ends_the_session(journal: Journal) -> None:
    n_answers, shown = answered(journal, "mmmq", then=AssertionError)
    assert n_answers == 3
    assert "3 answers kept" in shown


def test_an_unknown_key_says_which_there_are_and_asks_again(journal: Journal) -> None:
    shown = answered(journal, "xm")[1]
    after = shown.split("'x' is not an answer; the keys are:\n")[1]
    assert after.startswith("m match   n no match   u unsure   z undo   q quit")
    assert said(journal)[0] == ("a", "b", "match")


def test_why_a_pair_is_asked_is_said_in_words(journal: Journal) -> None:
    shown = answered(journal, "mm")[1]
    assert "Why: drawn at random from the candidates, for unbiased estimates" in shown
    assert "Why: no rule proposes this pair, and it is among the likeliest matches" in shown
    dear = ShownPair(*ABC[0].pair, "dearest_rule", ("city", "last_name"), {"name": ("a", "b")})
    assert dear.why == "only the most expensive rule proposes this pair (city, last_name)"


def test_progress_counts_earlier_sessions_and_imports_too(journal: Journal) -> None:
    journal.append([label("x", "y"), label("x", "z", "unsure"), label("y", "z", "no_match")])
    shown = answered(journal, "m")[1]
    assert "3 answered, 3 left; 1 match, 1 non-match, 1 unsure" in shown
    assert "4 answered, 2 left; 2 matches, 1 non-match, 1 unsure" in shown


def test_advice_comes_after_every_ten_answers_and_at_the_end(journal: Journal) -> None:
    pairs = [pair(f"l{i}", f"r{i}") for i in range(25)]
    shown = answered(journal, "m" * 23 + "q", pairs)[1]
    assert shown.count("Go on: ") == 3
    assert "Go on: 10 more matches and 20 more non-matches needed, at least 20 of" in shown
    assert shown.count("Go on: 20 more non-matches needed") == 2


def test_advice_in_a_session_knows_what_the_queue_still_holds(journal: Journal) -> None:
    journal.append(
        [
            label(f"k{i}", f"K{i}", "match" if i < 20 else "no_match", reason="audit")
            for i in range(40)
        ]
    )
    assert "Go on: 20 matches" in answered(journal, "q", ABC)[1]
    assert "Enough for now:" in answered(journal, "nnq", ABC)[1]
