"""Checked numbers: identifiers with check digits, such as an IBAN, an ISBN or a tax number.

Source of the rules: the package python-stdnum.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType

from er_pipeline.blocking.tables.errors import did_you_mean
from er_pipeline.blocking.values.folded_text import plain

_SIGNS_BETWEEN = str.maketrans("", "", " -./")
_NO_NUMBERS = frozenset({"exceptions", "numdb", "util"})  # modules for the others
_LONGEST_NUMBER = 100  # characters, its signs between included


def checked_number(name: str) -> Callable[[str], str | None]:
    """Return the function that reads a number of this sort, without signs between, or gives None.

    name: as python-stdnum calls it: iban, isbn, lei, luhn, de.vat, us.ssn.
    Raises ValueError if there is no such number.
    """
    module = _module(name)
    compact = getattr(module, "compact", None) or (lambda text: text.translate(_SIGNS_BETWEEN))

    def read(text: str) -> str | None:
        if len(text) > _LONGEST_NUMBER:
            return None
        try:
            number = str(compact(plain(text)))
            return number if number and module.is_valid(number) else None
        except Exception:  # a rule may trip over text that was never a number
            return None

    return read


@cache
def _module(name: str) -> ModuleType:
    if name not in number_names():
        raise ValueError(
            f"no number {name!r} with check digits;{did_you_mean(name, number_names())}"
            " there are those of python-stdnum, such as iban, isbn, lei, luhn, de.vat, us.ssn"
        )
    return import_module(f"stdnum.{name}")


@cache
def number_names() -> tuple[str, ...]:
    """Return the name of every number that can be checked, in the order of the alphabet."""
    import stdnum

    names = [found.name for found in walk_packages(stdnum.__path__, "stdnum.") if not found.ispkg]
    short = [name.removeprefix("stdnum.") for name in names]
    return tuple(sorted(name for name in short if name not in _NO_NUMBERS))
