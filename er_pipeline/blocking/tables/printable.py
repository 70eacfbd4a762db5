"""Printable text: what stands in files and records, made fit for a terminal and for messages."""

import json
import re
import unicodedata

# Of a value or a line of the user's that a message quotes.
MOST_SHOWN = 100
# What moves the cursor, colours the terminal or turns the direction of text: controls, marks of
# direction, surrogates, and the ends of line and paragraph that only some programs see.
UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# In URLs of databases; drivers take it as a parameter, too, encoded once more by ODBC.
PASSWORD_IN_URL = re.compile(r"(://[^:@/\s]*:)\S*@")
PASSWORD_PARAMETER = re.compile(
    r"((?:[?&;]|%3B)(?:password|passwd|pwd|token|secret|access_token|api_?key|sslpassword)(?:=|%3D))"
    r"(?:(?!%3B)[^&;\s])*",
    re.IGNORECASE,
)
# What stands behind the host is the password of a webhook.
PATH_OF_WEBHOOK = re.compile(r"(webhook\W{1,4}https?://)(?:[^\s/@]*@)?([^\s/]*)[^\s,}\"']*")
# Joiners within words of Arabic, Indian scripts and emoji; they only shape letters.
HARMLESS = frozenset("\u200c\u200d\n\t")


def printable(text: str) -> str:
    """Return a text with every character that could steer a terminal written out: \\x1b.

    Line ends and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii") if _steers(character) else character
        for character in text
    )


def printable_json(text: str) -> str:
    """Return a text of JSON with what could steer a terminal as escapes of JSON: \\u009b.

    JSON asks for escapes of the controls of ASCII alone.
    """
    if text.isascii():
        return text
    return "".join(json.dumps(c)[1:-1] if _steers(c) else c for c in text)


def _steers(character: str) -> bool:
    return unicodedata.category(character) in UNPRINTABLE and character not in HARMLESS


def shown(value: object, most: int = MOST_SHOWN) -> str:
    """Quote a value of the user's in a message, on one line, cut where it is long."""
    # Cut first: the repr of a long text is as long.
    text = repr(value[: most + 1] if isinstance(value, str) else value)
    return text if len(text) <= most + 2 else f"{text[:most]}..."


def count_of(n: int, noun: str, plural: str = "") -> str:
    """Write a count with its noun: 1 pair, 2,000 pairs. plural: where an s does not make it."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def markdown_cell(text: str) -> str:
    """Write a text as one cell of a Markdown table: no bar divides it, no line end closes it."""
    # A backslash in front of a bar would take the escape's place.
    escaped = text.replace("\\|", "\\\\|").replace("|", "\\|") if "|" in text else text
    return printable(" ".join(escaped.split("\n")).replace("\r", ""))


def without_password(text: str) -> str:
    """Take the password out of URLs: after the user, and in parameters such as password=."""
    return PASSWORD_PARAMETER.sub(r"\1***", PASSWORD_IN_URL.sub(r"\1***@", text))


def without_secrets(line: str) -> str:
    """Take passwords and the paths of webhooks out of a line of a declaration."""
    return PATH_OF_WEBHOOK.sub(r"\1\2/***", without_password(line))
