"""Papers as reference lists cite them, and publications whose facts stand in varying columns.

- citations: one paper has up to 300 records, few papers have most of them; everything is
  abbreviated, mistyped or left out now and then
- publications: the venue stands in journal, booktitle, series or note, the author in author or
  editor or after the title, place and publisher in one column or the other

Both have papers of the same authors on the same subject, which are not the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from er_pipeline_tests.other_tables_draws import (
    CLUSTER,
    Dice,
    Names,
    Row,
    clusters,
    lexicon,
    mistype_some,
    write_rows,
)

# fmt: off
CITATION_COLUMNS = ("author", "title", "venue", "address", "publisher", "year", "pages", "volume",
    "editor", "note")
PUBLICATION_COLUMNS = ("title", "author", "editor", "journal", "booktitle", "series", "publisher",
    "place", "year", "pages", "note")
LARGEST_CLUSTER = 300
TAIL = 1.6  # exponent of the sizes' law of Pareto: two in three have one record, 2.5% ten or more
PUBLICATION_RECORDS = {1: 0.4, 2: 0.35, 3: 0.15, 4: 0.1}
SAME_SUBJECT = 0.25  # of the papers: the authors of an earlier one, and half of its title
TITLE_WORDS = """learning algorithm network data model system analysis neural query database
    probabilistic inference bayesian reinforcement classification decision trees boosting online
    margin kernel distributed parallel optimal adaptive efficient approximate stochastic markov
    hidden genetic programming search planning knowledge representation reasoning constraint logic
    inductive concept feature selection instance statistical estimation prediction clustering
    unsupervised visual recognition language speech robot control dynamic temporal spatial index
    mining association rules streams semantic web integration schema views transactions recovery
    concurrency storage cache hashing sorting graph random bounds complexity theory games"""
SMALL_WORDS = ("of", "for", "with", "in", "and", "on", "using", "by", "the", "from")
FIELDS = ("Machine Learning", "Artificial Intelligence", "Data Engineering", "Robotics",
    "Computational Learning Theory", "Neural Computation", "Information Retrieval",
    "Genetic Algorithms", "Pattern Recognition", "Knowledge Discovery", "Software Engineering",
    "Very Large Data Bases")
PUBLISHERS = ("Morgan Kaufmann", "Springer-Verlag", "ACM Press", "MIT Press", "IEEE Computer"
    " Society Press", "Elsevier", "Academic Press", "AAAI Press", "Kluwer", "North-Holland")
PLACES = ("San Mateo, CA", "New York", "Cambridge, MA", "Los Alamitos, CA", "Berlin", "Amsterdam",
    "San Francisco", "Pittsburgh, PA", "Menlo Park", "Boston")
CITATION_TYPOS = {"author": 0.05, "title": 0.06, "venue": 0.05, "year": 0.01, "pages": 0.03}
PUBLICATION_TYPOS = {"title": 0.08, "author": 0.06, "journal": 0.03, "booktitle": 0.03}
MISSING = {"venue": 0.12, "address": 0.75, "publisher": 0.65, "year": 0.08, "pages": 0.4}
# fmt: on


@dataclass(frozen=True)
class Paper:
    """A paper as it is; authors: given name and surname. is_journal: else at a conference."""

    authors: tuple[tuple[str, str], ...]
    title: str
    field: str
    is_journal: bool
    year: int
    volume: int
    first_page: int
    last_page: int
    publisher: str
    place: str
    editor: tuple[str, str]


def write_citations(folder: Path, n_records: int, seed: int) -> list[Path]:
    """Write a merged reference list as CSV; return the path.

    Columns: id, CITATION_COLUMNS, CLUSTER. Sizes of clusters have a heavy tail up to 300, and the
    first paper has as many, or a fifth of the records where these are few.
    """
    dice = Dice(np.random.default_rng(seed))
    rows: list[Row] = []
    sizes = _pareto_sizes(min(LARGEST_CLUSTER, max(1, n_records // 5)), dice)
    papers = _papers(dice)
    for cluster, size in clusters(sizes, n_records):
        paper = next(papers)
        # a list copies from another one: half of the records repeat an earlier one or nearly
        written: list[Row] = []
        for _ in range(size):
            is_copied = written and dice.falls(0.5)
            row = dict(dice.one(written)) if is_copied else _cite(paper, dice)
            if is_copied and dice.falls(0.3):
                row.pop(dice.one(list(MISSING)), None)
            written.append({**row, CLUSTER: str(cluster)})
        rows += written
    mistype_some(rows, CITATION_TYPOS, dice)
    return [write_rows(folder / "citations.csv", CITATION_COLUMNS, rows, dice)]


def write_publications(folder: Path, n_records: int, seed: int) -> list[Path]:
    """Write a merged catalogue as CSV; return the path.

    Columns: id, PUBLICATION_COLUMNS, CLUSTER. A publication has one to four records.
    """
    dice = Dice(np.random.default_rng(seed))
    rows: list[Row] = []
    papers = _papers(dice)
    sizes = (dice.sized(PUBLICATION_RECORDS) for _ in range(n_records))
    for cluster, size in clusters(sizes, n_records):
        paper = next(papers)
        rows += [{**_catalogue(paper, dice), CLUSTER: str(cluster)} for _ in range(size)]
    mistype_some(rows, PUBLICATION_TYPOS, dice)
    return [write_rows(folder / "publications.csv", PUBLICATION_COLUMNS, rows, dice)]


def _pareto_sizes(largest: int, dice: Dice) -> Iterator[int]:
    yield largest
    while True:
        yield min(largest, int(float(dice.rng.random()) ** (-1 / TAIL)))


def _papers(dice: Dice) -> Iterator[Paper]:
    names = Names(dice)
    words = lexicon(TITLE_WORDS, 700, dice)
    papers: list[Paper] = []
    while True:
        paper = _paper(names, words, dice)
        if papers and dice.falls(SAME_SUBJECT):
            former = dice.one(papers[-60:])
            half = former.title.split()[: len(former.title.split()) // 2]
            title = " ".join([*half, *paper.title.split()[-3:]])
            paper = replace(paper, authors=former.authors, title=title, field=former.field)
        papers.append(paper)
        yield paper


def _paper(names: Names, words: list[str], dice: Dice) -> Paper:
    title = [dice.common(words)]
    for _ in range(dice.number(2, 7)):
        if dice.falls(0.35):
            title.append(dice.one(SMALL_WORDS))
        title.append(dice.common(words))
    first_page = dice.number(1, 900)
    return Paper(
        authors=tuple(names.draw() for _ in range(dice.sized({1: 0.25, 2: 0.4, 3: 0.25, 4: 0.1}))),
        title=" ".join(title),
        field=dice.one(FIELDS),
        is_journal=dice.falls(0.4),
        year=dice.number(1975, 1999),
        volume=dice.number(1, 40),
        first_page=first_page,
        last_page=first_page + dice.number(4, 30),
        publisher=dice.one(PUBLISHERS),
        place=dice.one(PLACES),
        editor=names.draw(),
    )


def _cite(paper: Paper, dice: Dice) -> Row:
    title = _worn(paper.title, dice)
    row = {
        "author": _authors_of(paper, dice),
        "title": dice.one([f"{title}.", f"'{title},'", title, f'"{title}"']),
        "venue": _venue_of(paper, dice),
        "address": paper.place,
        "publisher": paper.publisher,
        "year": _year_of(paper, dice),
        "pages": _pages_of(paper, dice),
    }
    if dice.falls(0.06):  # not split where it should be
        row["title"] += f" {row.pop('venue')}"
    for column, share in MISSING.items():
        if dice.falls(share):
            row.pop(column, None)
    if paper.is_journal and dice.falls(0.7):
        row["volume"] = dice.one([f"{paper.volume}", f"vol. {paper.volume}", f"{paper.volume}(1)"])
    if not paper.is_journal and dice.falls(0.12):
        row["editor"] = f"in {' '.join(paper.editor)}, editor,"
    if dice.falls(0.05):
        row["note"] = dice.one(
            ["to appear", "(also technical report)", "lecture notes", "in press"]
        )
    return row


def _authors_of(paper: Paper, dice: Dice) -> str:
    """Write the authors in one of the usual ways, now and then only the first one."""
    style = dice.number(0, 4)
    people = paper.authors
    if len(people) > 2 and dice.falls(0.12):
        people = people[:1]
    written = [
        (
            f"{given[0]}. {surname}",
            f"{given} {surname}",
            f"{surname}, {given[0]}.",
            f"{surname}, {given}",
            f"{given[0]} {surname}",
        )[style]
        for given, surname in people
    ]
    if len(people) < len(paper.authors):
        return f"{written[0]} et al."
    ending = dice.one([" and ", ", and ", " & ", ", "])
    return ending.join([", ".join(written[:-1]), written[-1]] if len(written) > 1 else written)


def _venue_of(paper: Paper, dice: Dice) -> str:
    """Write where a paper stands: a journal or the proceedings of a conference."""
    short = "".join(word[0] for word in paper.field.split())
    if paper.is_journal:
        return dice.one(
            [f"Journal of {paper.field}", f"J. of {paper.field}", f"J. {short}", paper.field]
        )
    nth, year = paper.year - 1970, paper.year % 100
    return dice.one(
        [
            f"Proceedings of the {nth}th International Conference on {paper.field}",
            f"In Proc. {nth}th Int. Conf. on {paper.field}",
            f"Proc. Int'l Conf. {paper.field}",
            f"{short}-{year}",
            f"In Proceedings of {short} '{year}",
            f"{paper.field} Conference",
        ]
    )


def _worn(title: str, dice: Dice) -> str:
    words = title.split()
    if len(words) > 4 and dice.falls(0.08):
        del words[dice.number(1, len(words) - 1)]
    if len(words) > 5 and dice.falls(0.06):
        words = words[: dice.number(3, len(words) - 1)]
    return " ".join(words)


def _year_of(paper: Paper, dice: Dice) -> str:
    year = paper.year + (dice.one([-1, 1]) if dice.falls(0.05) else 0)
    return dice.one([f"{year}", f"({year})", f"{year}.", f"{year}"])


def _pages_of(paper: Paper, dice: Dice) -> str:
    first, last = paper.first_page, paper.last_page
    return dice.one(
        [f"pages {first}-{last}", f"pp. {first}--{last}", f"{first}-{last}", f"p. {first}"]
    )


def _catalogue(paper: Paper, dice: Dice) -> Row:
    """Write a publication as one of many cataloguers, each with columns of their choice."""
    title, authors, venue = (
        _worn(paper.title, dice),
        _authors_of(paper, dice),
        _venue_of(paper, dice),
    )
    row = {"title": title, "author": authors}
    way = dice.rng.random()
    if way < 0.12:
        row = {"title": f"{title} / {authors}"}
    elif way < 0.22:
        row = {"title": title, "editor": authors}
    elif way < 0.27:
        row = {"title": authors, "author": title}
    elif way < 0.34:
        row["title"] = f"{title}. {venue}"
    if way < 0.27 or way >= 0.34:
        usual = "journal" if paper.is_journal else "booktitle"
        other = dice.one(["journal", "booktitle", "series", "note"])
        if not dice.falls(0.12):
            row[usual if dice.falls(0.55) else other] = venue
    if "editor" not in row and dice.falls(0.15):
        row["editor"] = " ".join(paper.editor)
    imprint = dice.rng.random()
    if imprint < 0.2:
        row["publisher"] = f"{paper.place}: {paper.publisher}"
    elif imprint < 0.3:
        row |= {"publisher": paper.place, "place": paper.publisher}
    elif imprint < 0.6:
        row |= {"publisher": paper.publisher, "place": paper.place}
    year = _year_of(paper, dice)
    if dice.falls(0.75):
        row["year"] = year
    elif dice.falls(0.6):
        row["note"] = f"{row.get('note', '')} {year}".strip()
    if dice.falls(0.5):
        column = "pages" if dice.falls(0.8) else "note"
        row[column] = f"{row.get(column, '')} {_pages_of(paper, dice)}".strip()
    return row
