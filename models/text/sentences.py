"""Where sentences end, from the kinds of the atoms alone.

Decision: rules, not weights. Dots of abbreviations, numbers and initials never reach this file, because
`models.text.script` keeps them inside their atoms (`TP.`, `1.234`, `K.`). A line break ends a sentence unless the
line plainly goes on (a letter or comma before, a small letter after); a numbered heading ("1. …", "Điều 5. …") keeps
its number.
"""

from __future__ import annotations

import numpy as np

from models.text.gaps import LEFT, Bools, Ints, Rows, hash_of
from models.text.script import Kind

_HEADINGS = np.array(
    [hash_of(word) for word in ("điều", "khoản", "chương", "mục", "phần", "bài", "câu", "bước", "lục")],
    np.uint32,
)
_LETTERS = np.isin(np.arange(16), (Kind.LOWER, Kind.TITLE, Kind.UPPER, Kind.MIXED))
_NUMBERS = np.isin(np.arange(16), (Kind.NUMBER, Kind.UPPER, Kind.TITLE))
_FRESH = np.isin(np.arange(16), (Kind.WALL, Kind.STOP))
_JOINTS = np.array([hash_of(mark) for mark in ",;:"], np.uint32)
_QUOTE = np.uint32(hash_of('"'))
_LONGEST_NUMBER = 6
_MOST_CLOSERS = 3


def sentence_ends(row: Rows) -> Bools:
    """True at the last atom of every sentence; shape (n,). Walls stand around, so no neighbour is out of bounds."""
    found = np.zeros(len(row.kinds), np.bool_)
    found[_after_stops(row)] = True
    found[_before_breaks(row)] = True
    return found


def _after_stops(row: Rows) -> Ints:
    """Last atoms of sentences that a stop ends: the stop itself or the closing marks behind it."""
    kinds, spaced = row.kinds, row.spaced
    stops = np.flatnonzero(kinds == Kind.STOP)
    stops = stops[~_enumerates(row, stops)]
    last, opening = stops, _opening_quotes(row)
    for _ in range(_MOST_CLOSERS):
        last = last + ((kinds[last + 1] == Kind.CLOSER) & (~spaced[last] | (spaced[last + 1] & ~opening[last + 1])))
    ahead, quoted = kinds[last + 1], last > stops
    goes_on = (ahead == Kind.LOWER) | (ahead == Kind.MARK) & (quoted | np.isin(row.hashes[last + 1], _JOINTS))
    begins = (spaced[last] & ~goes_on) | ((ahead == Kind.TITLE) & ~quoted)
    return np.asarray(last[begins & (ahead != Kind.STOP)], np.int64)


def _opening_quotes(row: Rows) -> Bools:
    """Straight quotes that open: every other one of a line. Asked only where white space does not tell."""
    quotes = np.flatnonzero(row.hashes == _QUOTE)
    opening = np.zeros(len(row.hashes), np.bool_)
    if len(quotes):
        line = np.searchsorted(np.flatnonzero(row.kinds == Kind.WALL), quotes)
        place = np.arange(len(quotes)) - np.searchsorted(line, line)
        opening[quotes[place % 2 == 0]] = True
    return opening


def _enumerates(row: Rows, stops: Ints) -> Bools:
    """Stops behind the number of a heading or list item, which end no sentence."""
    kinds = row.kinds
    number, before = stops - 1, stops - 2
    length = row.ends[number] - row.starts[number]
    short = _NUMBERS[kinds[number]] & (length <= np.where(kinds[number] == Kind.TITLE, 1, _LONGEST_NUMBER))
    heading = np.isin(row.hashes[before], _HEADINGS) & (kinds[np.maximum(stops - 3, 0)] == Kind.WALL)
    return np.asarray(short & (_FRESH[kinds[before]] | heading))


def _before_breaks(row: Rows) -> Ints:
    """Atoms before a line break or the text's end, unless the next line plainly goes on.

    It does when there is a letter before the break, and behind it a small letter that is no item's mark ("a)").
    """
    kinds = row.kinds
    last = np.flatnonzero((kinds[:-1] != Kind.WALL) & (kinds[1:] == Kind.WALL))
    after = np.minimum(last + LEFT + 1, len(kinds) - 1)
    second = np.minimum(after + 1, len(kinds) - 1)
    goes_on = _LETTERS[kinds[last]] & (kinds[after] == Kind.LOWER) & (kinds[second] != Kind.CLOSER)
    same = np.searchsorted(row.borders, last, "right") == np.searchsorted(row.borders, after, "right")
    return np.asarray(last[~(goes_on & same)], np.int64)
