"""Typos of the other people: rows of bytes, moved."""

import numpy as np
from numpy.typing import NDArray

from er_pipeline_tests.other_people_draws import Flags, Rng, Texts, pick_rows, rows_as_texts

# fmt: off
SECOND_TYPO = 0.2  # of the typos: another one in the same value
# What is heard alike, and what scanners take for one another; either way round.
SOUNDS = """ph-f ck-k c-k ie-y ee-ea ei-ai mac-mc z-s v-w gh-g ll-l tt-t nn-n rr-r oo-u ou-ow th-t
    qu-kw x-ks er-ar or-er dg-j a-e i-e ey-y wh-w kn-n"""
LOOKS = "l-1 o-0 m-rn i-l s-5 b-8 d-cl g-9 z-2 vv-w h-b e-c u-v n-h 1-7 3-8 6-0 5-6"
KEYBOARD = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
TYPO_KINDS = {  # share of the typos
    "sound": 0.3, "look": 0.15, "next_key": 0.2, "swap": 0.15, "drop": 0.15, "double": 0.05,
}
# fmt: on


def mistype(texts: Texts, is_mistyped: Flags, rng: Rng) -> Texts:
    """Misspell the texts that are marked, once or twice."""
    rows = np.flatnonzero(is_mistyped)
    wider = texts.astype(f"S{texts.dtype.itemsize + 4}")  # the two letters that a typo may add
    wider[rows] = _misspell(wider[rows], rng)
    rows = rows[rng.random(len(rows)) < SECOND_TYPO]
    wider[rows] = _misspell(wider[rows], rng)
    return wider


def _misspell(texts: Texts, rng: Rng) -> Texts:
    kind = np.array(list(TYPO_KINDS))[pick_rows(TYPO_KINDS, len(texts), rng)]
    misspelt = texts.copy()
    for pairs, of_kind in ((SOUNDS, "sound"), (LOOKS, "look")):
        rows = np.flatnonzero(kind == of_kind)
        misspelt[rows] = _respell(texts[rows], pairs, rng)
        kind[rows[misspelt[rows] == texts[rows]]] = "drop"  # nothing to mistake in it
    return _slip(misspelt, kind, rng)


def _respell(texts: Texts, pairs: str, rng: Rng) -> Texts:
    """Replace a part of each text by what it is taken for, wherever one is found."""
    spellings = [tuple(pair.encode().split(b"-")) for pair in pairs.split()]
    both_ways = spellings + [(heard, spelt) for spelt, heard in spellings]
    respelt = texts.copy()
    for i in rng.permutation(2 * len(both_ways)):
        spelt, heard = both_ways[i % len(both_ways)]
        rows = np.flatnonzero((respelt == texts) & (rng.random(len(texts)) < 0.4))
        if len(rows):  # numpy cannot replace in nothing
            respelt[rows] = np.strings.replace(texts[rows], spelt, heard, 1)
    return respelt


def _slip(texts: Texts, kind: NDArray[np.str_], rng: Rng) -> Texts:
    """Let fingers slip once in each text, as its kind says: next_key, swap, drop, double."""
    width = texts.dtype.itemsize
    letters = texts.view(np.uint8).reshape(len(texts), width)
    length = np.strings.str_len(texts)
    place = (rng.random(len(texts)) * length).astype(np.int64)
    place = np.where(kind == "swap", np.minimum(place, np.maximum(length - 2, 0)), place)[:, None]
    column = np.arange(width)
    source = column + ((kind == "drop")[:, None] & (column >= place))
    source -= (kind == "double")[:, None] & (column > place)
    swaps = (kind == "swap")[:, None] & (length > 1)[:, None]
    source += swaps & (column == place)
    source -= swaps & (column == place + 1)
    slipped = np.take_along_axis(letters, np.minimum(source, width - 1), axis=1)
    # the last byte is always spare, see `mistype`: what is drawn in from the right is empty
    rows = np.flatnonzero((kind == "next_key") & (length > 0))
    spot = place[rows, 0]
    slipped[rows, spot] = _next_keys(rng.random(len(rows)) < 0.5, slipped[rows, spot])
    return rows_as_texts(slipped)


def _next_keys(is_left: Flags, keys: NDArray[np.uint8]) -> NDArray[np.uint8]:
    left, right = np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8)
    for row in KEYBOARD:
        codes = np.frombuffer(row.encode(), dtype=np.uint8)
        left[codes[1:]], left[codes[0]] = codes[:-1], codes[1]
        right[codes[:-1]], right[codes[-1]] = codes[1:], codes[-2]
    return np.where(is_left, left[keys], right[keys])
