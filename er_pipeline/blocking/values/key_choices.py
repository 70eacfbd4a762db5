"""Key choices: every key worth trying on a field of each kind, from the narrowest to the widest.

Learning, refining and weighing choose among the same keys. The first key of a field is its whole
value; the others are read from it, so a field without a value has none of them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.values.key_parser import parse_conjunction
from er_pipeline.blocking.values.keys import Conjunction, Key

# {0} is the field. Narrow to wide: of two records, the first key they share says most.
KEYS_OF_KIND: dict[str, tuple[str, ...]] = {
    "person_name": (
        "{0}",
        "nickname({0})",
        "letter_set({0})",
        "left({0}, 4)",
        "soundex({0})",
        "left({0}, 2)",
        "left({0}, 1)",
    ),
    "email": (
        "{0}",
        "email_user({0})",
        "email_letters({0})",
        "letter_set(email_letters({0}))",
        "right(email_letters({0}), 5)",
        "left({0}, 5)",
        "email_domain({0})",
    ),
    "phone": ("{0}", "right({0}, 7)", "left({0}, 8)", "right({0}, 4)"),
    "emails": ("{0}", "first_word({0})", "email_user(first_word({0}))"),
    "phones": ("{0}", "first_word({0})", "right(first_word({0}), 7)"),
    "company": ("{0}", "company_word({0})", "left({0}, 4)"),
    "date": ("{0}", "left({0}, 7)", "right({0}, 5)", "year({0})"),
    "address": ("{0}", "left({0}, 6)", "first_word({0})", "digits({0})"),
    "text": ("{0}", "left({0}, 5)", "soundex(first_word({0}))"),
    "identifier": ("{0}", "right({0}, 4)", "left({0}, 3)"),
    "number": ("{0}", "two_digits({0})", "one_digit({0})"),
}
# A rounded number narrows another key. Alone it says next to nothing: every third price begins
# with a one.
NEVER_ALONE = ("two_digits({0})", "one_digit({0})")
# Keys of the first two names of a person together, whichever stands in which field.
SWAPPED_NAMES = (
    "either_order({0}, {1})",
    "either_order(soundex({0}), soundex({1}))",
)
# Many-valued keys: several per record, so at most one of them in a conjunction.
LISTED_KEYS_OF_KIND: dict[str, tuple[str, ...]] = {
    "emails": ("tokens({0})",),
    "phones": ("tokens({0})",),
    "company": ("tokens({0})",),
    "address": ("tokens({0})",),
    "text": ("tokens({0})",),
}


# Keys that mostly say again what other fields say: an address is made of its owner's name and
# employer. Two people of one name would otherwise count twice as one.
REPEATED_KINDS = {
    "email_user({0})": "person_name",
    "email_letters({0})": "person_name",
    "letter_set(email_letters({0}))": "person_name",
    "right(email_letters({0}), 5)": "person_name",
    "left({0}, 5)": "person_name",
    "email_domain({0})": "company",
}


@dataclass(frozen=True)
class KeyChoice:
    """A key to choose from: the field it reads, its place among the field's keys, and the key.

    repeats: fields whose evidence this key repeats, and counts only beyond.
    never_alone: whether it may be a rule only together with others.
    swaps: fields whose values the key takes in either order; it counts only where they are swapped.
    """

    field: str
    level: int
    conjunction: Conjunction
    repeats: tuple[str, ...] = ()
    swaps: tuple[str, ...] = ()
    never_alone: bool = False

    @property
    def key(self) -> Key:
        """The one key of the conjunction."""
        return self.conjunction.keys[0]

    @property
    def expression(self) -> str:
        """The key as people write it."""
        return self.key.expression


def key_choices(
    field_kinds: Mapping[str, str], free_mail_domains: Collection[str] = ()
) -> tuple[KeyChoice, ...]:
    """List the single-valued keys of every field, field by field, narrow to wide.

    After them come those of two names together, under a field of their own, "a and b".

    free_mail_domains: the user's own, besides ours.
    """
    plain = tuple(
        _choice(field, level, template, field_kinds, free_mail_domains)
        for field, kind in field_kinds.items()
        for level, template in enumerate(KEYS_OF_KIND[kind])
    )
    names = tuple(field for field, kind in field_kinds.items() if kind == "person_name")[:2]
    if len(names) < 2:
        return plain
    return plain + tuple(
        KeyChoice(
            " and ".join(names),
            level,
            parse_conjunction(
                f"key_swapped_{level}",
                template.format(*map(whole_value, names)),
                tuple(field_kinds),
            ),
            swaps=names,
        )
        for level, template in enumerate(SWAPPED_NAMES)
    )


def listed_choices(
    field_kinds: Mapping[str, str], fields: Collection[str]
) -> tuple[KeyChoice, ...]:
    """List the many-valued keys of some of the fields."""
    return tuple(
        _choice(field, len(KEYS_OF_KIND[kind]) + i, template, field_kinds, ())
        for field, kind in field_kinds.items()
        if field in fields
        for i, template in enumerate(LISTED_KEYS_OF_KIND.get(kind, ()))
    )


@cache
def whole_value(field: str) -> str:
    """Write the key that is a field's whole value: its name, quoted if SQL takes that for its own.

    A field may be called order.
    """
    try:
        for key in (field, f"nickname({field})", f"left({field}, 2)", f"left(({field}), 2)"):
            parse_conjunction("bare", key, (field,))
    except SpecError:
        return quoted(field)
    return field


def _choice(
    field: str,
    level: int,
    template: str,
    field_kinds: Mapping[str, str],
    free_mail_domains: Collection[str],
) -> KeyChoice:
    expression = template.format(whole_value(field))
    # Named by its place, so that the lookups of two keys are two tables.
    name = f"key_{list(field_kinds).index(field)}_{level}"
    parsed = parse_conjunction(name, expression, tuple(field_kinds), free_mail_domains)
    repeated = REPEATED_KINDS.get(template) if field_kinds[field] == "email" else None
    repeats = tuple(name for name, kind in field_kinds.items() if kind == repeated)
    alone = field_kinds[field] == "number" and template in NEVER_ALONE
    return KeyChoice(field, level, parsed, repeats, never_alone=alone)
