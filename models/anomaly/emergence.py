"""The beginning of something new in counts: growth that neither the last months nor the same months of other years had.

A series that has just begun knows no season and no usual level, so the baseline cannot tell an epidemic's first months
from its own start. Here a count is held against the mean of the up to six counts before it alone. The ratio is judged
on a log scale with the scatter such ratios had so far (never less than that of a quiet notifiable disease) and
Poisson's share, so small counts need a large rise. Decision: only the past is asked; what began stays held against the
months before its beginning for as long as it lasts, half a year at most. Where the whole series is at hand, a rise that
the following years repeat to the same height is the season, not news.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from models.anomaly.baseline import MAD_TO_SIGMA, Rows
from models.anomaly.evidence import Evidence, settle
from models.anomaly.rows import Bools, Floats
from models.calendar import Frequency

Places = npt.NDArray[np.int64]
BEFORE, LEAST_BEFORE = 6, 3
RISE, ABOVE_OTHER_YEARS, OTHER_YEARS = 2.0, 1.5, 5
LATER_YEARS, LEAST_LATER_YEARS = 5, 2
LEAST_COUNT = 10.0
QUIET_SCATTER = 0.35
LONGEST = 6
SLOW = frozenset({"Y", "Q", "M", "dekad", "W"})
"""Steps at which people report; counts by the day or hour have other laws."""


def merge(rows: Rows, found: Evidence, frequency: Frequency, level: float, *, causal: bool) -> tuple[Evidence, Bools]:
    """The evidence with what begins in counts laid over it, and where something begins (rows, time).

    Counts are what the caller named so; unless `causal` also unnamed series of whole numbers.

    There `expected` is the mean before and the band is around it: the event is news against those months, not against
    a season that the series may not have yet. `level` is the one-sided p-value that counts as an alarm.
    """
    whole = rows.counts
    if not causal:
        whole = (rows.values == np.floor(rows.values)).all(axis=1) & rows.positive & (rows.counts | rows.unnamed)
    nothing = np.zeros(rows.values.shape, bool)
    if frequency.unit not in SLOW or not whole.any():
        return found, nothing
    new = beginnings(rows.values, rows.seen, whole, rows.season, level, causal=causal)
    begins = (new.p < level) & (new.p < found.up)
    if not begins.any():
        return found, nothing
    reach = float(-ndtri(max(level, 1e-15)))
    laid = Evidence(
        np.where(begins, new.before, found.expected), np.where(begins, (new.before + 1) * new.scatter, found.sigma),
        np.where(begins, new.p, found.up), np.where(begins, 1.0, found.down),
        np.where(begins, np.maximum(new.edge(-reach), 0.0), found.lower),
        np.where(begins, new.edge(reach), found.upper), found.seasonal,
    )  # fmt: skip
    return settle(rows, laid, level), begins


@dataclass(frozen=True, slots=True)
class Beginnings:
    """Arrays (rows, time): one-sided p-values (1 where nothing begins), and the mean before and its scatter (logs)."""

    p: Floats
    before: Floats
    scatter: Floats

    def edge(self, quantile: float) -> Floats:
        """The count that lies so many deviations above the mean before."""
        found: Floats = (self.before + 1) * np.exp(quantile * self.scatter) - 1
        return found


def beginnings(
    values: Floats, seen: Bools, counts: Bools, season: int, level: float, *, causal: bool = True
) -> Beginnings:
    """What begins in the rows that are `counts` (rows,); `level` is the one-sided p-value that counts as an alarm.

    Unless `causal`, a beginning that later years repeat at the same season and as high is taken for that season.
    """
    found = Beginnings(np.ones(values.shape), np.zeros(values.shape), np.ones(values.shape))
    for row in np.flatnonzero(counts & seen.any(axis=1)):
        steps = np.flatnonzero(seen[row])
        line = np.maximum(values[row, steps], 0.0)
        for first, last in _one(line, steps, season, level, found, int(row)):
            if not causal and _returns(line, steps, first, last, season):
                found.p[row, steps[first:last]] = 1.0
    return found


def _one(line: Floats, steps: Places, season: int, level: float, found: Beginnings, row: int) -> list[tuple[int, int]]:
    """Look through the observed counts of one row; returns what began as (first, one past the last) of them."""
    stretches: list[tuple[int, int]] = []
    if len(line) <= LEAST_BEFORE:
        return stretches
    mean, highest = _before(line)
    least = np.sqrt(QUIET_SCATTER**2 + 1.0 / (mean + 1.0))
    ratio = np.log1p(line) - np.log1p(mean)
    rising = (line > RISE * highest) & (line - mean >= LEAST_COUNT)
    rising[:LEAST_BEFORE] = False
    free = 0
    for at in np.flatnonzero(rising).tolist():
        if at < free or line[at] <= ABOVE_OTHER_YEARS * _other_years(line, steps, at, season):
            continue
        past = slice(LEAST_BEFORE, at)
        usual, restless = _scatter(ratio[past]), _scatter(ratio[past] / least[past])
        scatter = min(
            float(np.hypot(max(usual, QUIET_SCATTER), 1 / np.sqrt(mean[at] + 1))), float(least[at]) * max(1.0, restless)
        )
        last = at
        while last < min(len(line), at + LONGEST):
            p = float(ndtr(-(np.log1p(line[last]) - np.log1p(mean[at])) / scatter))
            if p >= level:
                break
            place = row, steps[last]
            found.p[place], found.before[place], found.scatter[place] = max(p, 1e-15), mean[at], scatter
            last += 1
        free = last
        if last > at:
            stretches.append((at, last))
    return stretches


def _returns(line: Floats, steps: Places, first: int, last: int, season: int) -> bool:
    """Whether most later years are as high in the months of a beginning: then it is the season that begins."""
    peaks = []
    for year in range(1, LATER_YEARS + 1):
        inside = (steps >= steps[first] + year * season) & (steps <= steps[last - 1] + year * season)
        if season > 1 and inside.any() and steps[-1] >= steps[last - 1] + year * season:
            peaks.append(float(line[inside].max()))
    if len(peaks) < LEAST_LATER_YEARS:
        return False
    return float(line[first:last].max()) < ABOVE_OTHER_YEARS * float(np.median(peaks))


def _before(line: Floats) -> tuple[Floats, Floats]:
    """Mean and maximum of the up to six values before each."""
    padded = np.concatenate([np.full(BEFORE, np.nan), line[:-1]])
    windows = np.lib.stride_tricks.sliding_window_view(padded, BEFORE)
    known = ~np.isnan(windows)
    plain = np.where(known, windows, 0.0)
    return plain.sum(axis=1) / np.maximum(known.sum(axis=1), 1), plain.max(axis=1)


def _other_years(line: Floats, steps: Places, at: int, season: int) -> float:
    """The highest count within one step of the same phase of the five seasons before; 0 when there is none."""
    if season < 4:
        return 0.0
    ago = steps[at] - steps[:at]
    phase = ago % season
    same = (ago >= season - 1) & (ago <= OTHER_YEARS * season + 1) & ((phase <= 1) | (phase == season - 1))
    return float(line[:at][same].max(initial=0.0))


def _scatter(past: Floats) -> float:
    """The usual size of log ratios so far; 0 while they are few."""
    return MAD_TO_SIGMA * float(np.median(np.abs(past - np.median(past)))) if len(past) >= BEFORE else 0.0
