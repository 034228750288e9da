"""Time axes: frequencies, calendar arithmetic and the names of periods.

Decisions:
- Dates are calendar arithmetic in numpy's `datetime64[s]`, which reaches the year 9999 (nanosecond clocks end in
  2262). Month ends do not drift: an axis that starts on the last day of a month stays on last days.
- Times without a zone are Asia/Ho_Chi_Minh, times with one are moved there; the zone database is asked, not a fixed
  +07:00, because the offset was +08:00 before 1975. `2024-12-31T17:00:00Z` as a month is January 2025.
- From days upwards a step is a date: its time of day is dropped after the zone was applied.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInputError

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
LAST_YEAR = 9999
_FIRST = np.datetime64("0001-01-01T00:00:00")
_LAST = np.datetime64("9999-12-31T23:59:59")
SEVEN_HOURS_SINCE = np.datetime64("1975-06-13T00:00:00")
"""From here on the zone's offset is +07:00 without exception."""

MONTHS = {"Y": 12, "Q": 3, "M": 1}
SECONDS = {"W": 7 * 86_400, "D": 86_400, "H": 3_600, "min": 60}
DEKAD = "dekad"
"""Unit of the ten-day periods that start on the 1st, 11th and 21st; only `timeline` makes it, from timestamps."""

_CODE = re.compile(r"(\d{1,4})?([A-Za-z]+)(?:-([A-Z]{3}))?")
_WORDS = {
    "Y": "Y", "y": "Y", "A": "Y", "a": "Y", "YS": "Y", "YE": "Y", "AS": "Y", "BYE": "Y", "BYS": "Y",
    "Q": "Q", "q": "Q", "QS": "Q", "QE": "Q", "BQE": "Q", "BQS": "Q",
    "M": "M", "MS": "M", "ME": "M", "BME": "M", "BMS": "M",
    "W": "W", "w": "W", "D": "D", "d": "D", "H": "H", "h": "H", "min": "min", "T": "min",
}  # fmt: skip
_WEEKDAYS = frozenset({"MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"})
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_PERIOD = re.compile(r"(\d{4})(?:-?(?:(Q)([1-4])|(W)(\d{2})(?:-?([1-7]))?|-(\d{2}))?)?")

Instants = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Frequency:
    """A step of a regular axis.

    `unit` is one of Y, Q, M, W, D, H, min; `every` counts units; `season` is the usual number of steps in a season
    (12 for months, 1 for years).
    """

    code: str
    unit: str
    every: int
    season: int

    @classmethod
    def parse(cls, code: str, pointer: str = "/frequency") -> Frequency:
        """Read `30min H D W W-SUN 10D M Q Y` and pandas' other names for them. Raises InvalidInputError."""
        found = _CODE.fullmatch(code)
        unit = _WORDS.get(found[2]) if found else None
        every = int(found[1] or 1) if found else 0
        anchors = _WEEKDAYS if unit == "W" else frozenset(_MONTH_NAMES) if unit in ("Q", "Y") else frozenset()
        if found is None or unit is None or every < 1 or (found[3] is not None and found[3] not in anchors):
            raise InvalidInputError.at(
                pointer,
                "Tần suất không hợp lệ; dùng một trong 30min, H, D, W, W-SUN, 10D, M, Q, Y.",
                "Unknown frequency; use one of 30min, H, D, W, W-SUN, 10D, M, Q, Y.",
                code="bad-frequency",
            )
        return cls(code, unit, every, season_of(unit, every))


def season_of(unit: str, every: int) -> int:
    """The usual season in steps: a year for months, quarters, weeks and ten days, a week for days, a day below."""
    if unit in MONTHS:
        months = MONTHS[unit] * every
        return 12 // months if 12 % months == 0 else 1
    if unit == "W":
        return max(1, 52 // every)
    if unit == "D":
        return 7 if every == 1 else 36 if every == 10 else max(1, round(365.25 / every)) if every >= 7 else 1
    if unit == DEKAD:
        return 36
    day = 86_400 // SECONDS[unit]
    return day // every if day % every == 0 else 1


def parse_instant(text: str, pointer: str = "/start_timestamp") -> datetime:
    """A local time (Asia/Ho_Chi_Minh, without zone).

    Reads `2025`, `2025-01`, `2025-Q1`, `2025-W05`, an ISO date or an ISO time with or without zone. Raises
    InvalidInputError.
    """
    try:
        found = _PERIOD.fullmatch(text)
        if found is None:
            moment = datetime.fromisoformat(text)
            return moment.astimezone(ZONE).replace(tzinfo=None) if moment.tzinfo else moment
        year = int(found[1])
        if found[2]:
            return datetime(year, 3 * int(found[3]) - 2, 1)
        if found[4]:
            return datetime.combine(date.fromisocalendar(year, int(found[5]), int(found[6] or 1)), datetime.min.time())
        return datetime(year, int(found[7] or 1), 1)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError.at(
            pointer,
            "Mốc thời gian không hợp lệ; dùng 2025-01, 2025-Q1, 2025-W05 hoặc ngày giờ ISO 8601.",
            "Malformed time; use 2025-01, 2025-Q1, 2025-W05 or an ISO 8601 date or time.",
            code="bad-timestamp",
        ) from error


@dataclass(frozen=True, slots=True)
class Axis:
    """A regular axis: the local start of the first step in ISO 8601 (without zone) and the frequency."""

    frequency: Frequency
    start: str
    day: int = 0
    """Day of the month on which month steps fall; 31 means the last day, 0 the day of `start`."""

    @classmethod
    def parse(cls, frequency: str, start: str, pointer: str = "") -> Axis:
        """An axis from its wire form. `pointer` is the JSON Pointer of the series. Raises InvalidInputError."""
        step = Frequency.parse(frequency, pointer + "/frequency")
        return cls.of(step, parse_instant(start, pointer + "/start_timestamp"))

    @classmethod
    def of(cls, frequency: Frequency, moment: datetime) -> Axis:
        """An axis that starts at a local moment; from days upwards its time of day is dropped."""
        if frequency.unit not in ("H", "min"):
            moment = datetime(moment.year, moment.month, moment.day)
        last = moment.day == monthrange(moment.year, moment.month)[1]
        return cls(frequency, moment.replace(microsecond=0).isoformat(), 31 if last else moment.day)

    @property
    def season(self) -> int:
        """The frequency's usual season, in steps."""
        return self.frequency.season

    def instants(self, first: int, count: int) -> Instants:
        """Local times of `count` steps from step `first` on. Raises InvalidInputError outside the years 1…9999."""
        unit, every = self.frequency.unit, self.frequency.every
        origin = np.datetime64(self.start, "s")
        seconds = SECONDS.get(unit) or (MONTHS[unit] * 28 * 86_400 if unit in MONTHS else 8 * 86_400)
        bound = (_LAST - _FIRST).astype(np.int64) // (seconds * every) + 1
        if max(abs(first), abs(first + count)) > bound:
            raise _beyond()
        steps = np.arange(first, first + count, dtype=np.int64) * every
        if unit in MONTHS:
            found = self._months(steps * MONTHS[unit])
        elif unit == DEKAD:
            found = self._dekads(steps)
        else:
            found = origin + (steps * seconds).astype("timedelta64[s]")
        if count and (found[0] < _FIRST or found[-1] > _LAST):
            raise _beyond()
        return found

    def _months(self, offsets: npt.NDArray[np.int64]) -> Instants:
        """Steps of whole months on the axis' day, held to each month's length."""
        months = np.datetime64(self.start, "M") + offsets
        firsts = months.astype("datetime64[D]")
        lengths = ((months + 1).astype("datetime64[D]") - firsts).astype(np.int64)
        days = np.minimum(lengths, self.day or int(self.start[8:10]))
        found: Instants = (firsts + (days - 1)).astype("datetime64[s]")
        return found

    def _dekads(self, steps: npt.NDArray[np.int64]) -> Instants:
        """Ten-day periods: the 1st, 11th and 21st of each month."""
        month = np.datetime64(self.start, "M").astype(np.int64)
        ordinals = month * 3 + min(2, (int(self.start[8:10]) - 1) // 10) + steps
        firsts = (ordinals // 3).astype("datetime64[M]").astype("datetime64[D]")
        found: Instants = (firsts + ordinals % 3 * 10).astype("datetime64[s]")
        return found

    def shift(self, steps: int) -> Axis:
        """The axis that starts `steps` later. Raises InvalidInputError outside the years 1…9999."""
        return replace(self, start=str(self.instants(steps, 1)[0]))

    def stamps(self, first: int, count: int) -> list[str]:
        """ISO 8601 times with their offset, `2025-01-01T00:00:00+07:00`."""
        found = self.instants(first, count)
        texts = np.datetime_as_string(found, unit="s").tolist()
        if count and found[0] >= SEVEN_HOURS_SINCE:
            return [text + "+07:00" for text in texts]
        return [datetime.fromisoformat(text).replace(tzinfo=ZONE).isoformat() for text in texts]

    def periods(self, first: int, count: int) -> list[str]:
        """Names of periods: `2025`, `2025-Q1`, `2025-01`, `2025-W05`, `2025-01-31`, `2025-01-31T13:30`."""
        found = self.instants(first, count)
        unit = self.frequency.unit
        if unit == "Q":
            months = found.astype("datetime64[M]").astype(np.int64)
            return [f"{1970 + m // 12:04d}-Q{m % 12 // 3 + 1}" for m in months.tolist()]
        if unit == "W":
            weeks = [day.isocalendar() for day in found.astype("datetime64[D]").tolist()]
            return [f"{week.year:04d}-W{week.week:02d}" for week in weeks]
        width = {"Y": "Y", "M": "M", "D": "D", DEKAD: "D"}.get(unit, "m")
        names: list[str] = np.datetime_as_string(found, unit=width).tolist()  # type: ignore[call-overload]
        return names

    def year_of(self, first: int, count: int) -> npt.NDArray[np.int64]:
        """The calendar year of each step, shape (count,)."""
        return self.instants(first, count).astype("datetime64[Y]").astype(np.int64) + 1970


def _beyond() -> InvalidInputError:
    return InvalidInputError.at(
        "/options/horizon",
        f"Trục thời gian vượt ra ngoài khoảng năm 1 đến {LAST_YEAR}.",
        f"The time axis leaves the years 1 to {LAST_YEAR}.",
        code="beyond-calendar",
    )
