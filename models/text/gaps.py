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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.text.script import ATOM, ONSETS, Kind, fold, kind, parts

Words = npt.NDArray[np.uint32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Gaps are worked through in blocks whose columns fit the processor's second cache.
BLOCK = 1 << 13
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
_FIRST, _SECOND, _STEP = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77), np.uint32(0x27D4EB2F)
_U1, _U3, _U4, _U6, _U8, _U9, _U12 = (np.uint32(places) for places in (1, 3, 4, 6, 8, 9, 12))
_RIME, _ONSET = np.uint32(0xFF << 3), np.uint32(1 << 11)


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
    mixed = left * _FIRST ^ (right + _STEP) * _SECOND
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

    def held(self, two: Words, three: Words, four: Words) -> tuple[Words, Words]:
        """At the first atom of every run: whether the run of two is a word; that with the runs of three and four.

        The second column has a bit for each length and is as long as `four`.
        """
        shift, n = np.uint32(32 - (len(self.table).bit_length() - 1)), len(four)
        pairs = self.table[two >> shift] & np.uint8(1)
        flags = pairs[:n] | self.table[three[:n] >> shift] & np.uint8(2) | self.table[four >> shift] & np.uint8(4)
        return pairs.astype(np.uint32), flags.astype(np.uint32)


def word_hash(word: str) -> tuple[int, int]:
    """Number of syllables and hash of a word of a word list, its syllables divided by spaces."""
    parts = [np.array([hash_of(fold(part))], np.uint32) for part in word.split()]
    mixed = parts[0]
    for part in parts[1:]:
        mixed = mix(mixed, part)
    return len(parts), int(mixed[0])


FEATURES = 14
_FACTORS = np.random.default_rng(1).integers(1 << 28, 1 << 31, (FEATURES, 1), np.uint32) << np.uint32(1) | np.uint32(1)
_SALTS = np.random.default_rng(2).integers(0, 1 << 32, (FEATURES, 1), np.uint32)


def features(row: Rows, lexicon: Lexicon, begin: int, end: int) -> Words:
    """The features of the gaps behind the atoms `begin` … `end - 1`; shape (FEATURES, end - begin).

    Atoms are called l, L (left of the gap) and R, r (right of it): bigram LR, trigrams lLR and LRr, the syllables
    alone, the pairs lL and Rr, the syllables with the kinds of L and R, the four kinds, which words of the lexicon
    begin, end or lie across, and how the sounds agree (reduplication, foreign words).
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

    pair = at(kinds, 0) << _U4 | at(kinds, 1)
    around = at(kinds, -1) << _U12 | pair << _U4 | at(kinds, 2)
    pairs, held = lexicon.held(two, three, four)
    # The runs from l's left neighbour, from l, from L; and the pair that begins at R.
    known = held[:n] | held[1 : 1 + n] << _U3 | held[2 : 2 + n] << _U6 | pairs[3 : 3 + n] << _U9
    alike, echoes = _agreement(row.sounds[begin - LEFT : end + RIGHT], n)
    out = np.empty((FEATURES, n), np.uint32)
    out[0], out[1], out[2] = at(two, 0), at(three, -1), at(three, 0)
    out[3], out[4], out[5], out[6] = at(hashes, 0), at(hashes, 1), at(two, -1), at(two, 1)
    out[7], out[8], out[9] = around, known, known << _U8 | pair
    out[10], out[11] = mix(pair, out[3]), mix(pair, out[4])
    out[12] = (alike << _U1 | (out[3] == out[4])) << _U8 | pair
    out[13] = echoes
    return out


def _agreement(sounds: Words, n: int) -> tuple[Words, Words]:
    """How the sounds around a gap agree; two columns of shape (n,).

    `alike`, ten bits of twelve: onsets and rimes of L and R the same, both tones, which of the two are Vietnamese.
    `echoes`, fourteen bits: equal onsets and rimes of neighbours and next neighbours among l, L, R, r, and which of
    them are Vietnamese.
    """
    spoken = sounds > 0
    signs = spoken.astype(np.uint32) << _U4
    for distance, place in ((1, np.uint32(0)), (2, np.uint32(2))):
        differ = sounds[:-distance] ^ sounds[distance:]
        both = spoken[:-distance] & spoken[distance:]
        rimes = (differ & _RIME == 0) & both
        signs[:-distance] |= ((differ < _ONSET) & both).astype(np.uint32) << place | rimes.astype(np.uint32) << (
            place + _U1
        )
    before, left, right = (signs[LEFT + offset : LEFT + offset + n] for offset in (-1, 0, 1))
    tones = sounds & np.uint32(7)
    alike = (left & np.uint32(0b10011)) | (right & np.uint32(0b10000)) << _U1
    alike |= tones[LEFT : LEFT + n] << _U6 | tones[LEFT + 1 : LEFT + 1 + n] << _U9
    echoes = before | left << np.uint32(5) | (right & np.uint32(0b10011)) << np.uint32(10)
    echoes |= (signs[LEFT + 2 : LEFT + 2 + n] & np.uint32(0b10000)) << np.uint32(11)
    return alike, echoes


def slots(row: Rows, lexicon: Lexicon, begin: int, end: int, bits: int) -> Words:
    """Where each feature's weight lies in a table of 2**bits weights; shape (FEATURES, end - begin).

    Multiply-shift hashing (Dietzfelbinger et al. 1997), one odd factor a feature.
    """
    places = features(row, lexicon, begin, end)
    places *= _FACTORS
    places += _SALTS
    places >>= np.uint32(32 - bits)
    return places
