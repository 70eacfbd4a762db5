"""The encoding of a file that is not UTF-8, guessed from its letters, for a first declaration.

A reader cannot know it: nearly any bytes are text in nearly any encoding of a byte per letter, and
names read in a wrong one look like names. So this is a proposal to be looked at, never a default.
"""

import codecs
from pathlib import Path

from charset_normalizer import from_bytes

from er_pipeline.blocking.records.file_contents import CHUNK, encoding_of, opened

WESTERN, CENTRAL = "windows-1252", "windows-1250"
# Other scripts and Turkish. Of Latin letters the library takes nearly all for Central European.
BY_SCRIPT = frozenset(
    [
        "cp1251",
        "koi8_r",
        "koi8_u",
        "iso8859_5",
        "cp1253",
        "iso8859_7",
        "cp1254",
        "iso8859_9",
        "cp1255",
        "iso8859_8",
        "cp1256",
        "iso8859_6",
        "cp874",
        "tis_620",
        "cp932",
        "shift_jis",
        "euc_jp",
        "gb18030",
        "gb2312",
        "gbk",
        "big5",
        "cp950",
        "euc_kr",
        "cp949",
    ]
)
# As much of the lines that are not ASCII is looked at.
MOST_LOOKED_AT = 100_000
# These begin a Spanish sentence; the same bytes end Polish words.
OPENING = "¿¡"


def guess_encoding(file: Path) -> tuple[str, str] | None:
    """Return an encoding and the evidence, for a file the reader would take for UTF-8 and is not.

    None for a file that is UTF-8, or says itself what it is.
    """
    if encoding_of(file, None) != "utf-8":
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    with opened(file) as content:
        try:
            while chunk := content.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
        else:
            return None
    text = _lines_beyond_ascii(file)
    best = from_bytes(text).best()
    if best and best.encoding in BY_SCRIPT:
        name = best.encoding.replace("cp125", "windows-125").replace("_", "-")
        return name, f"byte 0x{byte:02X} is not UTF-8, and in {name} it stands among letters"
    western, central = (_torn_words(text, name) for name in (WESTERN, CENTRAL))
    if central < western:
        return (
            CENTRAL,
            f"byte 0x{byte:02X} is not UTF-8, and {western} words hold signs in {WESTERN}",
        )
    return WESTERN, f"byte 0x{byte:02X} is not UTF-8, and files of Windows hold it"


def _lines_beyond_ascii(file: Path) -> bytes:
    found = bytearray()
    with opened(file) as content:
        for line in content:
            if not line.isascii():
                found += line
                if len(found) >= MOST_LOOKED_AT:
                    break
    return bytes(found[:MOST_LOOKED_AT])


def _torn_words(text: bytes, encoding: str) -> int:
    """Count the signs that stand in words if a text is read in an encoding."""
    letters = f" {text.decode(encoding, 'replace')} "
    return sum(
        not sign.isalpha()
        and not sign.isspace()
        and ord(sign) > 0xA0
        and sign not in "’‘“”„–—…€«»·°"
        and (before.isalpha() or (after.isalpha() and sign not in OPENING))
        for before, sign, after in zip(letters, letters[1:], letters[2:], strict=False)
    )
