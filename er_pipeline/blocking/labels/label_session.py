"""A session: one person, a queue of pairs and the journal.

It knows nothing of how pairs are shown and keys are read; the terminal and the browser are two
faces of it. Every answer is in the journal before the next pair is asked.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from er_pipeline.blocking.labels.labels import RETRACTED, Journal, Label, labels_in_force
from er_pipeline.blocking.labels.moments import utc_now
from er_pipeline.blocking.labels.pair_display import ShownPair
from er_pipeline.blocking.labels.stopping_advice import stopping_advice
from er_pipeline.blocking.tables.printable import count_of

# The keys of every face.
KEYS = {"m": "match", "n": "no_match", "u": "unsure"}
UNDO, QUIT = "z", "q"
NOTHING_TO_UNDO = "There is nothing to undo: no answer has been given in this session."


class Session:
    """A person who judges pairs.

    pairs: in the order of asking; those that already have an answer are passed over, also where
    somebody else gives it meanwhile. who: goes into every label.
    """

    def __init__(self, pairs: Sequence[ShownPair], journal: Journal, *, who: str) -> None:
        """Read the journal; nothing is asked or written yet."""
        self.journal = journal
        self.who = who
        self.labels: dict[Any, Label] = {}
        self._file: tuple[int, ...] = ()
        self._catch_up()
        once: dict[Any, ShownPair] = {}
        for shown in pairs:
            once.setdefault(shown.pair, shown)
        self.pairs = [shown for pair, shown in once.items() if pair not in self.labels]
        self.given: list[Label] = []  # in this session, one per pair from the first on

    @property
    def left(self) -> list[ShownPair]:
        """The pairs that have no answer yet."""
        return [shown for shown in self.pairs if shown.pair not in self.labels]

    def ask(self) -> ShownPair | None:
        """Return the pair to judge next; None if there is none.

        Raises InputError if the journal cannot be read.
        """
        self._catch_up()
        return next(iter(self.left), None)

    def keep(self, shown: ShownPair, answer: str) -> str:
        """Write an answer to the journal; return what was done, in words.

        Raises InputError if the journal cannot be read or written.
        """
        label = Label(shown.left, shown.right, answer, self.who, utc_now(), "human", shown.reason)
        self._append(label)
        self.given.append(label)
        return answer.replace("_", " ")

    def undo(self) -> str:
        """Take the last answer of this session back; return what was done, in words.

        Raises InputError if the journal cannot be read or written.
        """
        if not self.given:
            return NOTHING_TO_UNDO
        self._catch_up()
        last = self.given[-1]
        now = self.labels.get(last.pair)
        if now == last:
            self._append(replace(last, answer=RETRACTED, who=self.who, at=utc_now()))
        self.given.pop()
        answer = last.answer.replace("_", " ")
        if now is None or now == last:
            return f"undone: {answer}"
        return f"{now.who} has judged that pair since; their answer stays"

    def progress(self) -> str:
        """Say how many pairs have which answer, and how many are left."""
        n_of = Counter(label.answer for label in self.labels.values())
        return (
            f"{n_of.total():,} answered, {len(self.left):,} left;"
            f" {count_of(n_of['match'], 'match', 'matches')},"
            f" {count_of(n_of['no_match'], 'non-match', 'non-matches')}, {n_of['unsure']:,} unsure"
        )

    def advice(self) -> str:
        """Say whether more labels would change much."""
        n_likely_left = sum(shown.reason == "likely_uncovered" for shown in self.left)
        return stopping_advice(list(self.labels.values()), n_likely_left=n_likely_left)

    def closing(self, resume: str) -> list[str]:
        """Say at the end what was kept, and how to go on.

        resume: the command that continues later.
        """
        lines = ["There are no pairs to judge."]
        if self.pairs:
            lines = [f"{count_of(len(self.given), 'answer')} kept in {self.journal.path}."]
            lines.append(self.advice())
        if self.left:
            lines.append(f"Continue with: {resume}")
        else:
            lines.append(
                "The queue is done; the next run learns from the answers and makes a new one."
            )
        return lines

    def _append(self, line: Label) -> None:
        before = self._file
        n_bytes = self.journal.append([line])
        after = self._stat()
        if before and after[:2] == (before[0], before[1] + n_bytes):
            self._file = after
            self.labels.pop(line.pair, None)
            if line.answer != RETRACTED:
                self.labels[line.pair] = line
        else:
            self._catch_up()

    def _catch_up(self) -> None:
        """Read the journal if others have written to it: another session, an import."""
        now = self._stat()
        if now != self._file:
            self.labels = {label.pair: label for label in labels_in_force(self.journal.read())[0]}
            self._file = now

    def _stat(self) -> tuple[int, ...]:
        try:
            found = self.journal.path.stat()
        except OSError:  # reading it says what is wrong, if anything is
            return (0, 0)
        return found.st_ino, found.st_size, found.st_mtime_ns
