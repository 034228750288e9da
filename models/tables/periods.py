"""Periods as offices write them: `Tháng 7 năm 2006`, `9 tháng`, `Quý I/2025`, `T1/2025`, `Tuần 12`, `đến ngày 15/7`.

Decision: a phrase is split at "so với" ("compared with"): what stands before it is the period that the figures are
of, what stands after it is what they are compared with. A year that is missing is not guessed here: it is filled from
the surroundings by `Period.within`, and what stays open becomes a question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from models.tables.grid import CellValue
from models.tables.phrases import plain

Unit = Literal["Y", "H", "Q", "M", "W", "D"]
FIRST_YEAR, LAST_YEAR = 1900, 2100


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time, perhaps without its year; `cumulative` runs from the first of January to its end."""

    unit: Unit
    year: int | None = None
    number: int = 0
    day: int = 0
    cumulative: bool = False
    school: bool = False
    """A school year, named by the year in which it starts."""

    @property
    def name(self) -> str | None:
        """`2011`, `2011-Q1`, `2011-03`, `2011-W05`, `2011-03-15`; None while the year is open."""
        if self.year is None:
            return None
        if self.unit == "Y":
            return f"{self.year:04d}"
        if self.unit == "H":
            return f"{self.year:04d}-{6 * self.number:02d}"
        if self.unit == "Q":
            return f"{self.year:04d}-Q{self.number}"
        if self.unit == "W":
            return f"{self.year:04d}-W{self.number:02d}"
        day = f"-{self.day:02d}" if self.unit == "D" else ""
        return f"{self.year:04d}-{self.number:02d}{day}"

    @property
    def frequency(self) -> str:
        """The code of the calendar's frequency."""
        return "M" if self.unit == "H" else self.unit

    def within(self, around: Period | None) -> Period:
        """This period with the year of its surroundings where it has none."""
        if self.year is not None or around is None or around.year is None:
            return self
        return replace(self, year=around.year)

    def back(self, years: int) -> Period:
        """The same period some years earlier."""
        return self if self.year is None else replace(self, year=self.year - years)

    def before(self) -> Period:
        """The month, quarter or year before."""
        last = {"M": 12, "Q": 4, "H": 2, "W": 52}.get(self.unit)
        if last is None:
            return self.back(1)
        if self.number > 1:
            return replace(self, number=self.number - 1)
        return replace(self.back(1), number=last)


_YEAR = r"(?:19|20)\d\d(?!\d)"
_LINK = r"\s*(?:[,.]?\s*nam(?:\s+nam)?|/|-|\.|,)?\s*"
_COUNT = {"mot": 1, "hai": 2, "ba": 3, "bon": 4, "tu": 4, "nam": 5, "sau": 6, "bay": 7, "tam": 8, "chin": 9,
          "muoi": 10, "muoi mot": 11, "muoi hai": 12}  # fmt: skip
_NUMBER_OF = {"gieng": 1, "chap": 12, **_COUNT}
_NAMED = "muoi mot|muoi hai|mot|hai|ba|bon|tu|sau|bay|tam|chin|muoi"
_ENGLISH_COUNT = {"three": 3, "six": 6, "nine": 9, "eleven": 11}
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "1": 1, "2": 2, "3": 3, "4": 4}
_TOKEN = re.compile(
    rf"""
      (?P<iso>\b(?P<iy>{_YEAR})-(?P<im>\d\d)(?:-(?P<id>\d\d))?(?:[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?\b)
    | (?P<range>\b(?:tu\s*)?(?:ngay\s*)?0?1/0?1(?:/{_YEAR})?\s*(?:-|den(?:\s*het)?(?:\s*ngay)?)\s*
        (?P<rd>\d{{1,2}})\s*/\s*(?P<rm>\d{{1,2}})(?:\s*/\s*(?P<ry>{_YEAR}))?)
    | (?P<date>\b(?:ngay\s*)?(?P<dd>\d{{1,2}})\s*[/.-]\s*(?P<dm>\d{{1,2}})\s*[/.-]\s*(?P<dy>{_YEAR}))
    | (?P<long>\bngay\s*(?P<ld>\d{{1,2}})\s*(?:/|-|th[ao]ng)
        \s*(?P<lm>\d{{1,2}}|(?:gieng|{_NAMED}|chap)(?![a-z]))(?:{_LINK}(?P<ly>{_YEAR}))?)
    | (?P<span>\b(?P<sn>1[0-2]|0?[1-9]|{_NAMED}|nam(?=\s+th[ao]ng\s+(?:dau|nam)\b))\s*th[ao]ng
        (?!\s*(?:\d{{1,2}}(?!\d)|(?:{_NAMED})\b))(?P<sd>\s*dau)?(?:{_LINK}(?P<sy>{_YEAR}))?(?!\s*(?:cuoi|qua|truoc|toi|gan)\b))
    | (?P<school>\b(?:nam\s*hoc\s*(?P<hy>{_YEAR})(?:\s*[-/]\s*\d{{2,4}})?|(?P<hz>{_YEAR})\s*-\s*(?P<hn2>{_YEAR})))
    | (?P<quarter>\b(?:quy|qui|q)\s*\.?(?P<qn>iii|ii|iv|i|[1-4])\b(?:{_LINK}(?P<qy>{_YEAR}))?)
    | (?P<year_q>\b(?P<yqy>{_YEAR})\s*[-/ ]?\s*q(?P<yqn>[1-4])\b)
    | (?P<year_w>\b(?P<ywy>{_YEAR})\s*-?\s*w(?P<ywn>\d\d)\b)
    | (?P<week>\btuan\s*(?:thu\s*)?(?P<wn>\d{{1,2}})(?:{_LINK}(?P<wy>{_YEAR}))?)
    | (?P<month>\b(?:th[ao]ng|th|t)\s*\.?\s*(?P<mn>1[0-2]|0?[1-9])(?!\d|\s*\+)(?:{_LINK}(?P<my>{_YEAR}))?)
    | (?P<named>\bth[ao]ng\s+(?P<nn>gieng|{_NAMED}|chap|nam(?=\s+(?:va|nam|so)\b|\s*$))(?![a-z])(?!\s*th[ao]ng)
        (?:{_LINK}(?P<ny>{_YEAR}))?)
    | (?P<slash>\b(?P<xm>1[0-2]|0?[1-9])\s*/\s*(?P<xy>{_YEAR}))
    | (?P<en_span>\b(?:first\s*)?(?P<esn>\d{{1,2}}|three|six|nine|eleven)\s*months?
        (?:\s*(?:of|in))?(?:\s*(?P<esy>{_YEAR}))?)
    | (?P<en_q>\b(?:quarter\s*(?P<eqa>iii|ii|iv|i\b|[1-4])|(?P<eqb>[1-4])\s*(?:st|nd|rd|th|sd)\s*quarter
        |(?P<eqc>first|second|thirs?d|fou?rth)\s*quarter)
        (?:\s*(?:of|in))?(?:\s*(?P<eqy>{_YEAR}))?)
    | (?P<en_month>\b(?:(?P<emn>jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec)
        (?:uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?|(?P<emay>may)(?=\s+{_YEAR}))\b\.?\s*(?:,?\s*(?P<emy>{_YEAR}))?)
    | (?P<half>\b(?P<hn>6)\s*th[ao]ng\s*cuoi\s*nam(?:\s*(?P<hhy>{_YEAR}))?)
    | (?P<year>\b(?:ca\s*)?(?:nam\s*)?(?P<yy>{_YEAR}))
    """,
    re.VERBOSE,
)


def _of(found: re.Match[str]) -> Period | None:  # one branch per form
    part = found.groupdict()

    def year(key: str) -> int | None:
        return int(part[key]) if part[key] else None

    kind = found.lastgroup if found.lastgroup in _KINDS else next(k for k in _KINDS if part[k])
    if kind == "iso":
        return _day(int(part["iy"]), int(part["im"]), int(part["id"])) if part["id"] else _month(year("iy"), part["im"])
    if kind == "range":
        return Period("M", year("ry"), int(part["rm"]), cumulative=True) if 1 <= int(part["rm"]) <= 12 else None
    if kind == "date":
        return _day(int(part["dy"]), int(part["dm"]), int(part["dd"]))
    if kind == "long":
        month = int(part["lm"]) if part["lm"].isdigit() else _NUMBER_OF[part["lm"]]
        return _day(year("ly"), month, int(part["ld"]))
    if kind == "span":
        count = int(part["sn"]) if part["sn"].isdigit() else _COUNT[part["sn"]]
        alone = count == 1 and not part["sy"] and not part["sd"]  # "thu nhập một tháng" is no period
        return None if alone else Period("M", year("sy"), count, cumulative=True)
    if kind == "en_span":
        count = int(part["esn"]) if part["esn"].isdigit() else _ENGLISH_COUNT[part["esn"]]
        return Period("M", year("esy"), count, cumulative=True) if 1 <= count <= 12 else None
    if kind == "en_q":
        spelled = {"first": 1, "second": 2, "third": 3, "thirsd": 3}.get(part["eqc"] or "", 4)
        return Period("Q", year("eqy"), _ROMAN[part["eqa"]] if part["eqa"] else int(part["eqb"] or spelled))
    if kind == "en_month":
        return Period("M", year("emy"), _ENGLISH.index(part["emn"] or "may") + 1)
    if kind == "named":
        return Period("M", year("ny"), _NUMBER_OF[part["nn"]])
    if kind == "school":
        first, last = year("hy") or year("hz"), year("hn2")
        return Period("Y", first, school=True) if last is None or last == (first or 0) + 1 else Period("Y", last)
    if kind in ("quarter", "year_q"):
        return Period("Q", year("qy" if kind == "quarter" else "yqy"), _ROMAN[part["qn"] or part["yqn"]])
    if kind in ("week", "year_w"):
        number = int(part["wn"] or part["ywn"])
        return Period("W", year("wy" if kind == "week" else "ywy"), number) if 1 <= number <= 53 else None
    if kind == "half":
        return Period("H", year("hhy"), 2)
    if kind == "year":
        return Period("Y", year("yy"))
    return _month(year("my" if kind == "month" else "xy"), part["mn"] or part["xm"])


_ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_KINDS = ("en_span", "en_q", "en_month", "iso", "range", "date", "long", "span", "school", "quarter",
          "year_q", "year_w", "week", "month", "named", "slash", "half", "year")  # fmt: skip


def _month(year: int | None, number: str) -> Period | None:
    return Period("M", year, int(number)) if 1 <= int(number) <= 12 else None


def _day(year: int | None, month: int, day: int) -> Period | None:
    try:
        date(year or 2000, month, day)
    except ValueError:
        return None
    return Period("D", year, month, day)


def find_periods(text: str) -> Iterator[tuple[int, int, Period]]:
    """Every period that a text names, with where it stands."""
    for found in _TOKEN.finditer(plain(text)):
        period = _of(found)
        if period is not None:
            yield found.start(), found.end(), period


_LOOSE = re.compile(r"[\s:;,.()*\-/]+")


def cell_period(value: CellValue) -> Period | None:
    """The period that one cell is, when it is nothing else: a date, `Tháng 3`, `2011-Q2`, `Quý I năm 2016`."""
    if isinstance(value, datetime | date):
        return Period("D", value.year, value.month, value.day)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        whole = int(value) if value == value and abs(value) < 1e9 and value == int(value) else 0
        return Period("Y", whole) if FIRST_YEAR <= whole <= LAST_YEAR else None
    if not isinstance(value, str) or len(value) > 60:
        return None
    found = list(find_periods(value))
    if len(found) != 1:
        return None
    start, end, period = found[0]
    rest = _LOOSE.sub(" ", plain(value[:start] + " " + value[end:])).strip()
    return period if rest in _BESIDE else None


_BESIDE = {
    "",
    "nam",
    "uoc tinh",
    "uoc",
    "uoc tinh nam",
    "so bo",
    "so bo nam",
    "thuc hien",
    "ca",
    "chinh thuc",
    "u",
    "sb",
    "estimate",
    "estimate of",
    "of",
    "year",
    "preliminary",
}
