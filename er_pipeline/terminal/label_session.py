"""Labelling: ask a person about pairs in the terminal, one key per answer.

Every answer is in the journal before the next pair is shown.
"""

import os
import re
import shutil
import sys
import termios
import tty
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from er_pipeline.blocking.labels.labels import RETRACTED, Journal, Label, labels_in_force
from er_pipeline.blocking.labels.moments import utc_now
from er_pipeline.blocking.labels.pair_display import ShownPair
from er_pipeline.blocking.tables.printable import count_of

KEYS = {"m": "match", "n": "no_match", "u": "unsure"}
LAST_KEYS_SHOWN = "z undo   q quit"
KEYS_SHOWN = f"m match   n no match   u unsure   {LAST_KEYS_SHOWN}"
REASON_TEXTS = {
    "likely_uncovered": "no rule proposes this pair, and it is among the likeliest matches",
    "dearest_rule": "only the most expensive rule proposes this pair",
    "bridge": "this match alone holds two groups of records together as one entity",
    "audit": "drawn at random from the candidates, for unbiased estimates",
}
# Advice on when to stop comes after so many answers.
ADVICE_EVERY = 10
# With fewer of either answer, rules and weights rest on too little evidence.
MIN_OF_EACH = 20
# So many likely matches in a row with at most one true match mean that little is left to find.
LAST_LIKELY, MATCHES_AMONG_THEM = 25, 1

# A field whose values share at least this much is close, not different (difflib's ratio).
CLOSE = 0.6
# Longer values are compared word by word: difflib's time grows with the square of the length.
MAX_BY_CHARACTER = 300
MIN_COLUMNS = 24
RESET, DIM, BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"
CHANGED = ("\x1b[4;31m", "\x1b[4;32m")  # underlined red on the left, green on the right

# One character of a value as the terminal shows it, and whether the other value differs there.
Cell = tuple[str, bool]


class Session:
    """A person at a terminal, a queue of pairs and the journal.

    pairs: in the order of asking; those that already have an answer are skipped.
    who: goes into every label. read_key: waits for one answer, in lower case; raises EOFError when
    there are no more. show: prints a line. resume: the command that continues later.
    width: returns the columns of the terminal. colour: whether it takes ANSI colours.
    """

    def __init__(
        self,
        pairs: Sequence[ShownPair],
        journal: Journal,
        *,
        who: str,
        read_key: Callable[[], str],
        show: Callable[[str], None] = print,
        resume: str,
        width: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
        colour: bool = False,
    ) -> None:
        """Read the journal; nothing is asked or written yet."""
        self.journal = journal
        self.who = who
        self.read_key, self.show, self.width, self.colour = read_key, show, width, colour
        self.resume = resume
        self.labels = {label.pair: label for label in labels_in_force(journal.read())[0]}
        once: dict[Any, ShownPair] = {}
        for shown in pairs:
            once.setdefault(shown.pair, shown)
        self.pairs = [shown for pair, shown in once.items() if pair not in self.labels]
        self.given: list[Label] = []  # in this session, one per pair from the first on

    def run(self) -> int:
        """Ask until the queue is empty or the person stops; return the number of answers kept.

        Ctrl-C and the end of the input stop it as q does. Raises InputError if the journal cannot
        be read or written.
        """
        try:
            while self._go_on():
                pass
        except (KeyboardInterrupt, EOFError):
            self.show("")
        if not self.pairs:
            self.show("There are no pairs to judge.")
        else:
            self.show(f"{count_of(len(self.given), 'answer')} kept in {self.journal.path}.")
            self.show(self._advice())
        if len(self.given) < len(self.pairs):
            self.show(f"Continue with: {self.resume}")
        else:
            self.show(
                "The queue is done; the next run learns from the answers and makes a new one."
            )
        return len(self.given)

    def _go_on(self) -> bool:
        """Take the next answer or an undo; return False to quit."""
        if len(self.given) < len(self.pairs):
            return self._ask(self.pairs[len(self.given)])
        while self.given:
            self.show("")
            self.show(f"That was the last pair.   {LAST_KEYS_SHOWN}")
            key = self.read_key()
            if key == "z":
                self._undo()
                return True
            if key == "q":
                break
        return False

    def _ask(self, shown: ShownPair) -> bool:
        self.show("")
        for line in rendered(shown, width=self.width(), colour=self.colour):
            self.show(line)
        self.show("")
        self.show(self._progress())
        while True:
            self.show(KEYS_SHOWN)
            key = self.read_key()
            if key in KEYS:
                self._keep(shown, KEYS[key])
                return True
            if key == "q":
                return False
            if key == "z" and self.given:
                self._undo()
                return True
            if key == "z":
                self.show("There is nothing to undo: no answer has been given in this session.")
            else:
                self.show(f"{key!r} is not an answer; the keys are:")

    def _keep(self, shown: ShownPair, answer: str) -> None:
        label = Label(shown.left, shown.right, answer, self.who, utc_now(), "human", shown.reason)
        self.journal.append([label])
        self.given.append(label)
        self.labels[label.pair] = label
        self.show(f"-> {answer.replace('_', ' ')}")
        if len(self.given) % ADVICE_EVERY == 0:
            self.show(self._advice())

    def _undo(self) -> None:
        last = self.given[-1]
        self.journal.append([replace(last, answer=RETRACTED, who=self.who, at=utc_now())])
        self.given.pop()
        del self.labels[last.pair]
        self.show(f"-> undone: {last.answer.replace('_', ' ')}")

    def _progress(self) -> str:
        n_of = Counter(label.answer for label in self.labels.values())
        return (
            f"{n_of.total():,} answered, {len(self.pairs) - len(self.given):,} left;"
            f" {count_of(n_of['match'], 'match', 'matches')},"
            f" {count_of(n_of['no_match'], 'non-match', 'non-matches')}, {n_of['unsure']:,} unsure"
        )

    def _advice(self) -> str:
        left = self.pairs[len(self.given) :]
        n_likely_left = sum(shown.reason == "likely_uncovered" for shown in left)
        return stopping_advice(list(self.labels.values()), n_likely_left=n_likely_left)


def stopping_advice(labels: Sequence[Label], *, n_likely_left: int) -> str:
    """Return advice on whether more labels would change much.

    labels: those in force, oldest first. n_likely_left: pairs in the queue that look like matches
    and that no rule finds (likely_uncovered).
    The rule: with fewer than 20 matches or 20 non-matches, go on. Otherwise it is enough when the
    queue holds no such pair any more, or when at most one of the last 25 of them with an answer,
    not counting unsure, was a match: rules are learned from the matches they miss.
    """
    n_of = Counter(label.answer for label in labels)
    missing = [
        count_of(MIN_OF_EACH - n_of[answer], f"more {one}", f"more {many}")
        for answer, one, many in (
            ("match", "match", "matches"),
            ("no_match", "non-match", "non-matches"),
        )
        if n_of[answer] < MIN_OF_EACH
    ]
    if missing:
        return f"Go on: {' and '.join(missing)} needed, at least {MIN_OF_EACH} of each."
    known = (
        f"{count_of(n_of['match'], 'match', 'matches')} and"
        f" {count_of(n_of['no_match'], 'non-match', 'non-matches')} are known"
    )
    likely = [
        label.answer
        for label in labels
        if label.reason == "likely_uncovered" and label.answer != "unsure"
    ][-LAST_LIKELY:]
    n_matches = likely.count("match")
    found = (
        f"{n_matches or 'none'} of the last {len(likely)} likely matches outside the rules"
        f" {'was a match' if n_matches < 2 else 'were matches'}"
    )
    if len(likely) == LAST_LIKELY and n_matches <= MATCHES_AMONG_THEM:
        return f"Enough: {found}, and {known}; more labels will change little."
    if n_likely_left == 0:
        return f"Enough for now: the queue has no likely match outside the rules, and {known}."
    if len(likely) < LAST_LIKELY:
        wanted = count_of(LAST_LIKELY - len(likely), "more likely match", "more likely matches")
        return f"Go on: {known}, but {wanted} outside the rules must be judged to be sure."
    return f"Go on: {known}, but {found}; there is more to find."


@dataclass(frozen=True)
class _Compared:
    """Two values as cells, and the mark of their line: = same, ~ close, ≠ different, - missing."""

    mark: str
    left: list[Cell]
    right: list[Cell]


def rendered(shown: ShownPair, *, width: int, colour: bool) -> list[str]:
    """Return a pair side by side, one field after the other, in lines of at most width columns.

    A line begins with its mark (= same, ~ close, ≠ different, - missing) and the field's name. What
    differs is coloured or, without colour, underlined by ^ if the values are close.
    width: at least 24 columns; a narrower terminal gets lines of 24.
    """
    width = max(width, MIN_COLUMNS)
    names = _Compared(" ", _cells(_name(shown, 0)), _cells(_name(shown, 1)))
    rows = [("record", names)]
    rows += [(field, _compared(left, right)) for field, (left, right) in shown.values.items()]
    n_name = min(max(len(name) for name, _ in rows), max(8, width // 4))
    n_value = (width - n_name - 5) // 2
    why = REASON_TEXTS.get(shown.reason, shown.reason)
    rules = f" ({', '.join(shown.rules)})" if shown.rules else ""
    reason = _wrapped(_cells(f"Why: {why}{rules}"), width)
    lines = [_painted(row, colour, BOLD).rstrip() for row in reason]
    for name, compared in rows:
        columns = (
            _wrapped(_cells(name), n_name),
            _wrapped(compared.left, n_value),
            _wrapped(compared.right, n_value),
        )
        nothing: list[Cell] = []
        for i, (name_part, left, right) in enumerate(zip_longest(*columns, fillvalue=nothing)):
            texts = (
                compared.mark if i == 0 else " ",
                _painted(name_part, colour, DIM) + " " * (n_name - _columns(name_part)),
                _painted(left, colour, changed=CHANGED[0]) + " " * (n_value - _columns(left)),
                _painted(right, colour, changed=CHANGED[1]),
            )
            lines.append(f"{texts[0]} {texts[1]} {texts[2]}  {texts[3]}".rstrip())
            if not colour and compared.mark == "~":
                marks = [_underline(part).ljust(n_value) for part in (left, right)]
                lines.append(f"{'':{n_name + 3}}{marks[0]}  {marks[1]}".rstrip())
    return [line for line in lines if line]


def terminal_key() -> str:
    """Wait for one key, without Enter.

    Keys pressed before the wait are discarded: they were not meant for what is asked now.
    Raises EOFError on Ctrl-D.
    """
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        key = os.read(fd, 1)
        if key == b"\x1b":  # arrows and function keys send more
            termios.tcflush(fd, termios.TCIFLUSH)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
    if key in (b"", b"\x04"):
        raise EOFError
    return key.decode("utf-8", "replace").lower()


def line_key() -> str:
    """Return one answer from a line of the input, if that is not a terminal.

    Raises EOFError at its end.
    """
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip().lower()


def _name(shown: ShownPair, side: int) -> str:
    source, record_id = (shown.left, shown.right)[side]
    return record_id if shown.left.source == shown.right.source else f"{source} {record_id}"


def _cells(text: str, changed: Sequence[bool] | None = None) -> list[Cell]:
    """Split a text into cells; a character that would control the terminal becomes a dot."""
    return [
        (char if char.isprintable() else "·", bool(changed and changed[i]))
        for i, char in enumerate(text)
    ]


def _compared(left: str | None, right: str | None) -> _Compared:
    if not left or not right:
        return _Compared("-", _cells(left or ""), _cells(right or ""))
    if left == right:
        return _Compared("=", _cells(left), _cells(right))
    split = (
        list if max(len(left), len(right)) <= MAX_BY_CHARACTER else re.compile(r"\w+|\W").findall
    )
    units: tuple[list[str], list[str]] = (split(left), split(right))
    matcher = SequenceMatcher(None, *units, autojunk=False)
    changed: tuple[list[bool], list[bool]] = ([], [])
    for tag, left_from, left_to, right_from, right_to in matcher.get_opcodes():
        for side, start, end in ((0, left_from, left_to), (1, right_from, right_to)):
            changed[side].extend([tag != "equal"] * len("".join(units[side][start:end])))
    if matcher.ratio() < CLOSE:  # letters that happen to be the same mean nothing
        return _Compared("≠", _cells(left, [True] * len(left)), _cells(right, [True] * len(right)))
    return _Compared("~", _cells(left, changed[0]), _cells(right, changed[1]))


def _columns(cells: Sequence[Cell]) -> int:
    return sum(_columns_of(char) for char, _ in cells)


def _columns_of(char: str) -> int:
    """Return how many columns a terminal gives a character."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _wrapped(cells: Sequence[Cell], columns: int) -> list[list[Cell]]:
    """Cut cells into rows of at most so many columns, after a blank where one is near."""
    rows: list[list[Cell]] = [[]]
    for cell in cells:
        if _columns([*rows[-1], cell]) > columns:
            if cell[0] == " ":
                rows.append([])
                continue
            blanks = [i for i, (char, _) in enumerate(rows[-1]) if char == " "]
            cut = blanks[-1] + 1 if blanks and blanks[-1] >= columns // 2 else len(rows[-1])
            rows[-1:] = [rows[-1][:cut], rows[-1][cut:]]
        rows[-1].append(cell)
    return rows


def _painted(cells: Sequence[Cell], colour: bool, style: str = "", changed: str = "") -> str:
    if not colour:
        return "".join(char for char, _ in cells)
    text, before = "", ""
    for char, differs in cells:
        wanted = changed if differs else style
        if wanted != before:
            text += (RESET if before else "") + wanted
            before = wanted
        text += char
    return text + (RESET if before else "")


def _underline(cells: Sequence[Cell]) -> str:
    return "".join(("^" if differs else " ") * _columns_of(char) for char, differs in cells)
