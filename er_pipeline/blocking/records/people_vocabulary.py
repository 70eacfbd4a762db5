"""What generated people are called, where they live and work: word lists with their shares.

Names are those of the US Census 1990 (package `names`), with nicknames (package `nicknames`) and a
list of international ones; companies are put together from syllables and surnames.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import product
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from nicknames import NickNamer
from numpy.typing import NDArray

# fmt: off
FREE_MAIL = {  # the large providers of the US
    "gmail.com": 0.46, "yahoo.com": 0.17, "hotmail.com": 0.11, "outlook.com": 0.08,
    "aol.com": 0.07, "icloud.com": 0.06, "comcast.net": 0.03, "msn.com": 0.02,
}

COMPANY_NAMES = {
    "{head} {tail}": 0.38, "{head}": 0.2, "{head} {field} {tail}": 0.14,
    "{head} & {partner}": 0.1, "The {head} Group": 0.08, "{acronym}": 0.1,
}
LEGAL_FORMS = (  # one line per form: its spellings, the usual one first
    (" Inc.", ", Inc.", " Inc", " Incorporated"),
    (" LLC", ", LLC", " L.L.C.", " Llc"),
    (" Corp.", " Corporation", " Corp", ""),
    (" Ltd.", " Limited", " Ltd", ""),
    (" Co.", " Company", " Co", ""),
    ("", " Inc.", "", ""),
)
DOMAIN_ENDINGS = {".com": 0.82, ".net": 0.07, ".org": 0.04, ".io": 0.04, ".us": 0.03}
COMPANY_TAILS = """Industries, Systems, Solutions, Partners, Holdings, Technologies, Services,
    Enterprises, Associates, Consulting, Labs, Works, Logistics, Networks, Designs, Supply,
    Manufacturing, Capital, Foods, Motors, Builders, Dynamics, Ventures, Group, Products"""
COMPANY_FIELDS = """Health, Energy, Data, Medical, Marine, Steel, Media, Insurance, Software,
    Electric, Global, Pacific, National, Home, Legal, Paper, Auto, Travel, Food, Water"""
SYLLABLES = (  # of invented names: Acmecor, Zentavia
    """Acme, Alti, Bel, Cala, Cor, Dyna, Ever, Flexi, Gala, Hexa, Ino, Juni, Kine, Lumi, Meri, Nova,
    Omni, Prima, Quanta, Reno, Sola, Terra, Uni, Vera, Vita, Xeno, Zen""",
    "ba, co, da, fi, ga, lo, mi, na, po, ra, si, ta, tri, va",
    "cor, dex, gen, lex, lon, max, net, nix, ra, ric, tek, tis, vance, via, x",
)

FIRST_NAMES = """Łukasz, José, María, Jürgen, Søren, Zoë, François, Björn, Nguyệt, Siobhán, Aoife,
    Małgorzata, Ibrahim, Fatima, Mohammed, Aisha, Priya, Arjun, Sanjay, Wei, Xiu, Yuki, Hiroshi,
    Minh, Thị Mai, Olga, Dmitri, Ángel, Lucía, Jesús, Inés, Renée, Chloé, Jean-Luc, Anne-Marie,
    Günther, Käthe, Åsa, Jiří, Zdeněk, Zoltán, Ágnes, Göran, Jesper, Ayşe, Kwame, Chidi"""
LAST_NAMES = """Peña, Müller, Nguyễn, O'Brien, García, Østergaard, Núñez, Muñoz, Hernández, López,
    Pérez, Rodríguez, González, Łukaszewicz, Wójcik, Kowalczyk, Dvořák, Novák, Černý, Horváth,
    Szabó, Jørgensen, Sørensen, Åkesson, Sjöström, Schröder, Weiß, Jäger, O'Connor, O'Neill,
    D'Angelo, De la Cruz, Van der Berg, Al-Hassan, El-Sayed, Trần, Phạm, Lê, Zhang, Chen, Wang, Kim,
    Tanaka, Yılmaz, Şahin, Patel, Singh, Krishnamurthy, Okonkwo, Adeyemi, Côté, Lefèvre, Gagné,
    Conceição, Araújo, Ivanov, Petrović, Kovačević, Papadopoulos, Smith-Jones, García-López"""
LATIN = str.maketrans("łøđßıæ", "lodsia")  # letters that Unicode does not take apart
NO_LETTER = re.compile("[^a-z]+")  # of an address

AREA_CODES = """201 202 203 205 206 210 212 213 214 215 216 267 281 301 303 305 310 312 313 314 315
    317 323 347 401 402 404 408 410 412 415 419 425 469 480 502 503 504 510 512 513 520 602 612 614
    615 617 619 702 703 704 713 714 716 718 801 804 813 816 901 904 915 916 919"""  # NANPA
EXCHANGES = np.array([code for code in range(200, 1000) if code % 100 != 11])  # N11 are services

CITIES = """New York, Los Angeles, Chicago, Houston, Phoenix, Philadelphia, San Antonio, San Diego,
    Dallas, San Jose, Austin, Jacksonville, Fort Worth, Columbus, Charlotte, Indianapolis, Seattle,
    San Francisco, Denver, Washington, Nashville, Oklahoma City, El Paso, Boston, Portland,
    Las Vegas, Detroit, Memphis, Louisville, Baltimore, Milwaukee, Albuquerque, Tucson, Fresno,
    Sacramento, Kansas City, Mesa, Atlanta, Omaha, Colorado Springs, Raleigh, Long Beach,
    Virginia Beach, Miami, Oakland, Minneapolis, Tulsa, Bakersfield, Wichita, Arlington, Aurora,
    Tampa, New Orleans, Cleveland, Honolulu, Anaheim, Lexington, Stockton, Corpus Christi,
    Henderson, Riverside, Newark, St. Paul, Santa Ana, Cincinnati, Irvine, Orlando, Pittsburgh,
    St. Louis, Greensboro, Jersey City, Anchorage, Lincoln, Plano, Durham, Buffalo, Chandler,
    Chula Vista, Toledo, Madison, Gilbert, Reno, Fort Wayne, North Las Vegas, St. Petersburg,
    Lubbock, Irving, Laredo, Winston-Salem, Chesapeake, Glendale, Garland, Scottsdale, Norfolk,
    Boise, Fremont, Spokane, Santa Clarita, Baton Rouge, Richmond, Hialeah, San Bernardino, Tacoma,
    Modesto, Huntsville, Des Moines, Yonkers, Rochester, Moreno Valley, Fayetteville, Fontana,
    Worcester, Port St. Lucie, Little Rock, Augusta, Oxnard, Birmingham, Montgomery, Frisco,
    Amarillo, Salt Lake City, Grand Rapids, Huntington Beach, Overland Park, Tallahassee,
    Grand Prairie, McKinney, Cape Coral, Sioux Falls, Peoria, Providence, Vancouver, Knoxville,
    Akron, Shreveport, Mobile, Brownsville, Newport News, Fort Lauderdale, Chattanooga, Tempe,
    Eugene, Santa Rosa, Salem, Ontario, Elk Grove, Rancho Cucamonga, Oceanside, Garden Grove,
    Pembroke Pines, Cary, Springfield, Corona, Fort Collins, Clarksville, Hayward, Alexandria,
    Paterson, Murfreesboro, Macon, Lakewood, Killeen, Palmdale, Sunnyvale, Hollywood, Escondido,
    Kansas City, Pasadena, Bellevue, Joliet, Pomona, Mesquite, Naperville, Rockford, Savannah,
    Syracuse, Torrance, Bridgeport, Surprise, Fullerton, Denton, Roseville, Thornton, McAllen,
    Midland, Charleston, Olathe, Gainesville, Waco, Columbia, Hampton, Visalia, Warren, New Haven,
    Cedar Rapids, Topeka, Dayton, Elizabeth, Stamford"""  # largest first, US Census
# fmt: on

COMPANIES_SQL = """
    select
        replace(replace(replace(replace(replace(shape, '{head}', head), '{tail}', tail),
            '{field}', field), '{partner}', partner),
            '{acronym}', upper(head[1] || partner[1] || tail[1])) as name,
        regexp_replace(lower(name), '^the |[^a-z]', '', 'g') || ending as domain
    from drawn_companies
    order by company_no
"""

Numbers = NDArray[np.integer[Any]]
Weights = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Names:
    """Names of the census, then international ones, then nicknames."""

    texts: pa.StringArray
    handles: pa.StringArray  # the names as e-mail addresses write them
    frequencies: Weights  # of the census names
    n_international: int
    first_nickname: Numbers  # per name: where its nicknames start in `texts`
    n_nicknames: Numbers


@dataclass(frozen=True)
class Vocabulary:
    """Everything that the numbers of a person or record stand for."""

    first_names: Names
    last_names: Names
    companies: pa.StringArray  # without legal form
    email_domains: pa.StringArray  # of the free providers, then one per company


def words_of(text: str) -> list[str]:
    """Return the entries of a list between commas."""
    return [" ".join(word.split()) for word in text.split(",")]


def draw(weights: Weights, n: int, rng: np.random.Generator) -> Numbers:
    """Draw n places of the weights, each as often as its weight says."""
    cumulative = np.cumsum(weights)
    return np.searchsorted(cumulative / cumulative[-1], rng.random(n), side="right")


def pick(shares: Mapping[Any, float], n: int, rng: np.random.Generator) -> Numbers:
    """Draw n places of the entries of shares."""
    return draw(np.array(list(shares.values())), n, rng)


def pick_texts(shares: Mapping[str, float], n: int, rng: np.random.Generator) -> pa.StringArray:
    """Draw n entries of shares."""
    return pa.array(list(shares)).take(pick(shares, n, rng))


def _census(*files: str) -> dict[str, float]:
    """Names with their percentage; a name for women and men has the sum."""
    frequencies: dict[str, float] = {}
    for file in files:
        for line in resources.files("names").joinpath(file).read_text().splitlines():
            written, percentage, _ = line.split(maxsplit=2)
            name = written.title()
            frequencies[name] = frequencies.get(name, 0.0) + float(percentage)
    return frequencies


def _build_names(census: dict[str, float], international: list[str]) -> Names:
    names = [*census, *international]
    nicknamer = NickNamer()
    nicknames = [sorted(nicknamer.nicknames_of(name)) for name in names]
    n_nicknames = np.array([len(of_name) for of_name in nicknames])
    texts = names + [nickname.title() for of_name in nicknames for nickname in of_name]
    handles = [NO_LETTER.sub("", _plain(text.lower())) for text in texts]
    return Names(
        texts=pa.array(texts),
        handles=pa.array(handles),
        frequencies=np.array(list(census.values())),
        n_international=len(international),
        first_nickname=len(names) + np.cumsum(n_nicknames) - n_nicknames,
        n_nicknames=n_nicknames,
    )


def _plain(text: str) -> str:
    """Take letters apart that are written with marks; most of 100,000 names have none."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKD", text.translate(LATIN))


def build_vocabulary(
    con: duckdb.DuckDBPyConnection, n_companies: int, rng: np.random.Generator
) -> Vocabulary:
    """Make the vocabulary, with companies drawn anew; the names are always the same.

    Leaves drawn_companies registered with the connection.
    """
    surnames = _census("dist.all.last")
    invented = ["".join(syllables) for syllables in product(*map(words_of, SYLLABLES))]
    heads = pa.array(invented + list(surnames)[: 3 * len(invented)])

    def any_of(texts: pa.StringArray) -> pa.StringArray:
        return texts.take(rng.integers(0, len(texts), n_companies))

    companies = pa.table(
        {
            "company_no": np.arange(n_companies),
            "shape": pick_texts(COMPANY_NAMES, n_companies, rng),
            "head": any_of(heads),
            "partner": any_of(heads),
            "field": any_of(pa.array(words_of(COMPANY_FIELDS))),
            "tail": any_of(pa.array(words_of(COMPANY_TAILS))),
            "ending": pick_texts(DOMAIN_ENDINGS, n_companies, rng),
        }
    )
    con.register("drawn_companies", companies)
    named = con.sql(COMPANIES_SQL).to_arrow_table()
    return Vocabulary(
        first_names=_build_names(
            _census("dist.female.first", "dist.male.first"), words_of(FIRST_NAMES)
        ),
        last_names=_build_names(surnames, words_of(LAST_NAMES)),
        companies=named["name"].combine_chunks(),
        email_domains=pa.array([*FREE_MAIL, *named["domain"].to_pylist()]),
    )
