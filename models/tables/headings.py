"""A column's heading understood: the period, the measure, the unit, and what is left as the name of a series.

Tháng 7 năm 2006 so với tháng 7 năm 2005 (%)   2006-07, index_same_period, %
Cộng dồn 7 tháng năm 2006                      2006-07, ytd
Ước tính tháng 7 năm 2006 / Trị giá            2006-07, flow, estimate, series "Trị giá"
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.tables.periods import Period, find_periods
from models.tables.phrases import plain, tidy
from models.tables.shape import Revision
from models.tables.units import (
    bracketed_unit,
    is_percent,
    is_progress,
    measure_of_title,
    measure_of_words,
    without_unit,
)
from models.values import Measure

_COMPARED = re.compile(
    r"(?<![a-z])so\s*(?:voi|cung|sanh voi)\b\s*:?|\bcompared?\s+(?:to|with)\b|\bover\b(?=\s*\(%)|\bversus\b|\bvs\.?\b"
)
_PRICES = re.compile(
    r"(?:theo\s+)?(?:gia|nam)\s*(?:so sanh|co dinh|goc)\s*(?:nam\s*)?\(?\s*(?:19|20)\d\d\s*\)?|"
    r"\(?\s*(?:19|20)\d\d\s*=\s*100\s*%?\s*\)?|\bky goc\s*(?:nam\s*)?\(?\s*(?:19|20)\d\d\s*\)?"
)
_PLAN = re.compile(r"\b(?:ke hoach|du toan|kh\b|plan\b)(?:\s*nam)?(?:\s*(?:19|20)\d\d)?")
_LAST_YEAR = re.compile(
    r"\bcung ky(?: nam truoc)?|\bcung thoi diem (?:nam truoc|(?:19|20)\d\d)|\bnam truoc|\bsame period"
)
_BEFORE = re.compile(
    r"\b(?:thang|ky|quy|tuan)\s+truoc(?! nam)\b|\bcung thoi diem thang truoc|\b(?:previous|last) (?:month|quarter)"
)
_MOVED = re.compile(r"\btang\s*[,/(+-]*\s*giam\b|\bchenh lech\b|\bincrease\b")
_AGO = re.compile(
    r"\b(?:the )?same period(?: last year)?|\blast year|\bcung (?:ky|thoi diem)(?: nam| thang)? truoc|"
    r"\b(?:nam|thang|ky|quy) truoc"
)
_FIXED = re.compile(r"\bky goc|\bgoc\b|\bbase\b")
_BASE_WORDS = re.compile(
    r"\b(?:cung|thoi diem|thang|ky|nam|truoc|voi|same|period|last|year|of|the|previous|month)\b(?!\s*\d)"
)
_REVISIONS: tuple[tuple[re.Pattern[str], Revision], ...] = (
    (re.compile(r"\buoc(?: tinh)?\b|\bestimate"), "estimate"),
    (re.compile(r"\bso bo\b|\bprel"), "preliminary"),
    (re.compile(r"\bchinh thuc\b"), "final"),
)
_STATUS = re.compile(
    r"\b(?:thuc hien(?: cung ky(?: nam truoc)?| ky nay| ky truoc)?|uoc tinh|uoc|so bo|chinh thuc|cong don|"
    r"nam hoc|cung ky(?: nam truoc)?|ky nay|ky truoc|ty le so sanh|tinh chung|chia ra|trong do|"
    r"luy ke|estimated?|accumulated|"
    r"accumulation|preliminary|performance|accrued|this period|tinh den|den ngay)\b\s*:?|%"
)
_AVERAGE = re.compile(r"\bbinh quan\b|\baverage\b")
_QUANTITY = re.compile(r"\b(?:luong|so luong|khoi luong|quantity|volume)\b")
_WORTH = re.compile(r"\b(?:tri gia|gia tri|von|kim ngach|value)\b")


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a column: the title's words, its period, the year to fill in, and the table's units."""

    title: str
    period: Period | None
    around: Period | None
    units: tuple[str, ...]
    base: str = ""
    """What a title compares all its figures with."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading understood; `own` tells whether the period stood in the heading itself."""

    period: Period | None
    own: bool
    measure: Measure | None
    unit: str | None
    series: str
    revision: Revision | None


def periods_in(text: str) -> list[Period]:
    """The periods that a title or heading speaks of, without the base year of prices and plans."""
    return [period for _, _, period in find_periods(_without_prices(text))]


def _without_prices(text: str) -> str:
    flat = plain(text)
    for found in _PRICES.finditer(flat):
        text = text[: found.start()] + " " * (found.end() - found.start()) + text[found.end() :]
    return text


def understand(heading: str, context: Context) -> Heading:
    """Read one heading, its rows joined from the top down."""
    flat = plain(heading)
    split = _COMPARED.search(flat)
    left, right = (heading[: split.start()], heading[split.end() :]) if split else (heading, context.base)
    compared = split is not None or (bool(context.base) and _is_index(heading, context))
    subject = _subject(periods_in(left), context)
    if subject is None and split and _PLAN.search(plain(right)):
        subject = _subject(periods_in(_cut(right, _PLAN)), context)
    if subject is None and split and (beside := _AGO.search(plain(right))):
        subject = _subject(periods_in(right[: beside.start()] + right[beside.end() :]), context)
    own = subject is not None
    period = subject or _relative(plain(left), context) or context.period
    if subject is None and split and not context.period:
        period = _implied(periods_in(right), plain(right)) or period
    measure: Measure | None
    moved = split is not None and _MOVED.search(plain(left)) is not None
    unit = _unit(heading, context, compared=compared and not moved)
    if moved:  # a difference in units is none of the measures: somebody is asked
        measure, tag = ("change_pct", "") if is_percent(unit) else (None, "tăng, giảm")
    else:
        measure, tag = _compared(period, right, context) if compared else _stated(heading, period, unit, context)
    rest = f"{left} {_below(right)}" if split else left
    return Heading(period, own, measure, unit, _series(rest, tag), _revision(flat))


def split_title(title: str) -> tuple[str, str]:
    """A title's own words and what it compares with: `… các tháng năm 2006` and `tháng 12 năm 2005`."""
    found = _COMPARED.search(plain(title))
    return (title[: found.start()], title[found.end() :]) if found else (title, "")


def _is_index(heading: str, context: Context) -> bool:
    """Whether a title's comparison holds for a column: its figures are per cent."""
    own = bracketed_unit(heading)
    return is_percent(own) or (own is None and len(context.units) == 1 and is_percent(context.units[0]))


def _cut(text: str, pattern: re.Pattern[str]) -> str:
    for found in pattern.finditer(plain(text)):
        text = text[: found.start()] + " " * (found.end() - found.start()) + text[found.end() :]
    return text


def _below(right: str) -> str:
    """What stands under a comparison: `(%) tháng 7 năm 2005 Trị giá` leaves `Trị giá`."""
    for pattern in (_PLAN, _AGO, _LAST_YEAR, _BEFORE, _FIXED):
        right = _cut(right, pattern)
    for start, end, _ in find_periods(right):
        right = right[:start] + " " * (end - start) + right[end:]
    return _cut(right, _BASE_WORDS)


def _subject(found: Sequence[Period], context: Context) -> Period | None:
    """The one period that a heading speaks of: a year given apart completes it."""
    if not found:
        return None
    fine = [period for period in found if period.unit != "Y"] or list(found)
    years = {period.year for period in found if period.year is not None}
    chosen = fine[-1]
    if chosen.year is None and len(years) == 1:
        chosen = replace(chosen, year=next(iter(years)))
    return chosen.within(context.around)


def _relative(left: str, context: Context) -> Period | None:
    """`Thực hiện cùng kỳ năm trước` and `kỳ này`, told from the title's period."""
    if context.period is None:
        return None
    if _LAST_YEAR.search(left):
        return context.period.back(1)
    return context.period.before() if _BEFORE.search(left) else None


def _implied(bases: Sequence[Period], right: str) -> Period | None:
    """The period of `so với cùng kỳ năm 2023`: one year after what it is compared with."""
    if len(bases) == 1 and bases[0].year is not None and _LAST_YEAR.search(right):
        return bases[0].back(-1)
    return None


def _compared(period: Period | None, right: str, context: Context) -> tuple[Measure, str]:
    flat = plain(right)
    summed = "cộng dồn" if period is not None and period.cumulative else ""
    if _PLAN.search(flat):
        return "rate", tidy(f"so với kế hoạch {summed}")
    if _FIXED.search(flat):
        year = re.search(r"(?:19|20)\d\d", flat)
        return "rate", f"so với kỳ gốc {year[0]}" if year else "so với kỳ gốc"
    if _BEFORE.search(flat):
        return "index_prev", summed
    bases = [base.within(context.around) for base in periods_in(right)]
    if _LAST_YEAR.search(flat) or not bases:
        return "index_same_period", summed
    if period is None:  # periods run down the rows, all compared with one
        around = context.around.year if context.around else None
        december = bases[0].unit == "M" and bases[0].number == 12 and bases[0].year == (around or 0) - 1
        return "rate", "so với tháng 12 năm trước" if december else f"so với {bases[0].name}"
    base = _subject(periods_in(right), context) or bases[0]
    return _against(period, base, summed)


def _against(period: Period, base: Period, summed: str) -> tuple[Measure, str]:
    same = (base.unit, base.number) == (period.unit, period.number) or base.unit == "Y"
    if base.year is None or period.year is None:
        if same:
            return "index_same_period", summed
        return ("index_prev", summed) if base.number == period.before().number else ("rate", f"so với {base.number}")
    if same and base.year == period.year - 1:
        return "index_same_period", summed
    before = period.before()
    if (base.unit, base.number, base.year) == (before.unit, before.number, before.year):
        return "index_prev", summed
    if base.unit == "M" and base.number == 12 and base.year == period.year - 1:
        return "rate", "so với tháng 12 năm trước"
    return "rate", f"so với {base.name}"


def _stated(heading: str, period: Period | None, unit: str | None, context: Context) -> tuple[Measure | None, str]:
    """The measure of a heading without a comparison."""
    summed = "cộng dồn" if period is not None and period.cumulative else ""
    measure = measure_of_words(heading)
    if measure == "rate" and _AVERAGE.search(plain(heading)) and not is_percent(unit):
        return "rate", "bình quân"
    if measure in ("rate", "change_pct", "index_same_period"):
        return measure, summed
    if is_percent(unit):
        titled = measure_of_title(context.title)
        if titled in ("change_pct", "rate", "index_same_period"):
            return titled, summed
        return "rate", summed
    measure = measure or measure_of_title(context.title)
    if period is not None and period.cumulative and measure in ("flow", "stock", None):
        return "ytd", ""  # a stock is never of nine months
    if measure == "stock":
        return "stock", ""
    if is_progress(context.title):
        return None, ""
    return (measure if measure in ("flow", "rate") else None), ""


def _unit(heading: str, context: Context, *, compared: bool) -> str | None:
    own = bracketed_unit(heading)
    if compared:
        return own if is_percent(own) else "%"
    if own:
        return own
    flat = plain(heading)
    if re.search(r"\b(?:co cau|ty trong|ti trong|toc do)\b", flat):
        return "%"
    if "%" in heading:
        return "%"
    if len(context.units) == 2 and (_QUANTITY.search(flat) or _WORTH.search(flat)):
        return context.units[1] if _WORTH.search(flat) else context.units[0]
    return context.units[0] if len(context.units) == 1 else None


def _revision(flat: str) -> Revision | None:
    return next((name for pattern, name in _REVISIONS if pattern.search(flat)), None)


def _series(left: str, tag: str) -> str:
    """What is left of a heading once periods, status words and units are taken out."""
    text = _without_prices(without_unit(_cut(left, re.compile(r"\(\s*%\s*\)"))))
    spans = [(start, end) for start, end, _ in find_periods(text)]
    spans += [found.span() for found in _STATUS.finditer(plain(text))]
    kept = "".join(char for at, char in enumerate(text) if not any(a <= at < b for a, b in spans))
    kept = re.sub(r"\(\s*\)|^[\s\-–:;,./]+|[\s\-–:;,./]+$", "", tidy(kept))
    if plain(kept) in ("nam", "thang", "quy", "nam truoc", "ky nay", "tai", "den"):
        kept = ""
    return tidy(f"{kept} ({tag})" if kept and tag else kept or tag)
