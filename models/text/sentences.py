"""Where sentences end, from the kinds of the atoms alone.

Decision: rules, not weights. Dots of abbreviations, numbers and initials never reach this file, because
`models.text.script` keeps them inside their atoms (`TP.`, `1.234`, `K.`). A line break ends a sentence unless the
line plainly goes on (a letter or comma before, a small letter after); a numbered heading ("1. …", "Điều 5. …") keeps
its number.
"""

from __future__ import annotations

import numpy as np

from models.text.gaps import Bools, Rows, hash_of
from models.text.script import Kind

_HEADINGS = np.array(
    [hash_of(word) for word in ("điều", "khoản", "chương", "mục", "phần", "bài", "câu", "bước", "lục")],
    np.uint32,
)
_LETTERS = (Kind.LOWER, Kind.TITLE, Kind.UPPER, Kind.MIXED)


def sentence_ends(row: Rows) -> Bools:
    """True at the last atom of every sentence; shape (n,)."""
    kinds, n = row.kinds, len(row.kinds)
    if n < 4:
        return np.zeros(n, np.bool_)
    real = kinds != Kind.WALL
    tail = _tail(row)
    ahead = np.full(n, Kind.WALL, np.uint8)
    ahead[:-1] = kinds[1:]
    begins = (ahead != Kind.LOWER) & (row.spaced | ((ahead == Kind.TITLE) & real))
    followed = np.zeros(n, np.bool_)
    followed[:-1] = tail[1:]
    ends = tail & begins & ~followed & ~_enumerators(row)
    ends |= real & (ahead == Kind.WALL) & ~_goes_on(row, tail)
    ends[np.maximum(_last_atoms(row), 0)] = True
    return np.asarray(ends & real)


def _tail(row: Rows) -> Bools:
    """Stops, and the closing marks behind them (at most three)."""
    stop, closer = row.kinds == Kind.STOP, row.kinds == Kind.CLOSER
    tail = stop.copy()
    before = np.zeros_like(row.spaced)
    before[1:] = row.spaced[:-1]
    attached = closer & (~before | row.spaced)
    for _ in range(3):
        tail[1:] |= attached[1:] & tail[:-1]
    return np.asarray(tail)


def _enumerators(row: Rows) -> Bools:
    """Stops behind the number of a heading or list item, which end no sentence."""
    kinds = row.kinds
    stop = kinds == Kind.STOP
    number = np.isin(kinds, (Kind.NUMBER, Kind.UPPER, Kind.TITLE)) & (row.ends - row.starts <= 6)
    first = np.zeros_like(stop)
    first[1:] = kinds[:-1] == Kind.WALL
    heading = np.zeros_like(stop)
    heading[1:] = np.isin(row.hashes[:-1], _HEADINGS) & first[:-1]
    short = number & (first | heading) & ((kinds != Kind.TITLE) | (row.ends - row.starts == 1))
    found = np.zeros_like(stop)
    found[1:] = short[:-1] & stop[1:]
    return np.asarray(found)


def _goes_on(row: Rows, tail: Bools) -> Bools:
    """Atoms before a line break where the next line continues the sentence."""
    kinds, n = row.kinds, len(row.kinds)
    after = np.full(n, Kind.WALL, np.uint8)
    second = after.copy()
    after[:-3], second[:-4] = kinds[3:], kinds[4:]
    found = np.isin(kinds, _LETTERS) & (after == Kind.LOWER) & (second != Kind.CLOSER) & ~tail
    return np.asarray(found)


def _last_atoms(row: Rows) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Index of the last atom of every text; that of a wall or an earlier text's atom where a text has none."""
    places = np.flatnonzero(row.kinds != Kind.WALL)
    if not len(places):
        return np.zeros(0, np.int64)
    return np.asarray(places[np.maximum(np.searchsorted(places, row.borders[1:]) - 1, 0)], np.int64)
