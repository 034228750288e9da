"""Training documents that the evaluation has seen are removed, by code and not by promise.

Two passes. Exact: both sides are reduced to the sequence of their words (NFC, lower case, one tone placement,
punctuation and white space squeezed) and compared. Near: MinHash signatures over word shingles (Broder 1997) with
banded locality-sensitive hashing find candidates, and each candidate pair is settled by the true Jaccard similarity
of its shingle sets, so the banding costs recall only, never a false removal. Short texts (fewer words than a
shingle) are compared exactly only. The evaluation side is never touched: figures stay comparable with others'.

Own code instead of `datasketch`: its MinHash hashes one document in Python at a time (about 500 a second here); the
arrays below do several thousand on one core. Hashes come from CRC-32 and fixed multipliers, so a run is repeatable.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from models.text.script import normalise_tone

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

SHINGLE_WORDS = 5
BANDS = 16
ROWS = 4
THRESHOLD = 0.7
CHUNK_DOCUMENTS = 1024
_WORD = re.compile(r"\w+")
_EMPTY = np.uint64(np.iinfo(np.uint64).max)
_ODD = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = np.random.default_rng(20260101).integers(1, 1 << 62, BANDS * ROWS, dtype=np.uint64) * np.uint64(
    2
) + np.uint64(1)


@dataclass(frozen=True, slots=True)
class Overlap:
    """What was compared and what was removed from the training side; goes into the run and onto the card."""

    training: int
    evaluation: int
    exact: int
    near: int
    kept: int
    threshold: float
    shingle_words: int

    def document(self) -> dict[str, int | float]:
        """As JSON."""
        return asdict(self)


class _Words(dict[str, tuple[int, ...]]):
    """Stretches between white space as the 64-bit numbers of their words.

    Each distinct stretch is normalised once, so the work per document is a split and table look-ups.
    """

    def __missing__(self, stretch: str) -> tuple[int, ...]:
        """Normalise a stretch that was not met before: punctuation may leave several words, or none."""
        words = _WORD.findall(normalise_tone(unicodedata.normalize("NFC", stretch).lower()))
        data = [word.encode("utf-8", "surrogatepass") for word in words]
        self[stretch] = numbers = tuple(zlib.crc32(d) << 32 | zlib.crc32(d[::-1] + b"|") for d in data)
        return numbers

    def sequence(self, text: str) -> Hashes:
        """The text's words in order."""
        return np.fromiter(chain.from_iterable(map(self.__getitem__, text.split())), np.uint64)


def _mix(values: Hashes) -> Hashes:
    """A full-avalanche 64-bit finaliser (splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _rolled(words: Hashes) -> Hashes:
    """Hashes of all runs of SHINGLE_WORDS words: a polynomial in an odd constant, then mixed."""
    count = len(words) - SHINGLE_WORDS + 1
    rolled = words[:count] * _ODD
    for offset in range(1, SHINGLE_WORDS):
        rolled += words[offset : offset + count]
        rolled *= _ODD
    return _mix(rolled)


def _shingles(sequences: Sequence[Hashes]) -> list[Hashes]:
    """The shingles of each document; empty for a text shorter than one. Rolled over all documents at once."""
    flat = np.concatenate([*sequences, np.zeros(SHINGLE_WORDS, np.uint64)])
    rolled = _rolled(flat)
    ends = np.cumsum([len(sequence) for sequence in sequences])
    return [
        rolled[end - len(sequence) : max(end - SHINGLE_WORDS + 1, end - len(sequence))]
        for sequence, end in zip(sequences, ends, strict=True)
    ]


def _keys(shingles: Sequence[Hashes]) -> Hashes:
    """Band keys, shape (documents, BANDS): equal keys in a band mean ROWS equal minima. Without shingles: _EMPTY."""
    keys = np.full((len(shingles), BANDS), _EMPTY)
    filled = np.array([i for i, hashes in enumerate(shingles) if len(hashes)], np.int64)
    if not len(filled):
        return keys
    flat = np.concatenate([shingles[i] for i in filled])
    starts = np.concatenate(([0], np.cumsum([len(shingles[i]) for i in filled])[:-1]))
    folded = np.zeros((BANDS, len(filled)), np.uint64)
    for number, factor in enumerate(_FACTORS):
        spread = flat * factor
        spread ^= spread >> np.uint64(32)
        folded[number // ROWS] = _mix(folded[number // ROWS] * _ODD + np.minimum.reduceat(spread, starts))
    keys[filled] = np.minimum(folded, _EMPTY - np.uint64(1)).T
    return keys


@dataclass(frozen=True, slots=True)
class _Side:
    exact: list[bytes]
    shingles: list[Hashes]
    keys: Hashes


def _side(texts: Sequence[str], words: _Words) -> _Side:
    exact, shingles, keys = [], [], []
    for start in range(0, len(texts), CHUNK_DOCUMENTS):
        sequences = [words.sequence(text) for text in texts[start : start + CHUNK_DOCUMENTS]]
        exact += [hashlib.blake2b(sequence.tobytes(), digest_size=16).digest() for sequence in sequences]
        found = _shingles(sequences)
        shingles += found
        keys.append(_keys(found))
    return _Side(exact, shingles, np.concatenate(keys) if keys else np.empty((0, BANDS), np.uint64))


def _similar(left: Hashes, right: Hashes, threshold: float) -> bool:
    """True Jaccard similarity of two sets of hashes against the threshold."""
    left, right = np.unique(left), np.unique(right)
    if min(len(left), len(right)) < threshold * max(len(left), len(right)):
        return False
    common = len(np.intersect1d(left, right, assume_unique=True))
    return common >= threshold * (len(left) + len(right) - common)


def _near(training: _Side, evaluation: _Side, open_: npt.NDArray[np.bool_], threshold: float) -> npt.NDArray[np.bool_]:
    """Which of the still open training documents resemble some evaluation document."""
    near = np.zeros(len(training.exact), np.bool_)
    for band in range(BANDS):
        order = np.argsort(evaluation.keys[:, band], kind="stable")
        keys = evaluation.keys[order, band]
        first = np.searchsorted(keys, training.keys[:, band], "left")
        last = np.searchsorted(keys, training.keys[:, band], "right")
        candidates = np.flatnonzero((last > first) & open_ & ~near & (training.keys[:, band] != _EMPTY))
        for index in candidates:
            mine = training.shingles[index]
            near[index] = any(
                _similar(mine, evaluation.shingles[other], threshold) for other in order[first[index] : last[index]]
            )
    return near


def without_overlap(
    training: Sequence[str], evaluation: Sequence[str], *, threshold: float = THRESHOLD
) -> tuple[Indices, Overlap]:
    """Indices of the training documents to keep, in order, and the report.

    `threshold` is the Jaccard similarity of word shingles from which two texts count as one.
    """
    words = _Words()
    left, right = _side(training, words), _side(evaluation, words)
    seen = set(right.exact)
    exact = np.fromiter((key in seen for key in left.exact), np.bool_, len(left.exact))
    near = _near(left, right, ~exact, threshold)
    kept = np.flatnonzero(~(exact | near))
    report = Overlap(
        len(training), len(evaluation), int(exact.sum()), int(near.sum()), len(kept), threshold, SHINGLE_WORDS
    )
    return kept, report
