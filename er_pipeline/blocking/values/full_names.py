"""Full names: which name a nickname or another spelling stands for."""

from functools import cache

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
def full_names() -> dict[str, str]:
    """Return every name of the table with the name that stands for its class.

    A nickname of several names stands for the one that most people have: al is albert, never
    alan as well, so that classes do not grow together. Spellings of one name are one class. The
    2,172 names known here fall into 991 classes, the largest of 21 (margaret, peggy, meg, ...).

    Source: the table of the package nicknames, ranked by the frequencies of the
    1990 US census that the package names has.
    """
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
