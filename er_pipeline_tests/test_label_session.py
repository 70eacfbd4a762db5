import contextlib
import fcntl
import io
import json
import os
import pty
import re
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.labels.labels import (
    RETRACTED,
    Journal,
    Label,
    RecordName,
    labels_in_force,
)
from er_pipeline.blocking.labels.pair_display import ShownPair, show_queue
from er_pipeline.blocking.spec.declarations import declarations
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.terminal.cli import main
from er_pipeline.terminal.label_session import Session, rendered, stopping_advice
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.test_labels import NOON, PEOPLE, label, queue

ANSI = re.compile(r"\x1b\[[0-9;]*m")


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
    session = Session(
        pairs,
        journal,
        who="eve",
        read_key=terminal.read_key,
        show=terminal.shown.append,
        resume="er-pipeline label defs.yaml",
        width=lambda: width,
    )
    return session.run(), terminal.text


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

    Session(ABC, journal, who="eve", read_key=read_key, show=lambda line: None, resume="").run()
    assert kept == [0, 1, 2, 3]


def test_q_stops_and_says_how_to_continue(journal: Journal) -> None:
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
    text = "\n".join(rendered(dear, width=120, colour=False))
    assert "Why: only the most expensive rule proposes this pair (city, last_name)" in text


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


def test_advice_in_a_session_knows_what_the_queue_still_holds(journal: Journal) -> None:
    journal.append(known(20, 20))
    assert "Go on: 20 matches" in answered(journal, "q", ABC)[1]
    assert "Enough for now:" in answered(journal, "nnq", ABC)[1]


ALIKE: dict[str, Any] = {
    "name": ("smith", "smyth"),
    "city": ("springfield", "springfield"),
    "company": ("acme holding of the united kingdom limited", "zebra ltd"),
    "email": ("ann@acme.org", None),
    "address_of_delivery": ("12 main street springfield il", "12 main st springfield il"),
    "phone": (None, None),
}


def columns(line: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in ANSI.sub("", line))


@pytest.mark.parametrize("width", [24, 40, 41, 80, 120])
@pytest.mark.parametrize("colour", [False, True])
def test_no_line_is_wider_than_the_terminal(width: int, colour: bool) -> None:
    wide = pair("a", "b", **ALIKE, words=("東京都 千代田区 丸の内", "東京都 丸の内"))
    lines = rendered(wide, width=width, colour=colour)
    assert max(map(columns, lines)) <= width
    letters = "".join(ANSI.sub("", "".join(lines)).split())
    assert "千代田区" in letters or width < 80


def test_a_narrow_terminal_is_served_in_24_columns() -> None:
    shown = pair("a", "b", **ALIKE)
    assert rendered(shown, width=3, colour=False) == rendered(shown, width=24, colour=False)


def test_a_pair_at_40_columns() -> None:
    assert rendered(pair("a", "b", **ALIKE), width=40, colour=False) == [
        "Why: drawn at random from the",
        "candidates, for unbiased estimates",
        "  record     a             b",
        "~ name       smith         smyth",
        "               ^             ^",
        "= city       springfield   springfield",
        "≠ company    acme holding  zebra ltd",
        "             of the",
        "             united",
        "             kingdom",
        "             limited",
        "- email      ann@acme.org",
        "~ address_of 12 main       12 main st",
        "  _delivery  street        springfield",
        "              ^^^^",
        "             springfield   il",
        "             il",
        "- phone",
    ]


def test_a_pair_at_120_columns() -> None:
    assert rendered(pair("a", "b", **ALIKE), width=120, colour=False) == [
        "Why: drawn at random from the candidates, for unbiased estimates",
        f"  record              {'a':48}  b",
        f"~ name                {'smith':48}  smyth",
        f"                      {'  ^':48}    ^",
        f"= city                {'springfield':48}  springfield",
        f"≠ company             {'acme holding of the united kingdom limited':48}  zebra ltd",
        "- email               ann@acme.org",
        f"~ address_of_delivery {'12 main street springfield il':48}  12 main st springfield il",
        "                               ^^^^",
        "- phone",
    ]


def test_colour_marks_the_letters_that_differ() -> None:
    shown = pair("a", "b", name=("smith", "smyth"), city=("ulm", "ulm"), email=("a@b", None))
    _, _, name, city, email = rendered(shown, width=80, colour=True)
    assert "sm\x1b[4;31mi\x1b[0mth" in name
    assert "sm\x1b[4;32my\x1b[0mth" in name
    assert "ulm" in city
    assert "\x1b[4" not in city + email


def test_values_with_little_in_common_are_marked_whole() -> None:
    shown = pair("a", "b", name=("acme holding", "zebra ltd"))
    line = rendered(shown, width=80, colour=True)[-1]
    assert line.startswith("≠ ")
    assert "\x1b[4;31macme holding\x1b[0m" in line
    assert "\x1b[4;32mzebra ltd\x1b[0m" in line


def test_without_colour_no_escape_is_written() -> None:
    assert "\x1b" not in "".join(rendered(pair("a", "b", **ALIKE), width=80, colour=False))


def test_a_value_cannot_command_the_terminal() -> None:
    shown = ShownPair(
        RecordName("people", "\x1b[2J"),
        RecordName("people", "b\n"),
        "audit",
        (),
        {"x": ("a\r", "a")},
    )
    text = "".join(rendered(shown, width=80, colour=False))
    assert "\x1b" not in text
    assert "\r" not in text
    assert "·[2J" in text


def test_records_of_two_sources_show_their_source() -> None:
    shown = ShownPair(
        RecordName("crm", "7"), RecordName("web", "7"), "audit", (), {"x": ("a", "b")}
    )
    assert re.search(r"record +crm 7 +web 7$", rendered(shown, width=80, colour=False)[1])


def test_a_field_called_record_is_shown_beside_the_ids() -> None:
    lines = rendered(pair("a", "b", record=("x", "x")), width=80, colour=False)
    assert [line.split() for line in lines[1:]] == [["record", "a", "b"], ["=", "record", "x", "x"]]


def test_long_texts_are_compared_word_by_word_in_no_time() -> None:
    words = [f"word{i}" for i in range(3_000)]
    changed = [*words[:1_500], "another", *words[1_501:]]
    began = time.process_time()
    lines = rendered(
        pair("a", "b", text=(" ".join(words), " ".join(changed))), width=120, colour=False
    )
    assert time.process_time() - began < 5
    assert lines[2].startswith("~ text")
    assert sum(set(line.strip()) == {"^", " "} or "^^^" in line for line in lines) in (1, 2)


def test_one_letter_of_a_long_value_is_marked_alone() -> None:
    left = "aab abb " * 34
    right = left[:200] + "x" + left[201:]
    lines = rendered(pair("a", "b", text=(left, right)), width=80, colour=False)
    assert sum(line.count("^") for line in lines) == 2


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Dataset:
    people = dataset(PEOPLE, labels={}, strategies={"city": "city"})
    people.clean()
    return people


def test_the_queue_is_read_in_its_order_with_clean_values(people: Dataset, engine: Any) -> None:
    queue(people, (2, 3), (0, 1), reason="likely_uncovered")
    first, second = show_queue(engine, people.lake, people.spec)
    assert (first.left.record_id, first.right.record_id) == ("c", "d")
    assert first.reason == "likely_uncovered"
    assert second.values == {"name": ("ann", "anne"), "city": ("ulm", None)}


def test_a_missing_queue_says_what_to_run(people: Dataset, engine: Any) -> None:
    with pytest.raises(LakeError, match=r"declare `labels` and run `er-pipeline run DEFS\.yaml`"):
        show_queue(engine, people.lake, people.spec)


def test_a_queue_of_other_records_is_refused(people: Dataset, engine: Any) -> None:
    queue(people, (0, 1))
    (people.folder / "people.csv").write_text("id,name,city\n0,x,y\n")
    people.clean()
    with pytest.raises(LakeError, match="label_queue was made from an older cleaned_records"):
        show_queue(engine, people.lake, people.spec)


DEFS = """
type: er_pipeline.BlockingPipeline
attributes:
  dataset: people
  sources: [{path: people.csv, record_id: id}]
  fields: {name: text, city: text}
  strategies: {city: city}
  training_rules: {rule: name}
"""


@pytest.fixture
def declared(people: Dataset) -> Dataset:
    """The same people as a command finds them: declared in a file, with a queue in the lake."""
    defs = people.folder / "defs.yaml"
    defs.write_text(DEFS + "  labels: {}\n")
    people.spec = read_spec(defs)
    people.lake = Lake(people.folder / "lake", "people", declarations(people.spec))
    people.clean()
    queue(people, (0, 1), (2, 3))
    return people


def test_the_label_command_takes_lines_from_a_pipe(
    declared: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    defs, lake = str(declared.folder / "defs.yaml"), str(declared.lake.root)
    monkeypatch.setattr("sys.stdin", io.StringIO("M \n\n"))
    assert main(["label", defs, "--lake", lake, "--who", "Zoë"]) == 0
    printed = capsys.readouterr().out
    assert "'' is not an answer; the keys are:" in printed
    assert "1 answer kept in" in printed
    assert f"Continue with: er-pipeline label {defs} --lake {lake} --who 'Zoë'" in printed
    (line,) = Journal(declared.folder / "labels.jsonl").read()
    assert (line.left.record_id, line.answer, line.who) == ("a", "match", "Zoë")


def test_the_label_command_without_labels_says_what_to_declare(
    declared: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    (declared.folder / "defs.yaml").write_text(DEFS)
    defs = str(declared.folder / "defs.yaml")
    for arguments in (
        ["label", defs, "--lake", str(declared.lake.root)],
        ["labels", "import", defs, "x.csv"],
        ["labels", "export", defs, "x.csv"],
    ):
        assert main(arguments) == 2
        assert "write `labels: {path: labels.jsonl}` below" in capsys.readouterr().err


def test_the_labels_commands_bring_in_and_write_out(
    declared: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = declared.folder
    defs, lake = str(folder / "defs.yaml"), str(declared.lake.root)
    (folder / "given.txt").write_text(f"left_id,right_id,answer,who,at\nb,a,yes,dan,{NOON}\n")
    bring = ["labels", "import", defs, "--lake", lake]
    assert main([*bring, str(folder / "given.txt")]) == 1
    assert "tells no format" in capsys.readouterr().err
    assert main([*bring, str(folder / "given.txt"), "--format", "csv"]) == 0
    assert "labels.jsonl: 1; known already: 0; rows without an answer: 0" in capsys.readouterr().out
    for name in ("out.csv", "out.jsonl", "out.json"):
        assert main(["labels", "export", defs, str(folder / name), "--lake", lake]) == 0
    assert "out.json: 1; pairs to label: 1" in capsys.readouterr().out
    assert main([*bring, str(folder / "out.json")]) == 0
    assert "labels.jsonl: 0; known already: 1; rows without an answer: 1" in capsys.readouterr().out


def test_the_labels_commands_answer_with_json(
    declared: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = declared.folder
    defs, lake = str(folder / "defs.yaml"), str(declared.lake.root)
    (folder / "given.csv").write_text(f"left_id,right_id,answer,who,at\nb,a,yes,dan,{NOON}\n")
    arguments = [defs, str(folder / "given.csv"), "--lake", lake, "--json"]
    assert main(["labels", "import", *arguments]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "journal": str(folder / "labels.jsonl"),
        "added": 1,
        "known": 0,
        "without_answer": 0,
    }
    arguments[1] = str(folder / "out.json")
    assert main(["labels", "export", *arguments]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(folder / "out.json"),
        "labels": 1,
        "without_answer": 1,
    }


def test_importing_a_file_that_does_not_exist_is_wrong_use(
    declared: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    defs, lake = str(declared.folder / "defs.yaml"), str(declared.lake.root)
    assert main(["labels", "import", defs, "no/such.csv", "--lake", lake]) == 2
    assert "error: no/such.csv: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [b"\x03", b"\x04"], ids=["ctrl-c", "ctrl-d"])
def test_at_a_terminal_one_key_is_an_answer_and_stopping_keeps_it(
    declared: Dataset, stop: bytes
) -> None:
    defs, lake = str(declared.folder / "defs.yaml"), str(declared.lake.root)
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    running = subprocess.Popen(
        [sys.executable, "-m", "er_pipeline.terminal.cli", "label", defs, "--lake", lake],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment, "PYTHONUTF8": "1"},
        start_new_session=True,
        # so that Ctrl-C at this terminal reaches it
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    shown = b""
    for key, wanted in ((b"m", b"0 answered"), (stop, b"1 answered")):
        while wanted not in shown or not shown.rstrip().endswith(b"q quit"):
            shown += os.read(ours, 1024)
        while termios.tcgetattr(ours)[3] & termios.ICANON:  # until it waits for a key
            time.sleep(0.01)
        os.write(ours, key)
    with contextlib.suppress(OSError):  # when the other side is closed
        while more := os.read(ours, 1024):
            shown += more
    os.close(ours)
    assert running.wait(timeout=30) == 0
    assert "\x1b[4;32me\x1b[0m" in shown.decode()
    assert "1 answer kept in" in shown.decode()
    assert [line.answer for line in Journal(declared.folder / "labels.jsonl").read()] == ["match"]
