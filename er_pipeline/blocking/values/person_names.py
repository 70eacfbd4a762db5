"""Names of people: titles and suffixes set apart, and a full name as its first and last name."""

import re
import unicodedata
from dataclasses import dataclass

from er_pipeline.blocking.values.folded_text import plain, word_set, words_of

# Not nameparser's titles: they hold the surnames King, Dean, Judge, Major, Bishop and Pope. Nor its
# parser, which takes 160 microseconds a name and Smith, Jr., John for a man without a first name.
TITLES = word_set("mr mrs ms miss mx mister dr prof professor sir dame madam rev reverend mme mlle")
# Before a full name, where no given name is lost by them.
_TITLES_OF_FULL_NAMES = TITLES | word_set("""
    monsieur herr frau fraulein sr sra srta dott dottssa ing dipl mag dhr mevr pan pani lord lady
    hon capt col lt maj sgt adm gen hrh
    """)
# Left out as they are names themselves: Ma, Do, Ba, V, I, Senior, Junior.
SUFFIXES = word_set("jr sr ii iii iv phd md dds dvm esq esquire cpa mba jd")
_DOTTED_SUFFIXES = re.compile(r"(?<=[\s,])(ph\. ?d|m\.d|j\.d|d\.d\.s|d\.v\.m|m\.b\.a)\b", re.I)
# Words that begin a last name: van der Berg, de la Cruz, bin Ahmad, al Rashid.
PARTICLES = word_set("""
    van von vom zu zum zur der den dem ter ten te het de del della dello delle dei degli di da dal
    dalla das dos du des la le lo los las el al ul ap ibn bin bint bn abu af av st saint und
    """)
# Of those, the ones that stand in front of a last name which stands in front of the first name.
_FIRST_PARTICLES = word_set("van von de del della di da do dos du des bin ibn")
_BETWEEN_LAST_NAMES = word_set("y i e")  # Ortega y Gasset
_TITLES_WITHIN = word_set("freiherr freifrau graf grafin")
_VIETNAMESE = word_set("nguyen tran pham huynh hoang phan truong dang duong trinh dinh")
_PATRONYMIC = re.compile(r".+(?:ovich|evich|ovna|evna|ichna|ovych|ivna|yivna|ovic|oglu|kyzy)")
_NICKNAME = re.compile(r"\([^()]*\)|\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|(?<!\w)'[^']+'(?!\w)")
_PLAIN = re.compile("[\\w\\s.,-]*")  # no sign that a nickname stands between
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3々\s・･·,、，]+")
_KATAKANA = re.compile(r"[\u30a0-\u30ff\s・･·]+")
_LATIN_DOT = re.compile("[・･·]")
_TWO_SIGN_SURNAMES = word_set("""
    欧阳 歐陽 司马 司馬 诸葛 諸葛 上官 夏侯 皇甫 尉迟 公孙 慕容 令狐 司徒 端木 东方 独孤 南宫 西门
    남궁 황보 제갈 선우 독고 사공 서문
    """)
_LONGEST_NAME = 200  # characters; beyond, it is a text


@dataclass(frozen=True)
class PersonName:
    """A full name as its parts: folded words between blanks; either may be empty."""

    first: str
    last: str


def clean_name(text: str) -> str:
    """Return the words of a name without titles before it and suffixes behind it."""
    return " ".join(_without_titles(words_of(_join_suffixes(text)), TITLES))


def parse_full_name(text: str) -> PersonName:
    """Take a full name apart; a single word is a last name, initials of middle names are left out.

    The last name is what stands before a comma ("Smith, John"), what alone is written in capitals
    ("Anna MÜLLER"), the first sign or two of a Chinese, Japanese or Korean name, the word before
    first name and patronymic (Иванов Иван Иванович), and else the last word, with the particles
    before it (Ludwig van Beethoven). Two last names without a comma are not known for such.
    """
    text = _join_suffixes(text[:_LONGEST_NAME])
    if not text.isascii():
        text = plain(unicodedata.normalize("NFKC", text))
        if _EAST_ASIAN.fullmatch(text):
            return _east_asian(text)
    if not _PLAIN.fullmatch(text):
        text = _NICKNAME.sub(" ", text)
    parts = [_names_of(part) for part in text.split(",")]
    parts = [part for part in parts if part and not _says_no_name(part)]
    if not parts:
        return PersonName("", "")
    if len(parts) > 1:
        return PersonName(_given(parts[1]), " ".join(parts[0]))
    words = parts[0]
    if len(words) > 1 and (in_capitals := _words_in_capitals(text)) < set(words) and in_capitals:
        given = [word for word in words if word not in in_capitals]
        return PersonName(_given(given), " ".join(word for word in words if word in in_capitals))
    start, end = _last_name_of(words)
    return PersonName(_given(words[:start] + words[end:]), " ".join(words[start:end]))


def _last_name_of(words: list[str]) -> tuple[int, int]:
    """Say from which word to which one the last name goes, where no comma shows it."""
    n = len(words)
    if n == 3 and _PATRONYMIC.fullmatch(words[2]):
        return 0, 1
    if n >= 3 and words[0] in _VIETNAMESE:
        return 0, 1
    if n >= 3 and words[0] in _FIRST_PARTICLES:  # de Gaulle Charles, but Van Morrison
        end = next(i for i, word in enumerate(words) if word not in PARTICLES or i == n - 1)
        return (0, end + 1) if end + 1 < n else (0, n)
    if n >= 4 and words[-2] in _BETWEEN_LAST_NAMES:
        return n - 3, n
    particle = next((i for i in range(1, n - 1) if words[i] in PARTICLES), None)
    return (particle, n) if particle is not None else (n - 1, n)


def _given(words: list[str]) -> str:
    """Leave out the initials of middle names, unless there is nothing else."""
    return " ".join([word for word in words if len(word) > 1] or words)


def _says_no_name(words: list[str]) -> bool:
    return all(word in SUFFIXES or word in _TITLES_OF_FULL_NAMES for word in words)


def _names_of(text: str) -> list[str]:
    """Return the names of a text without titles; a name with a hyphen is two words of one name."""
    names = [" ".join(words_of(name)) for name in text.replace(".", ". ").split()]
    kept = [name for name in names if name and name not in _TITLES_WITHIN]
    return _without_titles(kept or names, _TITLES_OF_FULL_NAMES)


def _words_in_capitals(text: str) -> set[str]:
    """Give the names that alone are written in capitals; none where all are, or none is."""
    if text.isupper() or text.istitle():
        return set()
    capitals = [name for name in text.split() if name.isupper() and len(name) > 2]
    names = {name for word in capitals if len(word) > 2 for name in _names_of(word)}
    return {name for name in names if len(name) > 2 and name not in SUFFIXES}


def _east_asian(text: str) -> PersonName:
    """Take a name of Chinese, Japanese or Korean signs apart: the last name stands first."""
    if _LATIN_DOT.search(text) and _KATAKANA.fullmatch(text):  # ジョン・スミス is John Smith
        parts = _LATIN_DOT.sub(" ", text).split()
        return PersonName(*(" ".join(words_of(part)) for part in (parts[0], parts[-1])))
    parts = re.split(r"[\s,、，・･·]+", text.strip())
    if len(parts) == 1:
        name = parts[0]
        n_signs = len(name)
        if n_signs < 2:
            return PersonName("", " ".join(words_of(name)))
        n_last = 2 if name[:2] in _TWO_SIGN_SURNAMES or n_signs > 3 else 1
        parts = [name[:n_last], name[n_last:]]
    last, *first = (" ".join(words_of(part)) for part in parts)
    return PersonName(" ".join(first).strip(), last)


def _join_suffixes(text: str) -> str:
    if "." not in text:
        return text
    return _DOTTED_SUFFIXES.sub(lambda suffix: re.sub(r"[. ]", "", suffix[0]), text)


def _without_titles(words: list[str], titles: frozenset[str]) -> list[str]:
    start, end = 0, len(words)
    while end - start > 1 and words[start] in titles:
        start += 1
    while end - start > 1 and words[end - 1] in SUFFIXES:
        end -= 1
    return words[start:end]
