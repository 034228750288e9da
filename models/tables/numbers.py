"""How a column writes its numbers: `1.234,5` or `1,234.5`, decided from all its cells and never from one.

    decide(["1.234,5", "7"])   → form "1.234,5"
    decide(["1.234"])          → form None, ambiguous: it may be 1234 or 1.234, so somebody is asked
    decide(["001", "002"])     → kind "identifier": codes, telephone and tax numbers stay text

Decision: a cell speaks for a form where it can be read in one way only: both signs (`1.234,5`), a sign repeated
(`1.234.567`), other than three digits behind it (`12,5`), a nought or more than three digits before it (`0,125`).
Where every cell is of the kind `1.234`, whole numbers beside it tell: `999` beside `1.234` are thousands, `1234` beside
`1.234` are fractions; otherwise the column is ambiguous. Cells that speak for both forms make it ambiguous, too.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from models.tables.grid import CellValue

NumberForm = Literal["1.234,5", "1,234.5"]
Kind = Literal["number", "identifier", "text", "empty"]

POINT_GROUPS: NumberForm = "1.234,5"
COMMA_GROUPS: NumberForm = "1,234.5"
MARKERS = frozenset(
    {"-", "–", "—", "...", "…", "..", ".", "x", "X", "*", "n/a", "N/A", "na", "NA", "#N/A", "-.-", "…."}
)
"""What stands in a cell instead of a number; neither for nor against a column of numbers."""

_SHARE = 0.8
_FEW = 3
_LONGEST = 64
_BATCH = 65_536
_SPACES = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'’](?=\d{3}(?!\d))")
_POWER = re.compile(r"[eE][+-]\d{1,3}", re.ASCII)
"""Programs write small and large numbers as 1.5e-05, always with a sign; `12E5` is a code."""
_SHAPE = re.compile(rf"(\()?([+\-–−]?)\s*(\d[\d.,]*|[.,]\d+)(?:{_POWER.pattern})?\s*(%?)\s*(\))?[*]*")
_QUICK = re.compile(r"[+-]?(\d{1,30})(?:([.,])(\d{1,30}))?", re.ASCII)
_PLAIN: dict[NumberForm, re.Pattern[str]] = {
    COMMA_GROUPS: re.compile(r"-?\d{1,30}(?:\.\d{1,30})?", re.ASCII),
    POINT_GROUPS: re.compile(r"-?\d{1,30}(?:,\d{1,30})?", re.ASCII),
}
"""The most frequent ways to write a number, for the quick way through a million cells."""
_GROUPED = {s: re.compile(rf"\d{{1,3}}(?:{re.escape(s)}\d{{3}})+") for s in ".,"}
_CODE_DIGITS = (9, 14)
"""Telephone numbers, identity cards and tax codes have so many digits, all cells the same number of them."""


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """What a column holds: `form` is None where nothing decides it; `ambiguous` says that somebody must."""

    kind: Kind
    form: NumberForm | None
    ambiguous: bool
    numbers: int
    others: int


@dataclass(slots=True)
class Tally:
    """The evidence of a column, gathered batch by batch."""

    votes: Counter[NumberForm] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    open_signs: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)

    def add(self, cells: Iterable[CellValue]) -> Tally:
        """Take more cells of the column into account."""
        rest = iter(cells)
        while batch := list(islice(rest, _BATCH)):
            for text, seen in Counter(cell for cell in batch if isinstance(cell, str)).items():
                self._add_text(text.strip(), seen)
            others = [cell for cell in batch if cell is not None and not isinstance(cell, str)]
            native = sum(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in others)
            self.counts["native"] += native
            self.counts["text"] += len(others) - native
        return self

    def decide(self) -> NumberColumn:
        """What the cells seen so far say."""
        written = self.counts["plain"] + self.counts["written"]
        numbers, others = self.counts["native"] + written, self.counts["text"]
        if numbers + others == 0:
            return NumberColumn("empty", None, False, 0, 0)
        if self._are_codes(written):
            return NumberColumn("identifier", None, False, 0, numbers + others)
        kind: Kind = "number" if numbers >= _SHARE * (numbers + others) else "text"
        form, ambiguous = self._form()
        return NumberColumn(kind, form, ambiguous and kind == "number", numbers, others)

    def _add_text(self, text: str, seen: int) -> None:
        if not text or text in MARKERS:
            return
        quick = _QUICK.fullmatch(text)
        digits = _digits(text) if quick is None else text.lstrip("+-")
        if digits is None:
            self.counts["text"] += seen
        elif digits.isdigit():
            self._add_whole(digits, seen, bare=digits == text)
        else:
            self.counts["written"] += seen
            said = _said(digits, spaced=quick is None and bool(_SPACES.search(text)))
            if said is None:
                self.open_signs["." if "." in digits else ","] += seen
            else:
                self.votes[said] += seen

    def _add_whole(self, digits: str, seen: int, *, bare: bool) -> None:
        self.counts["plain"] += seen
        if len(digits) > 1 and digits[0] == "0":
            self.counts["leading zero"] += seen
        if len(digits) > 3:
            self.counts["from a thousand"] += seen
        if bare:
            self.lengths[len(digits)] += seen

    def _are_codes(self, written: int) -> bool:
        if self.counts["written"] or not written or self.counts["native"] or self.counts["text"] > written:
            return False
        if self.counts["leading zero"] * 50 >= written:
            return True
        low, high = _CODE_DIGITS
        return written >= _FEW and len(self.lengths) == 1 and low <= next(iter(self.lengths)) < high

    def _form(self) -> tuple[NumberForm | None, bool]:
        if len(self.votes) > 1:
            return self.votes.most_common(1)[0][0], True
        if self.votes:
            return next(iter(self.votes)), False
        if not self.open_signs:
            return None, False
        if len(self.open_signs) > 1:
            return None, True
        sign, seen = self.open_signs.most_common(1)[0]
        if self.counts["from a thousand"]:
            return (COMMA_GROUPS if sign == "." else POINT_GROUPS), False
        if self.counts["plain"] >= _FEW and seen >= _FEW:
            return (POINT_GROUPS if sign == "." else COMMA_GROUPS), False
        return None, True


def decide(cells: Iterable[CellValue]) -> NumberColumn:
    """What a column holds and how it writes its numbers."""
    return Tally().add(cells).decide()


def parse(text: str, form: NumberForm | None) -> float | None:
    """The number that a text means in a form; None for what is no number in it. `12 %` is 12, `(3)` is −3."""
    text = text.strip()
    quick = plainly(text, form)
    if quick is not None:
        return quick
    digits = _digits(text)
    if digits is None:
        return None
    groups, point = ",." if form == COMMA_GROUPS else ".,"
    whole, sign, fraction = digits.partition(point)
    if (groups in whole and not _GROUPED[groups].fullmatch(whole)) or not (fraction.isdigit() or not fraction):
        return None
    if sign and not fraction:
        return None
    power = _POWER.search(text)
    value = float(f"{whole.replace(groups, '') or '0'}.{fraction or '0'}{power[0] if power else ''}")
    negative = text[0] in "-–−(" or text[:2] == "(-"
    return None if math.isinf(value) else -value if negative else value


def plainly(text: str, form: NumberForm | None) -> float | None:
    """The number where nothing but digits, a minus and the sign of fractions is written; None says nothing."""
    if _PLAIN[form or POINT_GROUPS].fullmatch(text) is None:
        return None
    return float(text if form == COMMA_GROUPS else text.replace(",", "."))


def _digits(text: str) -> str | None:
    """Digits and their signs only: without sign, power, per cent, brackets and groups set apart by spaces."""
    if len(text) > _LONGEST:
        return None
    found = _SHAPE.fullmatch(_SPACES.sub("", text))
    if found is None or bool(found[1]) != bool(found[5]) or not found[3].isascii():
        return None
    return found[3]


def _said(digits: str, *, spaced: bool) -> NumberForm | None:
    """The only form in which these digits can be read, if there is one only."""
    last = max(digits.rfind("."), digits.rfind(","))
    sign = digits[last]
    as_fraction, as_groups = (POINT_GROUPS, COMMA_GROUPS) if sign == "," else (COMMA_GROUPS, POINT_GROUPS)
    before, after = digits[:last], digits[last + 1 :]
    if digits.count(sign) > 1:
        return as_groups
    if spaced or not before.isdigit() or len(after) != 3 or len(before) > 3 or before.startswith("0"):
        return as_fraction
    return None
