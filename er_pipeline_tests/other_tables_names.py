"""Names of things as two editions spell them: one short text column, to be linked.

Every name of the second edition has one partner in the first, which has more of the same sort:
names with the same words, and names that only the words in brackets tell apart.
"""

import re
from pathlib import Path

import numpy as np

from er_pipeline_tests.other_people_words import SUBURBS
from er_pipeline_tests.other_tables_draws import (
    CLUSTER,
    Dice,
    Names,
    lexicon,
    mistype_some,
    write_rows,
)

# fmt: off
COLUMNS = ("title",)
SHARE_OF_SECOND = 1 / 6  # of all records
NAMESAKE = 0.12  # of the things: named as an earlier one, but for a word
KINDS = ("song", "film", "album", "novel", "band", "TV series", "hospital", "award")
ENDINGS = {
    "hospital": ("Hospital", "General Hospital", "Medical Center", "University Hospital",
        "Memorial Hospital"),
    "award": ("Award", "Prize", "Award for Best Actress", "Award for Best Direction", "Medal"),
    "band": ("Brothers", "Orchestra", "Band", "Quartet"),
}
WORDS = """love night day heart world time man girl blue river dream light moon road home king star
    black white dance fire rain angel last little big old new sweet golden wild summer winter city
    street house garden sea sky stone children mother brother stranger story song letter"""
EXCHANGED = (  # either way round
    ("Saint ", "St. "), (" and ", " & "), ("Medical Center", "Health Center"), ("General ", ""),
    ("The ", ""), ("Award for ", "Award – "), (" of ", " de "), ("Memorial ", ""),
    ("University ", "Univ. "),
)
ACCENTS = {  # letters as another edition writes them
    "ae": "ä", "oe": "ö", "ue": "ü", "e": "é", "o": "ó", "a": "á", "n": "ñ", "c": "ç", "i": "í",
}
ANOTHER_NAME = 0.06  # nothing in the spelling tells
NO_CHANGE_BUT_CASE = 0.08
TYPOS = {"title": 0.12}
# fmt: on


def write_editions(folder: Path, n_records: int, seed: int) -> list[Path]:
    """Write the names of two editions as left.csv and right.csv; return both paths.

    Columns: id, title, CLUSTER. One record in six is in the second edition.
    """
    dice = Dice(np.random.default_rng(seed))
    n_right = max(1, round(SHARE_OF_SECOND * n_records))
    names = _names(max(n_right, n_records - n_right), dice)
    left = [{"title": name, CLUSTER: str(thing)} for thing, name in enumerate(names)]
    partners = dice.rng.permutation(len(left))[:n_right].tolist()
    others = _names(n_right, dice)
    right = []
    for thing, other in zip(partners, others, strict=False):
        name = other if dice.falls(ANOTHER_NAME) else names[thing]
        while name == names[thing]:  # what both spell alike was linked long ago
            name = _respell(name, dice)
        right.append({"title": name, CLUSTER: str(thing)})
    mistype_some(right, TYPOS, dice)
    files = {"left.csv": left, "right.csv": right}
    return [write_rows(folder / file, COLUMNS, rows, dice) for file, rows in files.items()]


def _names(n: int, dice: Dice) -> list[str]:
    """Name things; no two have the same name, as in an encyclopedia."""
    people = Names(dice)
    words = [word.title() for word in lexicon(WORDS, 1_200, dice)]
    towns = [word.replace("_", " ").title() for word in SUBURBS.split()]
    names: dict[str, None] = {}
    while len(names) < n:
        kind = dice.one(KINDS)
        if kind in ENDINGS:
            first = dice.one([dice.one(towns), dice.common(words), people.draw()[1]])
            if kind == "hospital" and dice.falls(0.3):
                first = f"Saint {people.draw()[0]}"
            name = f"{first} {dice.one(ENDINGS[kind])}"
        else:
            parts = [dice.common(words) for _ in range(dice.sized({1: 0.3, 2: 0.4, 3: 0.3}))]
            if dice.falls(0.3):
                parts.insert(0, dice.one(["The", "My", "A", "In the"]))
            if len(parts) > 2 and dice.falls(0.4):
                parts.insert(2, dice.one(["of", "and", "in"]))
            name = " ".join(parts)
        if names and dice.falls(NAMESAKE):
            name = _without_brackets(dice.one(list(names)[-50:]))
            name += (
                f" ({' '.join(people.draw())} {kind})" if dice.falls(0.5) else f" {dice.one(words)}"
            )
        elif dice.falls(0.2):
            name += f" ({kind})"
        names[name] = None
    return list(names)


def _respell(name: str, dice: Dice) -> str:
    if dice.falls(NO_CHANGE_BUT_CASE):
        return name.swapcase() if dice.falls(0.2) else name.lower()
    for there, here in EXCHANGED:
        if there in name and dice.falls(0.5):
            name = name.replace(there, here)
        elif here and here in name and dice.falls(0.5):
            name = name.replace(here, there)
    if "(" in name:
        name = _without_brackets(name) if dice.falls(0.5) else name
    elif dice.falls(0.35):
        year = dice.number(1950, 2010)
        name += f" ({dice.one([dice.one(KINDS), f'{year} film', f'{year}'])})"
    words = name.split()
    if len(words) > 2 and dice.falls(0.15):
        del words[dice.number(0, len(words) - 1)]
    if len(words) > 1 and "(" not in name and dice.falls(0.06):
        words = [f"{words[-1]},", *words[:-1]]
    name = " ".join(words)
    if dice.falls(0.15):
        plain, accented = dice.one(list(ACCENTS.items()))
        name = name.replace(plain, accented, 1)
    if dice.falls(0.12):
        name = re.sub(r"[.,'\-–]", "", name) if re.search(r"[.,'\-–]", name) else f"{name}!"
    return name


def _without_brackets(name: str) -> str:
    return re.sub(r" *\(.*?\)", "", name)
