"""Kinds: what a field holds, guessed from its name, and what follows from it for training."""

import re
from collections.abc import Mapping

from er_pipeline.blocking.spec.settings import KeyExpressions

# The first pattern found in a field's name tells its kind; text where none is.
KIND_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"e_?mail", "email"),
    (r"phone|mobile|telephone|(^|_)tel($|_)|(^|_)fax($|_)", "phone"),
    (r"company|organi[sz]ation|(^|_)org($|_)|employer|firm", "company"),
    (r"birth|(^|_)dob($|_)|(^|_)date|date($|_)", "date"),
    (r"address|street|suburb|(^|_)addr", "address"),
    (r"post_?code|(^|_)zip|(^|_)ssn|soc_sec|passport|(^|_)id($|_)|_no$|number", "identifier"),
    (r"(first|last|given|family|middle|full|sur|fore|maiden)_?name|surname", "person_name"),
)


def guess_kind(field: str) -> str:
    """Tell a field's kind from its name: birth_date is a date; text where nothing fits."""
    for pattern, kind in KIND_PATTERNS:
        if re.search(pattern, field.lower()):
            return kind
    return "text"


def default_training_rules(field_kinds: Mapping[str, str]) -> dict[str, KeyExpressions]:
    """Choose training rules by kind: the full name, then an identifying field on its own.

    Two rules on different fields leave every comparison free in one of them, as EM needs. A date of
    birth is best: some strangers share it, so that EM sees both matches and others.
    """
    names = [name for name, kind in field_kinds.items() if kind == "person_name"][:2]
    rules: dict[str, KeyExpressions] = {"same_name": names} if names else {}
    for kind in ("date", "email", "phone", "identifier"):
        fields = [name for name, found in field_kinds.items() if found == kind]
        if len(rules) > 1:
            break
        rules.update({f"same_{fields[0]}": fields[0]} if fields else {})
    if len(rules) < 2:
        free = [name for name in field_kinds if name not in names]
        rules.update({f"same_{name}": name for name in free[:2]})
    return rules or {f"same_{name}": name for name in list(field_kinds)[:2]}
