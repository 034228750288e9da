"""Texts as rows of atoms, and every gap between two atoms as a few hashed features.

Decision: segmenting is one decision a gap, and all gaps of a batch are decided together in numpy. A text becomes two
columns, a 32-bit hash of each folded syllable and its kind; a feature of a gap is a mix of neighbouring columns cut
to the table's size, so there is no vocabulary to look up beyond one dictionary access a syllable, and a syllable
never seen in training still has its kind and its neighbours. Two walls stand between texts and at line breaks,
as far as the widest feature sees, so a text is read the same alone as in a batch.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.text.script import ATOM, ONSETS, Kind, fold, kind, parts

Words = npt.NDArray[np.uint32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Gaps are worked through in blocks whose columns fit the processor's second cache.
BLOCK = 1 << 14
# The widest feature of the gap behind atom i sees the atoms i - LEFT … i + RIGHT.
LEFT, RIGHT = 2, 3
MAX_LENGTH = 4

# An atom's code: hash (32 bits) | sound (16 bits: onset 5, rime 8, tone 3; 0 = not Vietnamese) | kind (4 bits).
_KIND_BITS, _TONE_BITS, _RIME_BITS, _SOUND_BITS = 4, 3, 8, 16
_HASH_SHIFT = _KIND_BITS + _SOUND_BITS
_WALL = "\n"
_COPIES = np.ones(1 << _KIND_BITS, np.int64)
_COPIES[Kind.SPACE], _COPIES[Kind.BREAK] = 0, LEFT
_DIGIT = re.compile(r"\d")
_ODD = np.array([0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1], np.uint32)


def code(atom: str) -> int:
    """Hash of the folded form, sound and kind of an atom in one integer; digits count as 0."""
    what = kind(atom)
    if what in (Kind.SPACE, Kind.BREAK):
        return int(what)
    folded = fold(atom)
    if what is Kind.NUMBER:
        folded = _DIGIT.sub("0", folded)
    return hash_of(folded) << _HASH_SHIFT | _sound(folded) << _KIND_BITS | what


def hash_of(folded: str) -> int:
    """CRC-32 of a folded atom."""
    return zlib.crc32(folded.encode("utf-8", "surrogatepass"))


def _sound(folded: str) -> int:
    """Onset, rime and tone of a Vietnamese syllable in 16 bits, never 0; 0 for anything else."""
    spoken = parts(folded)
    if spoken is None:
        return 0
    onset, rime, tone = spoken
    place = ONSETS.index(onset) + 2 if onset else 1
    return (place << _RIME_BITS | hash_of(rime) & 0xFF) << _TONE_BITS | tone


class Codes(dict[str, int]):
    """Codes of the known surface forms; others are computed, not kept, so it never grows."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Compute the codes of the forms that will be met most often."""
        super().__init__((form, code(form)) for form in (*known, " ", _WALL))

    def __missing__(self, atom: str) -> int:
        return code(atom)


@dataclass(frozen=True, slots=True)
class Rows:
    """Atoms of a batch in one row, walls between and around the texts.

    All columns have shape (n,). `starts` and `ends` are offsets within the atom's own text; `spaced` tells that
    white space without a line break follows; text k holds the atoms from `borders[k]` to `borders[k + 1]`.
    """

    hashes: Words
    sounds: Words
    kinds: npt.NDArray[np.uint8]
    starts: Ints
    ends: Ints
    spaced: Bools
    borders: Ints


def rows(texts: Sequence[str], codes: Codes) -> Rows:
    """Cut texts into atoms and look them up. Linear in the number of characters."""
    pieces, counts = [_WALL], []
    for text in texts:
        pieces += ATOM.findall(text)
        pieces.append(_WALL)
        counts.append(len(pieces))
    n = len(pieces)
    packed = np.fromiter(map(codes.__getitem__, pieces), np.int64, n)
    lengths = np.fromiter(map(len, pieces), np.int64, n)
    starts = np.cumsum(lengths) - lengths
    seams = np.array([1, *counts], np.int64)
    starts[1:] -= np.repeat(starts[seams[:-1]], np.diff(seams))
    kinds = (packed & ((1 << _KIND_BITS) - 1)).astype(np.uint8)
    index = np.repeat(np.arange(n), _COPIES[kinds])
    columns = kinds[index]
    columns[columns == Kind.BREAK] = Kind.WALL
    real = columns != Kind.WALL
    spaced = np.zeros(len(index), np.bool_)
    spaced[:-1] = (np.diff(index) == 2) & real[:-1] & real[1:]
    return Rows(
        hashes=(packed >> _HASH_SHIFT).astype(np.uint32)[index],
        sounds=(packed >> _KIND_BITS & 0xFFFF).astype(np.uint32)[index],
        kinds=columns,
        starts=starts[index],
        ends=(starts + lengths)[index],
        spaced=spaced,
        borders=np.searchsorted(index, seams),
    )


def mix(left: Words, right: Words) -> Words:
    """Hash of two hashes, order kept (multiply and xor-shift in 32 bits)."""
    mixed = left * _ODD[0] ^ (right + _ODD[3]) * _ODD[1]
    return np.asarray(mixed ^ mixed >> np.uint32(15))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """A set of words of two to four syllables: bit n - 2 of `table[hash >> shift]` is set for a word of n syllables.

    Words are known by the hash of their syllables' hashes; about one gap in a hundred meets a word it does not hold,
    in training as in serving.
    """

    table: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, hashes: Sequence[Words], bits: int) -> Lexicon:
        """From the hashes of the words of 2, 3 and 4 syllables."""
        table = np.zeros(1 << bits, np.uint8)
        for n, words in enumerate(hashes):
            table[words >> np.uint32(32 - bits)] |= np.uint8(1 << n)
        return cls(table)

    def holds(self, hashes: Words, syllables: int) -> Words:
        """1 where a word of that many syllables has the hash, else 0."""
        shift = np.uint32(32 - (len(self.table).bit_length() - 1))
        return np.asarray(self.table[hashes >> shift] >> np.uint8(syllables - 2) & np.uint8(1), np.uint32)


def word_hash(word: str) -> tuple[int, int]:
    """Number of syllables and hash of a word of a word list, its syllables divided by spaces."""
    parts = [np.array([hash_of(fold(part))], np.uint32) for part in word.split()]
    mixed = parts[0]
    for part in parts[1:]:
        mixed = mix(mixed, part)
    return len(parts), int(mixed[0])


FEATURES = 14


def features(row: Rows, lexicon: Lexicon, begin: int, end: int) -> Iterator[Words]:
    """The features of the gaps behind the atoms `begin` … `end - 1`: FEATURES columns of shape (end - begin,).

    Atoms are called l, L (left of the gap) and R, r (right of it): bigram LR, trigrams lLR and LRr, the syllables
    alone and with the kinds around, the pairs lL and Rr, the kinds alone, which words of the lexicon begin, end or
    lie across, and how the syllables' sounds agree (reduplication, foreign words).
    `begin` ≥ LEFT and `end` + RIGHT ≤ n.
    """
    n = end - begin
    hashes = row.hashes[begin - LEFT : end + RIGHT]
    kinds = row.kinds[begin - LEFT : end + RIGHT].astype(np.uint32)
    two = mix(hashes[:-1], hashes[1:])
    three = mix(two[:-1], hashes[2:])
    four = mix(three[:-1], hashes[3:])

    def at(column: Words, offset: int) -> Words:
        return column[LEFT + offset : LEFT + offset + n]

    left, right = at(hashes, 0), at(hashes, 1)
    pair = at(kinds, 0) << np.uint32(4) | at(kinds, 1)
    known = _known(lexicon, two, three, four, n)
    yield at(two, 0)
    yield at(three, -1)
    yield at(three, 0)
    yield left
    yield right
    yield at(two, -1)
    yield at(two, 1)
    yield at(kinds, -1) << np.uint32(12) | pair << np.uint32(4) | at(kinds, 2)
    yield known
    yield known << np.uint32(8) | pair
    yield mix(pair, left)
    yield mix(pair, right)
    sounds = row.sounds[begin - LEFT : end + RIGHT]
    yield _alike(sounds, left == right, n) << np.uint32(8) | pair
    yield _echoes(sounds, n)


def _alike(sounds: Words, same: Bools, n: int) -> Words:
    """Eleven bits a gap: syllables the same, onsets, rimes, both tones, and which are Vietnamese."""
    left, right = sounds[LEFT : LEFT + n], sounds[LEFT + 1 : LEFT + 1 + n]
    differ = left ^ right
    spoken = (left > 0) & (right > 0)
    bits = same.astype(np.uint32) << np.uint32(10)
    bits |= (((differ >> np.uint32(_RIME_BITS + _TONE_BITS)) == 0) & spoken).astype(np.uint32) << np.uint32(9)
    bits |= (((differ >> np.uint32(_TONE_BITS) & np.uint32(0xFF)) == 0) & spoken).astype(np.uint32) << np.uint32(8)
    bits |= (left & np.uint32(7)) << np.uint32(5) | (right & np.uint32(7)) << np.uint32(2)
    bits |= (left > 0).astype(np.uint32) << np.uint32(1) | (right > 0).astype(np.uint32)
    return bits


def _echoes(sounds: Words, n: int) -> Words:
    """Fourteen bits a gap: equal onsets and equal rimes among l, L, R, r, and which of the four are Vietnamese."""
    onsets, rimes = sounds >> np.uint32(_RIME_BITS + _TONE_BITS), sounds >> np.uint32(_TONE_BITS) & np.uint32(0xFF)
    spoken = sounds > 0
    code = np.zeros(n, np.uint32)
    for distance, offsets in ((1, (-1, 0, 1)), (2, (-1, 0))):
        both = spoken[:-distance] & spoken[distance:]
        for column in (onsets, rimes):
            equal = (column[:-distance] == column[distance:]) & both
            for offset in offsets:
                code <<= np.uint32(1)
                code |= equal[LEFT + offset : LEFT + offset + n]
    for offset in (-1, 0, 1, 2):
        code <<= np.uint32(1)
        code |= spoken[LEFT + offset : LEFT + offset + n]
    return code


def _known(lexicon: Lexicon, two: Words, three: Words, four: Words, n: int) -> Words:
    """Ten bits a gap: which runs of two, three and four atoms at and around it are words of the lexicon."""
    code = np.zeros(n, np.uint32)
    held = [lexicon.holds(column, size) for size, column in ((2, two), (3, three), (4, four))]
    for size, offset in ((2, 0), (2, -1), (2, 1), (3, 0), (3, -1), (4, 0), (4, -1), (4, -2), (3, -2), (2, -2)):
        code <<= np.uint32(1)
        code |= held[size - 2][LEFT + offset : LEFT + offset + n]
    return code


def slots(row: Rows, lexicon: Lexicon, begin: int, end: int, bits: int) -> Iterator[Words]:
    """Where each feature's weight lies in a table of 2**bits weights: FEATURES columns of shape (end - begin,)."""
    shift = np.uint32(32 - bits)
    for number, feature in enumerate(features(row, lexicon, begin, end)):
        yield (feature * _ODD[2 + number % 3] + np.uint32(number * 0x3C6EF372 & 0xFFFFFFFF)) * _ODD[0] >> shift
