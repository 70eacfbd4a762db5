"""Hidden values: what leaves this machine in a message names settings and tables, no records.

Errors and verdicts quote what they found in records (`shown`, `repr`), and so do databases.
Whatever stands in quotes is hidden unless the declaration itself has written it.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec

HIDDEN = "…"
# A quote opens at the beginning of a word and closes at the end of one: no apostrophe does either,
# and O'Brien within quotes does not close them. One that never closes was cut, and hides the rest.
QUOTED = re.compile(
    r"(?<!\w)(?:"
    + "|".join(
        rf"{opens}((?:\\.|[^\\])*?)(?:{closes}(?!\w)|$)"
        for opens, closes in ("''", '""', "“”", "„“", "‘’", "«»")
    )
    + ")",
    re.DOTALL,
)
# What encloses values that are too long to quote: objects and lists of JSON, bytes.
ENCLOSED = re.compile(r"\{\s*(?:\"|…|').*|\[\s*(?:\"|…|'|\d).*|\b0x[0-9A-F]{3,}.*", re.DOTALL)
# Addresses stand bare in messages of databases.
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
# Of the settings these hold values of records, or secrets.
OF_RECORDS = ("notify", "placeholders", "free_mail_domains")


def declared_names(spec: PipelineSpec, tables: Collection[str]) -> frozenset[str]:
    """Return every text of a declaration, and the names of its tables: none comes from a record."""
    settings = spec.model_dump(mode="json", exclude={"notify"})
    names = {*_texts(settings), *spec.field_kinds, *spec.source_labels, *tables}
    return frozenset({*names, *(f"{table}+" for table in tables)})


def without_values(text: str, names: Collection[str]) -> str:
    """Return a message in which nothing stands that may be a value of a record.

    names: what may stand in quotes all the same, see `declared_names`.
    """

    def hide(found: re.Match[str]) -> str:
        content = next(group for group in found.groups() if group is not None)
        return found[0] if content in names else f"{found[0][0]}{HIDDEN}{found[0][0]}"

    quoted = QUOTED.sub(hide, text)
    return ADDRESS.sub(HIDDEN, ENCLOSED.sub(HIDDEN, quoted))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            if name not in OF_RECORDS:
                yield str(name)
                yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value
