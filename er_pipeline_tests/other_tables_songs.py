"""Songs of five sources, a file each, which write everything in their own way.

A song has a record in one to five of them, and now and then two in the same one. Not the same: the
other songs of an album, covers by other artists, and the live version of a song.
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
    lexicon,
    mistype_some,
    write_rows,
)

# fmt: off
COLUMNS = ("title", "artist", "album", "length", "year", "language", "number")
SOURCES = ("archive", "charts", "discs", "radio", "shop")
RECORDS = {1: 0.45, 2: 0.25, 3: 0.17, 4: 0.09, 5: 0.04}
AGAIN_IN_THE_SAME = 0.12
SONGS_OF_ALBUM = {1: 0.5, 3: 0.3, 8: 0.2}
COVER, LIVE = 0.06, 0.05  # share of the songs
WORDS = """love night day heart world time man girl blue river dream light moon road home king star
    black white dance fire rain angel last little big old new sweet golden wild summer winter city
    street house garden sea sky stone baby tonight forever never always away down up over you me
    without again dont cant wanna gonna feel want need run fall high crazy lonely"""
BANDS = ("The {}s", "{} Brothers", "{} & The {}s", "{}", "DJ {}", "{} Orchestra")
LANGUAGES = ("English", "German", "French", "Spanish", "Portuguese", "Japanese")
CODES = {"English": "eng", "German": "ger", "French": "fre", "Spanish": "spa",
    "Portuguese": "por", "Japanese": "jpn"}
MISSING = {  # share of the records of a source without a value
    "artist": (0.02, 0.4, 0.05, 0.25, 0.03), "album": (0.1, 0.2, 0.02, 0.7, 0.1),
    "length": (0.1, 0.5, 0.05, 0.3, 0.1), "year": (0.3, 0.15, 0.1, 0.8, 0.4),
    "language": (0.2, 1.0, 0.3, 0.6, 0.5), "number": (0.1, 0.5, 0.05, 1.0, 0.2),
}
TYPOS = {"title": 0.08, "artist": 0.06, "album": 0.05}
# fmt: on


@dataclass(frozen=True)
class Song:
    """A song as it is; seconds: how long it takes; number: its place on the album."""

    title: str
    artist: str
    album: str
    seconds: int
    year: int
    language: str
    number: int


def write_songs(folder: Path, n_records: int, seed: int) -> list[Path]:
    """Write the songs of five sources, a CSV file each; return the paths.

    Columns: id, COLUMNS, CLUSTER.
    """
    dice = Dice(np.random.default_rng(seed))
    files: dict[str, list[Row]] = {source: [] for source in SOURCES}
    n_written = 0
    for cluster, song in enumerate(_songs(dice)):
        n_sources = dice.sized(RECORDS)
        sources = dice.rng.permutation(len(SOURCES))[:n_sources].tolist()
        sources += [source for source in sources if dice.falls(AGAIN_IN_THE_SAME)]
        for source in sources[: n_records - n_written]:
            files[SOURCES[source]].append({**_write(song, source, dice), CLUSTER: str(cluster)})
            n_written += 1
        if n_written == n_records:
            break
    for rows in files.values():
        mistype_some(rows, TYPOS, dice)
    return [
        write_rows(folder / f"{source}.csv", COLUMNS, rows, dice) for source, rows in files.items()
    ]


def _songs(dice: Dice) -> Iterator[Song]:
    words = [word.title() for word in lexicon(WORDS, 900, dice)]
    names = Names(dice)
    artists = [_artist(words, names, dice) for _ in range(400)]
    known: list[Song] = []
    while True:
        album, artist = _title(words, dice), dice.common(artists)
        year, language = dice.number(1965, 2014), dice.common(LANGUAGES)
        for number in range(1, 1 + dice.sized(SONGS_OF_ALBUM)):
            title = album if number == 1 and dice.falls(0.4) else _title(words, dice)
            seconds = dice.number(120, 380)
            song = Song(title, artist, album, seconds, year, language, number)
            if known and dice.falls(COVER):
                song = replace(song, title=dice.one(known).title)
            elif known and dice.falls(LIVE):
                former = dice.one(known[-30:])
                live = f"{former.title} (live)"
                song = replace(former, title=live, album=f"{former.album} Live", seconds=seconds)
            known.append(song)
            yield song


def _title(words: list[str], dice: Dice) -> str:
    return " ".join(
        dice.common(words) for _ in range(dice.sized({1: 0.2, 2: 0.4, 3: 0.25, 4: 0.15}))
    )


def _artist(words: list[str], names: Names, dice: Dice) -> str:
    if dice.falls(0.55):
        return " ".join(names.draw())
    return dice.one(BANDS).format(dice.one(words), dice.one(words))


def _write(song: Song, source: int, dice: Dice) -> Row:
    minutes, seconds = divmod(song.seconds + dice.number(-2, 2), 60)
    row = {
        "title": song.title,
        "artist": song.artist,
        "album": song.album,
        "length": (
            f"{minutes}:{seconds:02}",
            f"{minutes}m {seconds}sec",
            str(1000 * song.seconds + dice.number(0, 999)),
            f"{song.seconds}",
            f"{minutes:02}:{seconds:02}",
        )[source],
        "year": (f"{song.year}", f"'{song.year % 100:02}", f"{song.year}", "", f"{song.year}")[
            source
        ],
        "language": CODES[song.language] if source in (2, 4) else song.language,
        "number": f"{song.number:02}" if source == 0 else f"{song.number}",
    }
    for column, shares in MISSING.items():
        if dice.falls(shares[source]):
            row[column] = ""
    if source == 0 and dice.falls(0.3):
        row["title"] = f"{song.number:03}-{row['title']}"
    if source == 1 and not row["artist"] and dice.falls(0.8):
        row["title"] = f"{song.artist} - {row['title']}"
    if source == 2 and dice.falls(0.3):
        row["title"] = f"{row['title']} ({song.album})"
    if source == 3 and dice.falls(0.4):
        row["title"], row["artist"] = f"{row['title']} - {song.artist}", ""
    if source == 4:
        row["album"] += dice.one(["", "", " (Deluxe)", " [Remastered]"]) if row["album"] else ""
    if dice.falls(0.08) and " " in song.artist and row["artist"]:
        given, _, surname = song.artist.partition(" ")
        row["artist"] = f"{surname}, {given}"
    if dice.falls(0.06):
        row["title"] += dice.one([" (radio edit)", " [explicit]", " feat. " + dice.one(SOURCES)])
    return row
