"""Kinds: what a field holds, guessed from its name, and what follows from it for training."""

import re
from collections.abc import Mapping
from typing import Literal, cast

from er_pipeline.blocking.spec.settings import KeyExpressions
from er_pipeline.blocking.values.cleaning import KINDS
from er_pipeline.blocking.values.key_choices import whole_value

# A field that is taken apart into two fields of the kind person_name.
FULL_NAME = "full_name"
FIELD_KINDS = (*KINDS, FULL_NAME)
NamePart = Literal["first", "last"]

# The first pattern found among the words of a field's name gives its kind; text where none is. A
# date has a day: a birth's year alone, or its place, is none.
KIND_PATTERNS: tuple[tuple[str, str], ...] = tuple(
    (rf"\b(?:{pattern})\b", kind)
    for pattern, kind in (
        (r"e ?mails?", "email"),
        (r"(?:home|work|office|cell|mobile)? ?phones?|mobiles?|telephones?|tel|fax", "phone"),
        (r"company|companies|organi[sz]ations?|org|employers?|firms?", "company"),
        (r"dates?|dob|birth ?(?:dates?|days?|dt)|^birth$|born(?! in\b)", "date"),
        (r"address|addresses|streets?|suburbs?|addr", "address"),
        (
            r"post ?codes?|zip|ssn|soc sec|social security|passports?|ids?|(?<= )no$"
            r"|numbers?(?! (?:of|per)\b)",
            "identifier",
        ),
        (
            r"(?:first|last|given|family|middle|full|sur|fore|maiden|birth) ?names?"
            r"|names? at birth",
            "person_name",
        ),
    )
)
# What is written together in names such as homephone, accountnumber and releasedate. A word is cut
# where it consists of nothing else, so that candidate and mandate stay whole.
WRITTEN_TOGETHER = frozenset(
    word
    for line in (
        "account address birth cell code company contact customer date day email employee",
        "employer end expiry family fax firm first full given hire home house id invoice issue",
        "join last law line maiden middle mobile name number numbers of office order",
        "organisation organization passport person phone post private release serial start",
        "street telephone time user work zip",
    )
    for word in line.split()
)


def guess_kind(field: str) -> str:
    """Return a field's kind by the words of its name: birth_date is a date, update is text.

    Words end at _, digits and capital letters, or are those of `WRITTEN_TOGETHER`.
    """
    # DateOfBirth is three words; but DoB is one.
    readings = (re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", field), field)
    words = [_words(reading) for reading in readings]
    for pattern, kind in KIND_PATTERNS:
        if any(re.search(pattern, text) for text in words):
            return kind
    return "text"


def name_parts(kinds: Mapping[str, str]) -> dict[str, tuple[str, NamePart]]:
    """Name the fields that full names are taken apart into: field -> (full name, part).

    Those of a single full name are first_name and last_name, as the usual strategies call them,
    unless there are such fields; else each stands behind the full name's own: author_first_name.
    """
    wholes = [name for name, kind in kinds.items() if kind == FULL_NAME]
    usual = ("first_name", "last_name")
    alone = len(wholes) == 1 and not {name.lower() for name in kinds} & set(usual)
    parts: dict[str, tuple[str, NamePart]] = {}
    for whole in wholes:
        for field, part in zip(usual, ("first", "last"), strict=True):
            parts[field if alone else f"{whole}_{field}"] = (whole, cast(NamePart, part))
    return parts


def _words(name: str) -> str:
    together = "|".join(sorted(WRITTEN_TOGETHER, key=len, reverse=True))
    return " ".join(
        " ".join(re.findall(together, word)) if re.fullmatch(f"(?:{together})+", word) else word
        for word in re.findall("[a-z]+", name.lower())
    )


def default_training_rules(field_kinds: Mapping[str, str]) -> dict[str, KeyExpressions]:
    """Choose training rules by kind: the full name, then an identifying field on its own.

    Two rules on different fields leave every comparison free in one of them, as EM needs. A date of
    birth is best: some strangers share it, so that EM sees both matches and others.
    """
    keys = {name: whole_value(name) for name in field_kinds}
    names = [name for name, kind in field_kinds.items() if kind == "person_name"][:2]
    rules: dict[str, KeyExpressions] = {}
    if names:
        rules["same_name"] = [keys[name] for name in names]
    for kind in ("date", "email", "phone", "identifier"):
        fields = [name for name, found in field_kinds.items() if found == kind]
        if fields and len(rules) < 2:
            rules[f"same_{fields[0]}"] = keys[fields[0]]
    if len(rules) < 2:
        free = [name for name in field_kinds if name not in names]
        free.sort(key=lambda name: field_kinds[name] == "number")  # too many share one
        rules.update({f"same_{name}": keys[name] for name in free[:2]})
    return rules or {f"same_{name}": keys[name] for name in list(field_kinds)[:2]}
