"""How the other tables are drawn and written: one thing at a time, typos, and files of rows."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from er_pipeline_tests.other_people_draws import Rng
from er_pipeline_tests.other_people_typos import mistype
from er_pipeline_tests.other_people_words import GIVEN_NAMES, SURNAMES, invent_words

CLUSTER = "person_id"  # the column with the truth, as in the files of people
N_SURNAMES = 1_500
Row = dict[str, str]
Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Dice:
    """What is drawn one at a time; tables of thousands of rows need no faster way."""

    rng: Rng

    def falls(self, share: float) -> bool:
        """Say yes in that share of the calls."""
        return bool(self.rng.random() < share)

    def one(self, things: Sequence[Thing]) -> Thing:
        """Draw any of them."""
        return things[int(self.rng.random() * len(things))]

    def common(self, things: Sequence[Thing]) -> Thing:
        """Draw one of them by the law of Zipf: the first is the commonest."""
        return things[int(len(things) ** self.rng.random()) - 1]

    def number(self, low: int, high: int) -> int:
        """Draw a whole number from low to high, both included."""
        return low + int(self.rng.random() * (high - low + 1))

    def sized(self, shares: Mapping[int, float]) -> int:
        """Draw a size by its share; the shares sum to 1."""
        drawn = self.rng.random()
        for size, share in shares.items():
            drawn -= share
            if drawn < 0:
                return size
        return max(shares)

    def digits(self, n: int) -> str:
        """Draw a number of so many digits that does not begin with 0."""
        return str(self.number(10 ** (n - 1), 10**n - 1))


class Names:
    """Names of people, common ones more often; the rare surnames are invented."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.given = GIVEN_NAMES.split()
        self.surnames = lexicon(SURNAMES, N_SURNAMES, dice)

    def draw(self) -> tuple[str, str]:
        """Draw a given name and a surname, as written: Jane, Smith."""
        given, surname = self.dice.common(self.given), self.dice.common(self.surnames)
        return given.title(), surname.title()


def lexicon(common: str, n_words: int, dice: Dice) -> list[str]:
    """Give the common words, most frequent first, then invented ones."""
    return [word.decode() for word in invent_words(common, n_words, dice.rng).tolist()]


def mistype_some(rows: Sequence[Row], shares: Mapping[str, float], dice: Dice) -> None:
    """Misspell that share of each column's values, in place."""
    for column, share in shares.items():
        filled = [row for row in rows if row.get(column)]
        texts = np.array([row[column].encode() for row in filled] or [b""])
        is_mistyped = dice.rng.random(len(texts)) < share
        for row, text in zip(filled, mistype(texts, is_mistyped, dice.rng).tolist(), strict=False):
            row[column] = text.decode(errors="ignore")  # a typo may fall into an accent


def clusters(sizes: Iterable[int], n_records: int) -> Iterator[tuple[int, int]]:
    """Number entities with their sizes until there are so many records; the last may be cut."""
    left = n_records
    for cluster, size in enumerate(sizes):
        if left <= 0:
            return
        yield cluster, min(size, left)
        left -= size


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Row], dice: Dice) -> Path:
    """Write rows in any order as CSV: id, the columns, the truth; return the path.

    A row without a column has no value in it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", *columns, CLUSTER], lineterminator="\n")
        writer.writeheader()
        for i, row in enumerate(dice.rng.permutation(len(rows)).tolist()):
            writer.writerow({"id": f"r{i:06}", **rows[row]})
    return path
