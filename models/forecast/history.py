"""What a model is given: a gapless, scaled, seasonally adjusted window of a series, and the way back.

Decisions:
- Missing values at the end move the forecast's origin back; those at the start are dropped; those between are filled
  along the seasonally adjusted line, and count for nothing when the season is estimated.
- Cumulative values ("ytd") become flows first; the answer is cumulated again from the last known value.
- The newest `SEASON_CYCLES` cycles give the season and the newest `FIT_STEPS` steps the models, so that time and memory
  are bounded; older values hardly weigh in exponential smoothing, and seasons change.
- Steps shorter than a day follow the day, or the week where the series resembles itself more after a week.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInputError, PlatformError
from models.forecast.seasonal import Season, decompose, no_season
from models.values import Floats, ForecastOptions, Series, Warned

FIT_STEPS = 512
SEASON_CYCLES = 24
SEASON_STEPS = 50_000
WEEK_CYCLES = 3
"""Whole weeks that must be known before a series of hours or minutes may follow the week."""

MAX_SKIPPED = 1_000
CONSTANT_STEPS = 8
"""Fewer equal values than this do not prove that a series is constant."""

HUGE = 1.7e308

TOO_SHORT = Warned(
    "short_series",
    "Chuỗi quá ngắn; dự báo chỉ dựa trên vài giá trị và rất không chắc chắn.",
    "The series is very short; the forecast rests on a few values and is very uncertain.",
)
NO_SEASON = Warned(
    "season_not_estimable",
    "Chưa đủ hai chu kỳ để ước lượng tính mùa vụ.",
    "Fewer than two cycles: a season cannot be estimated.",
)
CONSTANT = Warned(
    "constant_series",
    "Chuỗi không đổi; khoảng dự báo có độ rộng bằng 0.",
    "The series is constant; the intervals have no width.",
)
FILLED = Warned("missing_values", "Các giá trị thiếu đã được nội suy.", "Missing values were interpolated.")
TRAILING = Warned(
    "missing_at_end",
    "Các kỳ cuối không có giá trị; dự báo bắt đầu từ kỳ cuối cùng có số liệu.",
    "The last periods have no value; the forecast starts from the last known one.",
)
NEGATIVE = Warned(
    "negative_values",
    "Chuỗi đếm hoặc dương có giá trị âm; dự báo vẫn được giữ không âm.",
    "A count or positive series has negative values; forecasts are still held at zero or above.",
)
TRIMMED = Warned(
    "long_series",
    "Chuỗi rất dài; mô hình dùng phần gần nhất.",
    "The series is very long; the models use its newest part.",
)
DECREASING = Warned(
    "negative_correction",
    "Số cộng dồn giảm trong năm.",
    "The cumulative value decreases within a year.",
)
IGNORED = Warned(
    "covariates_not_used",
    "Mô hình này chưa dùng biến ngoại sinh hoặc ngày lễ.",
    "This model does not use covariates or holidays.",
)


@dataclass(frozen=True, slots=True)
class Running:
    """What turns flows back into values cumulated within the year."""

    last: float
    years: npt.NDArray[np.int64]
    """Calendar year of the last known step and of each step after it."""


@dataclass(frozen=True, slots=True)
class History:
    """One series ready for the members.

    `adjusted` and `raw` are divided by `scale`; the season's phase 0 is their first step. `skipped` steps lie between
    the last known value and the first asked one.
    """

    raw: Floats
    adjusted: Floats
    season: Season
    period: int
    scale: float
    skipped: int
    floor: bool
    running: Running | None
    warnings: tuple[Warned, ...]


def understand(series: Series, options: ForecastOptions) -> History | PlatformError:
    """Prepare one series; an InvalidInputError where no model can use it or its axis ends."""
    try:
        series.axis.instants(len(series.values), options.horizon)
    except InvalidInputError as error:
        return error
    values = np.where(np.isfinite(series.values), series.values, np.nan)
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return InvalidInputError.at(
            "/series", "Chuỗi không có giá trị nào.", "The series has no value.", code="no-values"
        )
    period = options.season_length or _period(series, values)
    skipped = len(values) - 1 - int(known[-1])
    warnings = _remarks(series, options, known, skipped)
    running = None
    if series.measure == "ytd":
        years = series.axis.year_of(0, len(values) + options.horizon)
        running = Running(float(values[known[-1]]), years[known[-1] :])
        first = max(0, len(values) - SEASON_STEPS)
        before = int(series.axis.year_of(first - 1, 1)[0]) if years[first] > 1 else 0
        values = values.copy()
        values[first:], decreasing = flows(values[first:], years[first : len(values)], before)
        values[:first] = np.nan
        known = np.flatnonzero(~np.isnan(values))
        warnings += [DECREASING] if decreasing else []
    if skipped > MAX_SKIPPED:
        skipped = MAX_SKIPPED + (skipped - MAX_SKIPPED) % period
        running = None if running is None else Running(running.last, running.years[-(skipped + options.horizon + 1) :])
    return prepare(values[known[0] : known[-1] + 1], period, skipped, _floor(series, values), running, warnings)


def _period(series: Series, values: Floats) -> int:
    """The frequency's season; for hours and minutes the week where it tells more than the day."""
    day = series.axis.season
    week = 7 * day
    if series.axis.frequency.unit not in ("H", "min") or len(values) < WEEK_CYCLES * week:
        return day
    recent = values[-SEASON_CYCLES * week :]
    losses = [float(np.nanmean(np.abs(recent[week:] - recent[week - lag : len(recent) - lag]))) for lag in (day, week)]
    return week if losses[1] < losses[0] else day


def _remarks(series: Series, options: ForecastOptions, known: npt.NDArray[np.int64], skipped: int) -> list[Warned]:
    found = [TRAILING] if skipped else []
    found += [FILLED] if len(known) < known[-1] - known[0] + 1 else []
    found += [NEGATIVE] if series.kind in ("count", "positive") and (series.values[known] < 0).any() else []
    found += [TRIMMED] if len(series.values) > FIT_STEPS else []
    found += [IGNORED] if series.known_future or options.holidays else []
    return found


def _floor(series: Series, values: Floats) -> bool:
    """Held at zero: what counts or is positive by its kind, or never was negative while its kind is not told."""
    if series.kind in ("count", "positive"):
        return True
    return series.kind is None and bool(np.nanmin(values) >= 0)


def prepare(
    values: Floats, period: int, skipped: int, floor: bool, running: Running | None, warnings: list[Warned]
) -> History:
    """Fill, scale and adjust values whose first and last are known."""
    warnings = list(warnings)
    values = values[-min(SEASON_STEPS, max(FIT_STEPS, SEASON_CYCLES * period)) :]
    values = values[np.flatnonzero(~np.isnan(values))[0] :]
    scale = float(np.nanmax(np.abs(values))) or 1.0
    values = values / scale
    observed = ~np.isnan(values)
    raw = values if observed.all() else _fill(values, observed)
    season = decompose(raw, period, observed.astype(np.float64))
    adjusted = season.remove(raw)
    if not observed.all():
        adjusted = _fill(np.where(observed, adjusted, np.nan), observed)
        raw = season.restore(adjusted, 0)
    if len(raw) < 4:
        warnings.append(TOO_SHORT)
    elif period > 1 and len(raw) < 2 * period + 1:
        warnings.append(NO_SEASON)
    if len(raw) >= CONSTANT_STEPS and float(np.ptp(raw)) == 0:
        warnings.append(CONSTANT)
        season, adjusted = no_season(bool(raw[0] > 0)), raw
    cut = max(0, len(raw) - FIT_STEPS)
    return History(
        raw[cut:], adjusted[cut:], season.turned(cut), period, scale, skipped, floor, running, tuple(warnings)
    )


def _fill(values: Floats, observed: npt.NDArray[np.bool_]) -> Floats:
    """Straight lines across the gaps."""
    steps = np.arange(len(values))
    filled: Floats = np.interp(steps, steps[observed], values[observed])
    return filled


def flows(values: Floats, years: npt.NDArray[np.int64], year_before: int) -> tuple[Floats, bool]:
    """Differences within each calendar year of cumulated values; a sum over a gap is shared evenly.

    `year_before` is the year of the step before the first: in a year that began earlier the first value holds steps
    that are not known, so it only sets the level. Returns the flows and whether a cumulated value ever decreased.
    """
    out = np.full(len(values), np.nan)
    decreasing = False
    previous, level, year = -1, 0.0, None
    for t in np.flatnonzero(~np.isnan(values)).tolist():
        if years[t] != year:
            start = int(np.searchsorted(years, years[t]))
            previous, level, year = start - 1, 0.0, years[t]
            if start == 0 and year == year_before:
                previous, level = t, float(values[t])
                continue
        out[previous + 1 : t + 1] = (values[t] - level) / (t - previous)
        decreasing = decreasing or bool(values[t] < level)
        previous, level = t, float(values[t])
    return (values.copy() if np.isnan(out).all() else out), decreasing


def cumulate(mean: Floats, quantiles: Floats, running: Running, correlation: float = 0.5) -> tuple[Floats, Floats]:
    """Flows (steps,) and their quantiles (level, steps) as values cumulated within each year.

    Deviations of summed steps are taken as equally correlated, between independent (0) and moving together (1).
    """
    total, spread = np.empty_like(mean), np.empty_like(quantiles)
    level = running.last
    sums = squares = np.zeros(len(quantiles))
    for k in range(len(mean)):
        if running.years[k + 1] != running.years[k]:
            level, sums, squares = 0.0, np.zeros(len(quantiles)), np.zeros(len(quantiles))
        level += mean[k]
        deviation = quantiles[:, k] - mean[k]
        sums, squares = sums + deviation, squares + deviation**2
        total[k] = level
        spread[:, k] = level + np.sign(sums) * np.sqrt((1 - correlation) * squares + correlation * sums**2)
    return total, spread
