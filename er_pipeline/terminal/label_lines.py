"""Labelling line by line, where no terminal takes single keys: from a pipe, or into a file."""

import shutil
import sys
import unicodedata
from collections.abc import Callable, Sequence
from itertools import zip_longest

from er_pipeline.blocking.labels.label_session import KEYS, QUIT, UNDO, Session
from er_pipeline.blocking.labels.pair_display import ShownPair
from er_pipeline.blocking.labels.value_differences import Cell, cells

LAST_KEYS_SHOWN = "z undo   q quit"
KEYS_SHOWN = f"m match   n no match   u unsure   {LAST_KEYS_SHOWN}"
# Advice on when to stop comes after so many answers.
ADVICE_EVERY = 10

MIN_COLUMNS = 24
RESET, DIM, BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"
CHANGED = ("\x1b[4;31m", "\x1b[4;32m")  # underlined red on the left, green on the right


class LineFace:
    """A session in lines of text.

    read_key: waits for one answer, in lower case; raises EOFError when there are no more.
    show: prints a line. width: returns the columns of the terminal. colour: whether it takes ANSI
    colours.
    """

    def __init__(
        self,
        session: Session,
        *,
        read_key: Callable[[], str],
        show: Callable[[str], None] = print,
        width: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
        colour: bool = False,
    ) -> None:
        """Take what the lines are read from and printed to; nothing is asked yet."""
        self.session = session
        self.read_key, self.show, self.width, self.colour = read_key, show, width, colour

    def run(self) -> None:
        """Ask until the queue is empty or the person stops.

        Ctrl-C and the end of the input stop it as q does. Raises InputError if the journal cannot
        be read or written.
        """
        try:
            while self._go_on():
                pass
        except (KeyboardInterrupt, EOFError):
            self.show("")

    def _go_on(self) -> bool:
        """Take the next answer or an undo; return False to quit."""
        shown = self.session.ask()
        if shown:
            return self._take(shown)
        while self.session.given:
            self.show("")
            self.show(f"That was the last pair.   {LAST_KEYS_SHOWN}")
            key = self.read_key()
            if key == UNDO:
                self.show(f"-> {self.session.undo()}")
                return True
            if key == QUIT:
                break
        return False

    def _take(self, shown: ShownPair) -> bool:
        self.show("")
        for line in rendered(shown, width=self.width(), colour=self.colour):
            self.show(line)
        self.show("")
        self.show(self.session.progress())
        while True:
            self.show(KEYS_SHOWN)
            key = self.read_key()
            if key in KEYS:
                self.show(f"-> {self.session.keep(shown, KEYS[key])}")
                if len(self.session.given) % ADVICE_EVERY == 0:
                    self.show(self.session.advice())
                return True
            if key == QUIT:
                return False
            if key == UNDO:
                is_any = bool(self.session.given)
                self.show(f"-> {self.session.undo()}")
                if is_any:
                    return True
            else:
                self.show(f"{key!r} is not an answer; the keys are:")


def line_key() -> str:
    """Return one answer from a line of the input, without its end.

    Raises EOFError at its end.
    """
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip().lower()


def rendered(shown: ShownPair, *, width: int, colour: bool) -> list[str]:
    """Return a pair side by side, one field after the other, in lines of at most width columns.

    A line begins with its mark (= same, ~ close, ≠ different, - missing) and the field's name. What
    differs is coloured or, without colour, underlined by ^ if the values are close.
    width: at least 24 columns; a narrower terminal gets lines of 24.
    """
    width = max(width, MIN_COLUMNS)
    rows = shown.rows
    n_name = min(max(len(name) for name, _ in rows), max(8, width // 4))
    n_value = (width - n_name - 5) // 2
    reason = _wrapped(cells(f"Why: {shown.why}"), width)
    lines = [_painted(row, colour, BOLD).rstrip() for row in reason]
    for name, found in rows:
        columns = (
            _wrapped(cells(name), n_name),
            _wrapped(found.left, n_value),
            _wrapped(found.right, n_value),
        )
        nothing: list[Cell] = []
        for i, (name_part, left, right) in enumerate(zip_longest(*columns, fillvalue=nothing)):
            texts = (
                found.mark if i == 0 else " ",
                _painted(name_part, colour, DIM) + " " * (n_name - _columns(name_part)),
                _painted(left, colour, changed=CHANGED[0]) + " " * (n_value - _columns(left)),
                _painted(right, colour, changed=CHANGED[1]),
            )
            lines.append(f"{texts[0]} {texts[1]} {texts[2]}  {texts[3]}".rstrip())
            if not colour and found.mark == "~":
                marks = [_underline(part).ljust(n_value) for part in (left, right)]
                lines.append(f"{'':{n_name + 3}}{marks[0]}  {marks[1]}".rstrip())
    return [line for line in lines if line]


def _columns(part: Sequence[Cell]) -> int:
    return sum(_columns_of(char) for char, _ in part)


def _columns_of(char: str) -> int:
    """Return how many columns a terminal gives a character."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _wrapped(part: Sequence[Cell], columns: int) -> list[list[Cell]]:
    """Cut part into rows of at most so many columns, after a blank where one is near."""
    rows: list[list[Cell]] = [[]]
    for cell in part:
        if _columns([*rows[-1], cell]) > columns:
            if cell[0] == " ":
                rows.append([])
                continue
            blanks = [i for i, (char, _) in enumerate(rows[-1]) if char == " "]
            cut = blanks[-1] + 1 if blanks and blanks[-1] >= columns // 2 else len(rows[-1])
            rows[-1:] = [rows[-1][:cut], rows[-1][cut:]]
        rows[-1].append(cell)
    return rows


def _painted(part: Sequence[Cell], colour: bool, style: str = "", changed: str = "") -> str:
    if not colour:
        return "".join(char for char, _ in part)
    text, before = "", ""
    for char, differs in part:
        wanted = changed if differs else style
        if wanted != before:
            text += (RESET if before else "") + wanted
            before = wanted
        text += char
    return text + (RESET if before else "")


def _underline(part: Sequence[Cell]) -> str:
    return "".join(("^" if differs else " ") * _columns_of(char) for char, differs in part)
