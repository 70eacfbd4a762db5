"""Key functions that SQL does not have: from one clean text to a key.

Like the cleaners they run over distinct values. No text, no key: each gives None.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jellyfish

from er_pipeline.blocking.values.company_names import significant_words
from er_pipeline.blocking.values.folded_text import fold

_MIN_WORD_LENGTH = 4  # letters; a shorter word is seldom what a company is known by


@dataclass(frozen=True)
class KeyFunction:
    """A key function as strategies name it; call takes the clean text."""

    name: str
    call: Callable[[str], str | None]
    description: str


def soundex(text: str) -> str | None:
    """American Soundex of the letters of text, all words together: "o brien" -> O165.

    Equal codes in a row count once, also across h and w; vowels separate them.
    """
    return jellyfish.soundex(_letters(text)) or None


def metaphone(text: str) -> str | None:
    """Metaphone (Philips 1990) of the letters of text: how English would say it."""
    return jellyfish.metaphone(_letters(text)) or None


def nysiis(text: str) -> str | None:
    """NYSIIS code of the letters of text: keeps more of the vowels than Soundex."""
    return jellyfish.nysiis(_letters(text)) or None


def letter_set(text: str) -> str | None:
    """Give the letters of text, each once and in order: "banks" and "bansk" -> abkns.

    The same for letters that are doubled, left single or in another order.
    """
    return "".join(sorted(set(_letters(text.lower())))) or None


def nickname(text: str) -> str | None:
    """Return the full name that the first word of text stands for: bill, will, william -> william.

    A nickname of several names stands for the one that most people have: al is albert, never
    alan as well, so that classes do not grow together. Spellings of one name are one class. The
    2,172 names known here fall into 991 classes, the largest of 21 (margaret, peggy, meg, ...).
    Any other name stands for itself.

    Source: the table of the package nicknames, ranked by the frequencies of the
    1990 US census that the package names has.
    """
    words = text.split(maxsplit=1)
    return _full_names().get(words[0], words[0]) if words else None


def company_word(text: str) -> str | None:
    """Return the word a company is known by: "the acme company" -> acme, "ibm corp" -> ibm.

    The first significant word longer than three letters, else the first one; none: no key.
    """
    words = significant_words(text)
    return next((word for word in words if len(word) >= _MIN_WORD_LENGTH), next(iter(words), None))


PYTHON_KEY_FUNCTIONS: dict[str, KeyFunction] = {
    function.name: function
    for function in (
        KeyFunction("soundex", soundex, "American Soundex of the letters"),
        KeyFunction("metaphone", metaphone, "Metaphone of the letters"),
        KeyFunction("nysiis", nysiis, "NYSIIS code of the letters"),
        KeyFunction("letter_set", letter_set, "the letters, each once and in order"),
        KeyFunction("nickname", nickname, "the full first name: bill gives william"),
        KeyFunction("company_word", company_word, "the word a company is known by"),
    )
}


def _letters(text: str) -> str:
    if text.isascii() and text.isalpha():
        return text
    return "".join(filter(str.isalpha, fold(text)))


# Spellings of one name share their nicknames (kathy, steve, jon); the first stands for them all.
_SPELLINGS = """
    abigail abigale abbigail abbigale; alan allan allen; ann anna anne; brittany brittney
    caitlin caitlyn kaitlin kaitlyn kaitlynn katelin katelyn; christina christine kristina kristine
    catherine katherine kathryn kathleen cathleen kathrine; deborah debra debora
    diana diane dianne; edmund edmond; eleanor elinor elnora; eric erik; frederick frederic fredric
    jeffrey geoffrey jeffery jefferey; glen glenn; helen helena helene; hilary hillary
    isabella isabel isabelle; joan joann joanna joanne johanna johannah; john jon
    jonathan jonathon johnathan johnathon; julia julie; kimberly kimberley; lawrence laurence
    louis lewis; madeline madelyn; margaret margarita margaretta marguerite; mark marc
    matthew mathew; michael micheal; nicholas nicolas nikolas; nicole nichole nicholette nikole
    philip phillip; rachel rachael; roger rodger; rudolph rudolf rudolphus; sarah sara
    sean shawn shaun; sophia sophie; stephen steven stephan; susan suzanne susannah
    sylvester silvester; tammy tammie tami; teresa theresa; zachary zachery zachariah
"""
# Where the commonest of the names that share a nickname is not the one that is meant.
_MEANT = {
    **dict.fromkeys(("bill", "billy", "willie", "willy"), "william"),
    **dict.fromkeys(("fred", "freddie", "freddy"), "frederick"),
    **dict.fromkeys(("ted", "teddy"), "theodore"),
    **{"bert": "albert", "frank": "francis", "jerry": "gerald", "jessie": "jessica"},
    **{"kate": "catherine", "max": "maximilian", "randy": "randall"},
    **{"robbie": "robert", "tina": "christina"},
}
# The table calls them nicknames of others, but most who have them have no other name.
_OWN_NAMES = frozenset(
    word
    for line in (
        "ada adele albert alexander amos amy ana andrew angel archie august austin barrett",
        "basil brandy bryan bryant carl carla caroline carrie casey celia clara clement connie",
        "cora daisy delbert delia della dena dennis dina dora eileen elaine ella ellen eloise",
        "elsie emily emma erica erika erin ernest esther eunice eva evan eve fay felix flora",
        "freda gail gary gay george georgia gina ginger hannah heidi hugh ian inez ivy jane",
        "janet jay jean jill joy june kara kari kayla kelly laura laurie leah lee leo leon",
        "lily linda lisa lloyd lois lola lonnie loren lori louise lucy luke lynn mabel manuel",
        "marcia maria marie marion mary maureen megan micah minnie mona myra nathan neil noah",
        "noel nora ola orlando percy perry peter phoebe ralph reba rita rosa rose ross roy",
        "rupert sandra saul sherry stacey stacy stella toby tracy valerie verna vernon victor",
        "wendy wilbur wilma",
    )
    for word in line.split()
)


@cache
def _full_names() -> dict[str, str]:
    """Every name of the table, with the name that stands for its class."""
    import names
    from nicknames import name_triplets

    frequencies: dict[str, float] = {}
    for census in ("first:male", "first:female"):
        with open(names.FILES[census], encoding="ascii") as lines:
            for line in lines:
                name, percent, *_ = line.lower().split()
                frequencies[name] = frequencies.get(name, 0) + float(percent)

    nicknames_of: dict[str, set[str]] = {}
    full_names_of: dict[str, set[str]] = {}
    for full, relationship, short in name_triplets():
        if relationship == "has_nickname":
            nicknames_of.setdefault(full, set()).add(short)
            full_names_of.setdefault(short, set()).add(full)

    groups = [group.split() for group in _SPELLINGS.replace("\n", ";").split(";") if group.strip()]
    stands_for = {name: group[0] for group in groups for name in group}
    stands_for |= {name: name for name in _OWN_NAMES} | _MEANT

    def formality(name: str) -> tuple[int, int, str]:
        return len(nicknames_of.get(name, ())), len(name), name

    def full_name(name: str) -> str:
        # The table also has robert as a nickname of bill: only a more formal name is a full name
        # of another, which leaves no circle.
        more_formal = [
            full
            for full in full_names_of.get(name, ())
            if full not in _MEANT and formality(full) > formality(name)
        ]
        best = max(
            more_formal, key=lambda full: (frequencies.get(full, 0), formality(full)), default=name
        )
        above = stands_for.get(name, best)
        return name if above == name else full_name(above)

    return {name: full_name(name) for name in {*nicknames_of, *full_names_of, *stands_for}}


# Mailboxes that anybody can have, of providers with many countries and of large access providers.
FREE_MAIL_DOMAINS: frozenset[str] = frozenset(
    word
    for line in (
        "gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.ca yahoo.com.au yahoo.co.in",
        "yahoo.in yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.com.br yahoo.com.mx yahoo.com.ar",
        "yahoo.co.jp yahoo.co.id yahoo.com.ph yahoo.com.sg yahoo.com.hk yahoo.com.tw",
        "yahoo.com.vn yahoo.ie yahoo.gr yahoo.pl yahoo.ro yahoo.se yahoo.dk yahoo.no yahoo.nl",
        "yahoo.co.nz yahoo.co.za yahoo.com.tr yahoo.cn yahoo.com.cn ymail.com rocketmail.com",
        "myyahoo.com hotmail.com hotmail.co.uk hotmail.ca hotmail.com.au hotmail.fr hotmail.de",
        "hotmail.it hotmail.es hotmail.nl hotmail.be hotmail.se hotmail.dk hotmail.no",
        "hotmail.fi hotmail.gr hotmail.ch hotmail.com.br hotmail.com.ar hotmail.com.mx",
        "hotmail.com.tr hotmail.co.jp hotmail.co.th hotmail.co.nz hotmail.co.za outlook.com",
        "outlook.co.uk outlook.fr outlook.de outlook.it outlook.es outlook.be outlook.at",
        "outlook.dk outlook.ie outlook.pt outlook.sa outlook.com.au outlook.com.br outlook.jp",
        "outlook.in live.com live.co.uk live.ca live.com.au live.fr live.de live.it live.nl",
        "live.be live.se live.dk live.no live.ie live.at live.cn live.in live.jp live.com.mx",
        "live.com.ar live.com.pt live.co.za windowslive.com msn.com passport.com aol.com",
        "aol.co.uk aol.de aol.fr aol.it aim.com love.com netscape.net compuserve.com",
        "icloud.com me.com mac.com gmx.com gmx.net gmx.de gmx.at gmx.ch gmx.fr gmx.us",
        "gmx.co.uk gmx.info gmx.org web.de email.de mail.com email.com usa.com t-online.de",
        "freenet.de arcor.de online.de vodafone.de 1und1.de kabelmail.de posteo.de mailbox.org",
        "tutanota.com tutanota.de tuta.com tuta.io proton.me protonmail.com protonmail.ch",
        "pm.me zoho.com zohomail.com fastmail.com fastmail.fm hey.com hushmail.com hush.com",
        "inbox.com inbox.lv mailfence.com runbox.com lycos.com lycos.de excite.com juno.com",
        "netzero.net netzero.com rediffmail.com rediff.com sify.com indiatimes.com in.com",
        "mail.ru bk.ru inbox.ru list.ru internet.ru yandex.ru yandex.com yandex.ua yandex.by",
        "yandex.kz ya.ru rambler.ru ukr.net i.ua meta.ua mail.ua bigmir.net tut.by mail.kz",
        "qq.com vip.qq.com foxmail.com 163.com 126.com yeah.net 139.com 189.cn sina.com",
        "sina.cn vip.sina.com sohu.com tom.com 21cn.com aliyun.com naver.com daum.net",
        "hanmail.net nate.com kakao.com docomo.ne.jp ezweb.ne.jp softbank.ne.jp nifty.com",
        "biglobe.ne.jp hinet.net pchome.com.tw seznam.cz centrum.cz email.cz post.cz volny.cz",
        "azet.sk centrum.sk zoznam.sk wp.pl o2.pl onet.pl onet.eu op.pl interia.pl poczta.fm",
        "poczta.onet.pl gazeta.pl tlen.pl freemail.hu citromail.hu indamail.hu abv.bg mail.bg",
        "dir.bg comcast.net verizon.net att.net sbcglobal.net bellsouth.net ameritech.net",
        "pacbell.net swbell.net snet.net cox.net charter.net spectrum.net roadrunner.com",
        "rr.com earthlink.net mindspring.com optonline.net optimum.net frontier.com",
        "frontiernet.net centurylink.net centurytel.net embarqmail.com windstream.net",
        "suddenlink.net cableone.net mediacombb.net rcn.com wowway.com prodigy.net",
        "peoplepc.com q.com tds.net hughes.net rogers.com shaw.ca telus.net sympatico.ca",
        "bell.net videotron.ca cogeco.ca eastlink.ca nb.sympatico.ca btinternet.com",
        "btopenworld.com talktalk.net tiscali.co.uk sky.com virginmedia.com virgin.net",
        "ntlworld.com blueyonder.co.uk o2.co.uk orange.net plusnet.com plus.com",
        "freeserve.co.uk wanadoo.co.uk eircom.net orange.fr wanadoo.fr free.fr laposte.net",
        "sfr.fr neuf.fr bbox.fr numericable.fr club-internet.fr aliceadsl.fr cegetel.net",
        "caramail.com noos.fr voila.fr libero.it virgilio.it tiscali.it tin.it alice.it tim.it",
        "inwind.it iol.it email.it fastwebnet.it poste.it vodafone.it telefonica.net",
        "movistar.es terra.es ono.com wanadoo.es sapo.pt netcabo.pt clix.pt iol.pt uol.com.br",
        "bol.com.br terra.com.br ig.com.br globo.com globomail.com oi.com.br r7.com",
        "zipmail.com.br prodigy.net.mx fibertel.com.ar arnet.com.ar speedy.com.ar",
        "ciudad.com.ar skynet.be telenet.be scarlet.be proximus.be belgacom.net ziggo.nl",
        "kpnmail.nl planet.nl home.nl hetnet.nl xs4all.nl chello.nl upcmail.nl zonnet.nl",
        "quicknet.nl casema.nl bluewin.ch hispeed.ch sunrise.ch chello.at aon.at telia.com",
        "bredband.net spray.se comhem.se online.no broadpark.no tele2.se mail.dk tdcadsl.dk",
        "ofir.dk stofanet.dk jubii.dk suomi24.fi luukku.com kolumbus.fi otenet.gr hol.gr",
        "forthnet.gr walla.com walla.co.il 012.net.il netvision.net.il mynet.com",
        "superonline.com bigpond.com bigpond.net.au optusnet.com.au iinet.net.au tpg.com.au",
        "ozemail.com.au westnet.com.au internode.on.net dodo.com.au xtra.co.nz slingshot.co.nz",
        "orcon.net.nz webmail.co.za mweb.co.za telkomsa.net vodamail.co.za",
    )
    for word in line.split()
)
