"""Syllables and pairs of syllables of many texts as 64-bit numbers, without a Python step per syllable.

Decision: a classifier that answers ten thousand documents a second has 100 µs for some 500 syllables, and
`split` plus one dictionary look-up each would spend them all. The texts are therefore laid end to end as UTF-16 units
and hashed by a dozen numpy passes, each of which releases the GIL. A run of letters and digits [s, e) hashes to

    (Σ value[unit i] · Bⁱ) · B⁻ˢ  mod 2⁶⁴   ⊕   mark(Σ tone of unit i)

from two prefix sums; B is odd, so it has an inverse modulo 2⁶⁴ (polynomial hashing after Karp and Rabin 1987).
The tone counts without its place, so *hoà* and *hòa* are one syllable by construction; case is folded in `value`;
every digit is the same sign. Combining marks are composed first, only where a batch holds any.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from models.text.script import compose

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

MAX_UNITS = 1 << 18
"""Most UTF-16 units that one call takes: the length of the table of powers. 100,000 characters always fit."""

_GOLDEN = 0x9E3779B97F4A7C15
_LEFT, _PAIR = np.uint64(0xA0761D6478BD642F), np.uint64(0xE7037ED1A0B428DB)
_TONES = {"\u0300": 1, "\u0301": 2, "\u0309": 3, "\u0303": 4, "\u0323": 5}
_TONE_SUMS = 4096
_COMBINING = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True, slots=True)
class Syllables:
    """Runs of letters and digits of several texts, in order; all arrays have one entry a run.

    `hashes`; `starts`, `ends` in UTF-16 units of the composed texts laid end to end with one sign between them;
    `document` index; `joined` tells for each run but the last whether the next follows in its text after one sign.
    """

    hashes: Hashes
    starts: Indices
    ends: Indices
    document: Indices
    joined: npt.NDArray[np.bool_]

    def opening(self, count: int) -> tuple[Indices, Indices]:
        """Indices of the first `count` runs of every text, in order, and how many runs of its text each follows."""
        begins = np.flatnonzero(np.diff(self.document, prepend=-1))
        sizes = np.minimum(np.diff(begins, append=len(self.document)), count)
        before = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.repeat(begins, sizes) + before, before

    def pairs(self, among: Indices | None = None) -> tuple[Hashes, Indices]:
        """Hashes of neighbours divided by one sign, and the index of the first of each pair; only those `among`."""
        first = np.flatnonzero(self.joined)
        if among is not None:
            among = among[among < len(self.joined)]
            first = among[self.joined[among]]
        return (self.hashes[first] * _LEFT + self.hashes[first + 1]) * _PAIR, first


def mix(values: npt.ArrayLike) -> Hashes:
    """Spread whole numbers over 64 bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    x = np.asarray(values, np.uint64) + np.uint64(_GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@dataclass(frozen=True, slots=True)
class _Tables:
    value: Hashes
    tone: npt.NDArray[np.uint8]
    power: Hashes
    inverse: Hashes
    tone_mark: Hashes


@cache
def _tables() -> _Tables:
    """Constants of the hash, built once a process (60 ms), the same on every machine."""
    letter, tone = np.zeros(1 << 16, np.uint64), np.zeros(1 << 16, np.uint8)
    for unit in range(1 << 16):
        character = chr(unit)
        if character.isdigit():
            letter[unit] = ord("0")
        elif character.isalpha():
            whole = unicodedata.normalize("NFD", character.lower())
            bare = "".join(c for c in whole if c not in _TONES)
            letter[unit] = ord(unicodedata.normalize("NFC", bare)[:1] or "\0")
            tone[unit] = sum(_TONES.get(c, 0) for c in whole)
    base = _GOLDEN | 1
    power = np.full(MAX_UNITS, base, np.uint64)
    inverse = np.full(MAX_UNITS, pow(base, -1, 1 << 64), np.uint64)
    power[0] = inverse[0] = 1
    value = np.where(letter > 0, mix(letter) | np.uint64(1), np.uint64(0))
    marks = mix(np.arange(1 << 20, (1 << 20) + _TONE_SUMS))
    return _Tables(value, tone, np.multiply.accumulate(power), np.multiply.accumulate(inverse), marks)


def _whole(text: str) -> tuple[str, list[int] | None]:
    """The text composed if it holds combining marks, and the position in `text` of each of its characters.

    A text that would grow stays as it is, so that lengths checked before hold.
    """
    if _COMBINING.search(text):
        composed, positions = compose(text)
        if len(composed) <= len(text):
            return composed, positions
    return text, None


def origins(text: str) -> list[int]:
    """For each UTF-16 unit of the text as it is hashed, and for its end, the code point of `text` that it is from."""
    whole, positions = _whole(text)
    places = range(len(text) + 1) if positions is None else positions
    at = [place for place, sign in zip(places, whole, strict=False) for _ in range(1 + (sign > "\uffff"))]
    return [*at, len(text)]


def units_in(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _laid_out(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint16], Indices]:
    """Units of the texts, composed where needed, and one past the end of each."""
    units = np.frombuffer("\n".join(texts).encode("utf-16-le", "surrogatepass"), np.uint16)
    if (units - np.uint16(0x300) < 0x70).any():
        texts = [_whole(text)[0] for text in texts]
        units = np.frombuffer("\n".join(texts).encode("utf-16-le", "surrogatepass"), np.uint16)
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    if len(units) != sizes.sum() + max(0, len(texts) - 1):
        sizes = np.fromiter(map(units_in, texts), np.int64, len(texts))
    return units, np.cumsum(sizes + 1)


def hash_syllables(texts: Sequence[str]) -> Syllables:
    """Hash the runs of letters and digits of texts of together at most MAX_UNITS units, one more for each text.

    Signs outside the Basic Multilingual Plane divide runs. About 40 ns a syllable.
    """
    tables = _tables()
    units, borders = _laid_out(texts)
    value = tables.value.take(units)
    inside = np.zeros(len(units) + 2, np.bool_)
    np.not_equal(value, 0, out=inside[1:-1])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    tones = np.zeros(len(units) + 1, np.uint32)
    np.cumsum(tables.tone.take(units), dtype=np.uint32, out=tones[1:])
    sums = np.zeros(len(units) + 1, np.uint64)
    np.cumsum(np.multiply(value, tables.power[: len(units)], out=value), out=sums[1:])
    hashes = (sums[ends] - sums[starts]) * tables.inverse[starts]
    hashes ^= tables.tone_mark[(tones[ends] - tones[starts]) & np.uint32(_TONE_SUMS - 1)]
    hashes *= _LEFT
    hashes ^= hashes >> np.uint64(32)
    stops = np.searchsorted(starts, borders)
    document = np.repeat(np.arange(len(texts)), np.diff(stops, prepend=0))
    joined = (starts[1:] - ends[:-1] == 1) & (document[1:] == document[:-1])
    return Syllables(hashes, starts, ends, document, joined)
