"""The order of day, month and year in a column, decided from all its cells and never from one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from models.tables.grid import CellValue
from models.tables.periods import Period, cell_period
from models.tables.phrases import is_number, plain
from models.tables.shape import ColumnType, DateOrder

_PARTS = re.compile(
    r"\s*(\d{1,4})[/.\-](\d{1,2})[/.\-](\d{1,4})(?:[ T]+(\d{1,2}):(\d{2})(?::\d{2}(?:\.\d+)?)?)?\s*(?:Z)?\s*"
)
_EXCEL_START = date(1899, 12, 30)
_EXCEL_SPAN = (7_000, 80_000)
_NAMES: tuple[tuple[re.Pattern[str], ColumnType], ...] = (
    (re.compile(r"(?:nam|year|nien do|nam bao cao)\b"), "year"),
    (re.compile(r"(?:thang|month)\b"), "month"),
    (re.compile(r"(?:quy|quarter)\b"), "quarter"),
    (re.compile(r"(?:tuan|week)\b"), "week"),
)
_DATED = re.compile(r"\b(?:ngay|date|thoi gian|thoi diem|ky|time|timestamp|day|period)\b")


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """What a column of times is; `unsure` when nothing in it tells day from month."""

    type: ColumnType
    order: DateOrder
    unsure: bool = False


def time_column(name: str, cells: Iterable[CellValue]) -> TimeColumn | None:
    """What a column of times holds; None when it is none."""
    flat = plain(name).replace("_", " ").strip()
    filled = [value for value in cells if value is not None and value != ""]
    if not filled:
        return None
    numbers = [whole for value in filled if (whole := _whole(value)) is not None]
    if len(numbers) >= 0.95 * len(filled):
        return _numbered(flat, numbers)
    if all(isinstance(value, date) for value in filled[:50]):
        return TimeColumn("date", "ymd")
    parts = [found for value in filled if isinstance(value, str) and (found := _PARTS.fullmatch(value))]
    if len(parts) >= 0.9 * len(filled):
        return _ordered(parts)
    known = sum(cell_period(value) is not None for value in filled)
    return TimeColumn("period", "period") if known >= 0.9 * len(filled) else None


def _whole(value: CellValue) -> int | None:
    if is_number(value):
        return int(value) if value == int(value) else None  # type: ignore[arg-type]
    return int(value) if isinstance(value, str) and value.strip().isdigit() and len(value.strip()) <= 6 else None


def _numbered(name: str, numbers: list[int]) -> TimeColumn | None:
    """Whole numbers are times only under a heading that says so; years also speak for themselves."""
    low, high = min(numbers), max(numbers)
    for pattern, kind in _NAMES:
        top = {"year": 2100, "month": 12, "quarter": 4, "week": 53}[kind]
        if pattern.match(name) and high <= top and low >= (1900 if kind == "year" else 1):
            return TimeColumn(kind, "period")
    if (
        low >= 190_001
        and high <= 210_012
        and all(1 <= number % 100 <= 12 for number in numbers)
        and _DATED.search(name)
    ):
        return TimeColumn("month", "period")
    if _DATED.search(name) and low >= _EXCEL_SPAN[0] and high <= _EXCEL_SPAN[1]:
        return TimeColumn("date", "excel")
    if low >= 1900 and high <= 2100 and len(set(numbers)) > 1 and name in ("", "ky", "thoi gian", "time", "period"):
        return TimeColumn("year", "period")
    return None


def _ordered(parts: list[re.Match[str]]) -> TimeColumn | None:
    firsts = [found[1] for found in parts]
    if all(len(first) == 4 for first in firsts):
        return TimeColumn("date", "ymd")
    if any(len(first) > 2 for first in firsts):
        return None
    most_first = max(int(first) for first in firsts)
    most_second = max(int(found[2]) for found in parts)
    if most_first > 12 and most_second > 12:
        return None
    if most_second > 12:
        return TimeColumn("date", "mdy")
    return TimeColumn("date", "dmy", unsure=most_first <= 12 and len({found[0] for found in parts}) > 0)


def read_time(value: CellValue, order: DateOrder | None) -> Period | str | None:
    """One cell of a column of times; a text when it has a time of day."""
    if isinstance(value, datetime) and (value.hour or value.minute):
        return value.strftime("%Y-%m-%dT%H:%M")
    if isinstance(value, date):
        return Period("D", value.year, value.month, value.day)
    if order == "excel" and (serial := _whole(value)) is not None:
        day = _EXCEL_START + timedelta(days=serial)
        return Period("D", day.year, day.month, day.day)
    if isinstance(value, str) and order in ("dmy", "mdy", "ymd"):
        return _parsed(value, order)
    if (whole := _whole(value)) is not None and 190_001 <= whole <= 210_012:
        return Period("M", whole // 100, whole % 100) if 1 <= whole % 100 <= 12 else None
    return cell_period(value)


def _parsed(text: str, order: DateOrder) -> Period | str | None:
    found = _PARTS.fullmatch(text)
    if found is None:
        return cell_period(text)
    a, b, c = int(found[1]), int(found[2]), int(found[3])
    year, month, day = {"dmy": (c, b, a), "mdy": (c, a, b)}.get(order, (a, b, c))
    year += 2000 if year < 70 else 1900 if year < 100 else 0
    try:
        moment = datetime(year, month, day, int(found[4] or 0), int(found[5] or 0))
    except ValueError:
        return None
    if found[4] and (moment.hour or moment.minute):
        return moment.strftime("%Y-%m-%dT%H:%M")
    return Period("D", year, month, day)
