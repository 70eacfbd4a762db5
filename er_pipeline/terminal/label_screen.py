"""Labelling on the whole screen of a terminal: one key per answer, no Enter."""

import time
from collections.abc import Callable
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Key
from textual.widgets import Footer, ProgressBar, Static

from er_pipeline.blocking.labels.label_session import KEYS, QUIT, UNDO, Session
from er_pipeline.blocking.labels.pair_display import ShownPair
from er_pipeline.blocking.labels.value_differences import Cell, runs
from er_pipeline.blocking.tables.errors import InputError

# Keys that come sooner after a pair than anybody can look at it were meant for the one before:
# a key held down repeats every 30 to 50 ms.
SECONDS_TO_LOOK = 0.15
# Underlined, so that they stand out without colours, too.
CHANGED = ("underline red", "underline green")
MARK_STYLES = {"=": "green", "~": "yellow", "≠": "red", "-": "dim"}


class LabelScreen(App[None]):
    """A session on the screen; `run` returns when the person stops.

    failure: why the journal could not be read or written, which ends it; None if it could.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #progress { height: 1; margin: 0 1; }
    #bar { height: 1; margin: 0 1; }
    #bar Bar { width: 1fr; }
    #why { margin: 1 1 0 1; text-style: bold; }
    #records { height: 1fr; margin: 1 1 0 1; }
    #said, #advice { margin: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(f"{key},{key.upper()}", f"answer('{answer}')", answer.replace("_", " "))
          for key, answer in KEYS.items()),
        Binding(f"{UNDO},{UNDO.upper()}", "undo", "undo"),
        Binding(f"{QUIT},{QUIT.upper()}", "stop", "quit"),
        Binding("ctrl+c,ctrl+d,ctrl+q", "stop", show=False, priority=True),
        Binding("up", "scroll('up')", show=False),
        Binding("down", "scroll('down')", show=False),
    ]  # fmt: skip

    def __init__(self, session: Session, *, seconds_to_look: float = SECONDS_TO_LOOK) -> None:
        """Take a session; nothing is asked yet."""
        super().__init__()
        self.theme = "ansi-dark"  # the terminal's own colours, so it fits light ones as well
        self.session = session
        self.seconds_to_look = seconds_to_look
        self.failure: InputError | None = None
        self.shown: ShownPair | None = None
        self._shown_at = 0.0

    def compose(self) -> ComposeResult:
        """Lay the screen out, from the top down."""
        yield Static(id="progress", markup=False)
        yield ProgressBar(id="bar", show_eta=False, show_percentage=False)
        yield Static(id="why", markup=False)
        with VerticalScroll(id="records"):
            yield Static(id="pair", markup=False)
        yield Static(id="said", markup=False)
        yield Static(id="advice", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Show the first pair."""
        self._next("")

    def action_answer(self, answer: str) -> None:
        """Keep an answer on the pair that is shown."""
        shown = self.shown
        if shown and time.monotonic() - self._shown_at >= self.seconds_to_look:
            self._do(lambda: self.session.keep(shown, answer))

    def action_undo(self) -> None:
        """Take the last answer back."""
        self._do(self.session.undo)

    def action_stop(self) -> None:
        """End the session; what was answered is kept already."""
        self.exit()

    def action_scroll(self, way: str) -> None:
        """Move a pair of many fields up or down."""
        records = self.query_one("#records", VerticalScroll)
        (records.scroll_up if way == "up" else records.scroll_down)(animate=False)

    def on_key(self, event: Key) -> None:
        """Name the keys there are, after one that is none."""
        if event.is_printable and event.character:
            keys = ", ".join((*KEYS, UNDO, QUIT))
            self._say(f"{event.character!r} is not an answer; the keys are {keys}")

    def _do(self, act: Callable[[], str]) -> None:
        try:
            said = act()
        except InputError as error:
            self._fail(error)
        else:
            self._next(said)

    def _fail(self, error: InputError) -> None:
        self.failure = error
        self.exit()

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(Text(text))

    def _next(self, said: str) -> None:
        try:
            self.shown = self.session.ask()
        except InputError as error:
            self._fail(error)
            return
        session = self.session
        n_left, n_pairs = len(session.left), len(session.pairs)
        self.query_one("#progress", Static).update(Text(session.progress()))
        self.query_one("#bar", ProgressBar).update(total=max(n_pairs, 1), progress=n_pairs - n_left)
        self.query_one("#advice", Static).update(Text(session.advice()))
        self._say(f"-> {said}" if said else "")
        why = f"Why: {self.shown.why}" if self.shown else "That was the last pair."
        self.query_one("#why", Static).update(Text(why))
        pair = side_by_side(self.shown) if self.shown else Text("")
        self.query_one("#pair", Static).update(pair)
        self.query_one("#records", VerticalScroll).scroll_home(animate=False)
        self._shown_at = time.monotonic()


def side_by_side(shown: ShownPair) -> Table:
    """Lay a pair out in columns: mark, field, left value, right value; differences underlined."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(width=1)
    table.add_column(style="dim", max_width=24, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    for name, found in shown.rows:
        mark = Text(found.mark, style=MARK_STYLES.get(found.mark, ""))
        left, right = _painted(found.left, CHANGED[0]), _painted(found.right, CHANGED[1])
        table.add_row(mark, Text(name), left, right)
    return table


def _painted(value: list[Cell], style: str) -> Text:
    return Text.assemble(*((text, style if differs else "") for text, differs in runs(value)))
