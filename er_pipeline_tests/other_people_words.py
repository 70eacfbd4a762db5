"""Names, streets and suburbs of the other people: common words, then invented ones."""

import numpy as np

from er_pipeline_tests.other_people_draws import Rng, Texts

# fmt: off
GIVEN_NAMES = """olivia jack amelia oliver charlotte noah isla william mia thomas grace james ella
    george emily henry sophie harry ruby charlie lucy samuel chloe joshua jessica benjamin hannah
    alexander sarah daniel emma matthew georgia joseph kate michael anna david rebecca christopher
    elizabeth andrew margaret robert patricia peter susan john christine paul jennifer mark helen
    stephen julie anthony karen ian linda kenneth michelle graham deborah colin sandra keith janet
    brian barbara alan jane kevin nicole gary amanda philip tracey simon louise nigel rachel craig
    victoria stuart catherine timothy katherine edward alice frederick florence albert edith ernest
    doris walter gladys arthur phyllis leonard joan ronald jean raymond beryl hugh fiona angus
    heather duncan morag rhys megan gareth bronwyn dylan cerys declan niamh liam caitlin mohammed
    aisha raj priya wei mei nguyen linh giovanni maria nikos eleni ahmed fatima dimitri olga"""
SURNAMES = """smith jones williams brown taylor wilson johnson white martin anderson thompson
    nguyen thomas walker harris lee ryan robinson kelly king davis wright evans roberts green hall
    wood jackson clarke patel khan lewis james phillips mason mitchell rose davies rodriguez cox
    alexander morgan singh li chen wang zhang liu tran pham campbell stewart scott murray macdonald
    reid ross mackenzie fraser hamilton graham ferguson gordon cameron kennedy murphy obrien
    sullivan oconnor mccarthy doyle byrne gallagher doherty moore hill allen young turner edwards
    collins cooper parker bennett cook bailey baker carter shaw richardson watson hughes price
    griffiths owen lloyd rees powell jenkins howell barker webb hunt palmer mills knight matthews
    barnes chapman ellis fisher hunter dixon harvey pearson gibson simpson marshall russell butler
    foster holmes gray lawrence armstrong black grant spencer payne stone hart fox dunn perry
    bishop pearce burton dawson newton francis tucker west lane hopkins rogers saunders day adams
    papadopoulos rossi russo schneider kowalski novak petrov silva santos cohen ali hussain ahmed
    begum kaur sharma gupta kim park tanaka suzuki ivanov hansen jensen larsen vanderberg deboer"""
NICKNAMES = {
    "william": "bill", "thomas": "tom", "james": "jim", "charlotte": "lottie", "henry": "harry",
    "samuel": "sam", "joshua": "josh", "jessica": "jess", "benjamin": "ben", "alexander": "alex",
    "daniel": "dan", "matthew": "matt", "joseph": "joe", "michael": "mick", "rebecca": "bec",
    "christopher": "chris", "elizabeth": "liz", "andrew": "andy", "margaret": "peggy",
    "robert": "bob", "patricia": "trish", "susan": "sue", "christine": "tina", "stephen": "steve",
    "jennifer": "jenny", "anthony": "tony", "kenneth": "ken", "michelle": "shelly",
    "deborah": "deb", "barbara": "barb", "amanda": "mandy", "philip": "phil", "victoria": "vicky",
    "catherine": "cathy", "katherine": "kate", "timothy": "tim", "edward": "ted", "david": "dave",
    "frederick": "fred", "albert": "bert", "ronald": "ron", "raymond": "ray", "leonard": "len",
}
STREETS = """church station victoria george high king queen albert william john park railway mill
    main wellington york london bridge the_grove green manor kings queens alexandra elizabeth
    charles edward napier nelson wattle banksia acacia grevillea kookaburra ocean beach harbour
    river lake hill valley forest garden rose oak elm ash cedar pine willow chestnut school market
    chapel college hospital cemetery north south east west new old first second third fourth"""
STREET_TYPES = "street road avenue lane court drive crescent place close way terrace parade"
SUBURBS = """richmond newtown kingston brighton preston hamilton windsor croydon epping kensington
    chelsea camberwell ashfield burwood parramatta blacktown liverpool penrith bankstown hurstville
    manly bondi coogee randwick marrickville glebe balmain leichhardt ryde hornsby gosford newcastle
    wollongong geelong ballarat bendigo footscray sunshine brunswick coburg northcote reservoir
    dandenong frankston mornington toowoomba ipswich cairns townsville mackay rockhampton bundaberg
    logan redcliffe caboolture nambour glenelg norwood unley salisbury elizabeth gawler fremantle
    rockingham mandurah joondalup midland armadale bunbury hobart launceston devonport canberra
    belconnen darwin palmerston st_albans st_leonards mount_gambier alice_springs port_augusta"""
ONSETS = """b br c ch cl cr d dr f fl fr g gl gr h j k kn l m n p pr qu r rh s sc sh sl sm sp st sw
    t th tr v w wh z"""
VOWELS = "a e i o u ai ea ee ie oo ou y"
MIDDLES = "b d g l ll m n nd nn p r rr rt s st t tt th v ck x"
CODAS = """ck d ff ford gh h kins l land ld ley ll low man mer mm n nd ner nt r rd rs s sey son ss
    ston t ter th ton well worth x by den don ham"""
# fmt: on


def invent_words(common: str, n_words: int, rng: Rng) -> Texts:
    """The common words, most frequent first, then invented ones; all different."""
    words: Texts = np.array(common.encode().split())
    onsets, vowels, middles, codas = (
        np.array(syllables.encode().split()) for syllables in (ONSETS, VOWELS, MIDDLES, CODAS)
    )
    while len(words) < n_words:
        n = 2 * n_words
        is_long = rng.random(n) < 0.6
        middle = np.strings.add(rng.choice(middles, n), rng.choice(vowels, n))
        parts = (
            rng.choice(onsets, n),
            rng.choice(vowels, n),
            np.where(is_long, middle, np.bytes_(b"")),
            rng.choice(codas, n),
        )
        invented = parts[0]
        for part in parts[1:]:
            invented = np.strings.add(invented, part)
        words = np.concatenate([words, invented])
        _, first = np.unique(words, return_index=True)
        words = words[np.sort(first)]
    return words[:n_words]


def take_each(types: Texts, roads: Texts) -> Texts:
    """Four different types for each road, beginning with another one each time."""
    row = np.arange(len(roads))[:, None] + np.arange(4)
    taken: Texts = types[(row % len(types)).ravel()]
    return taken


def nicknames_of(given_names: Texts) -> Texts:
    """Per given name its nickname; where none is known, its first letters: gwenallin -> gwen."""
    known = {name.encode(): nickname.encode() for name, nickname in NICKNAMES.items()}
    return np.array([known.get(name, name[:4]) for name in given_names.tolist()])
