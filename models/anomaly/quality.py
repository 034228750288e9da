"""Faults of the data itself: reports that are missing, filled in later, in another unit, or corrected below zero.

Each finder looks at one series and returns stretches with the kind of fault; the events room words them. Rules are
narrow on purpose: what might as well have happened in the world keeps its ordinary name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.anomaly.baseline import Rows
from models.anomaly.rows import Bools, Floats, mean, running_median
from models.values import EventKind

NEAR_ZERO = 0.02
STEADY_LOW = 0.25
MOST_SILENT = 0.3
LEAST_COUNT = 10.0
UNIT_TOLERANCE = 0.12
TEN_TOLERANCE = 0.06
"""Ten times is what outbreaks do too, so a factor of ten is held more strictly than a thousand."""
PARTIAL = 0.6
PARTIAL_NOISE = 0.25
UNIT_NOISE = 0.2
BACKFILL_LOW, BACKFILL_HIGH = 0.5, 1.7


@dataclass(frozen=True, slots=True)
class Fault:
    """A stretch of a series, both ends inclusive, with the kind of its fault."""

    kind: EventKind
    start: int
    end: int
    ratio: float = 1.0


def runs(flags: Bools) -> list[tuple[int, int]]:
    """Runs of True as (first, last), both inclusive."""
    edges = np.flatnonzero(np.diff(np.r_[0, flags.astype(np.int8), 0]))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def silent_steps(rows: Rows) -> Bools:
    """Steps (rows, time) at which otherwise loud rows report nothing: what is usual must not be learned from them."""
    found = np.zeros(rows.values.shape, bool)
    above = rows.seen & (rows.values > 0)
    quiet = (rows.seen & (rows.values <= NEAR_ZERO * mean(rows.values, above)[:, None])).any(axis=1)
    for row in np.flatnonzero(quiet & rows.positive):
        for fault in silences(rows.values[row], rows.seen[row], bool(rows.counts[row])):
            found[row, fault.start : fault.end + 1] = True
    return found


def gaps(seen: Bools) -> list[Fault]:
    """Missing values after the first report; none when the series is mostly empty (that is its habit)."""
    if not seen.any():
        return []
    first = int(np.argmax(seen))
    if seen[first:].mean() < 1 - MOST_SILENT:
        return []
    return [Fault("missing_report", a, b) for a, b in runs(~seen) if a > first]


def silences(values: Floats, seen: Bools, counts: bool) -> list[Fault]:
    """Runs of nearly zero in a series that is otherwise never near zero: reported as nothing, or not reported."""
    above = values[seen & (values > 0)]
    if len(above) < 8 or (values[seen] < 0).any():
        return []
    loud = seen & (values > NEAR_ZERO * np.median(above))
    if loud.sum() < max(8, (1 - MOST_SILENT) * seen.sum()):
        return []
    steps = np.arange(len(values))
    around = np.interp(steps, steps[loud], values[loud])[None]
    usual = running_median(around, min(25, (len(values) - 1) | 1))[0]
    quietest = np.quantile(values[loud] / np.maximum(usual[loud], 1e-300), 0.03)
    if quietest < STEADY_LOW:
        return []
    silent = seen & (values <= NEAR_ZERO * usual) & (usual >= (LEAST_COUNT if counts else 0.0))
    first = int(np.argmax(loud))
    return [Fault("missing_report", a, b) for a, b in runs(silent | (~seen & _beside(silent))) if a > first]


def partial_years(
    values: Floats, expected: Floats, sigma: Floats, years: npt.NDArray[np.int64], low: list[tuple[int, int]]
) -> list[Fault]:
    """Low stretches of a steady series that fill exactly whole calendar years: units that did not report that year.

    The world does not begin in January and end in December; a reporting year does.
    """
    found = []
    for start, end in low:
        whole = (
            start > 0 and years[start - 1] != years[start] and (end + 1 == len(years) or years[end + 1] != years[end])
        )
        cut = slice(start, end + 1)
        if not whole or end - start < 3 or not (expected[cut] > 0).all():
            continue
        steady = np.median(sigma[cut] / expected[cut]) <= PARTIAL_NOISE
        if steady and (values[cut] <= PARTIAL * expected[cut]).all():
            found.append(Fault("missing_report", start, end))
    return found


def _beside(flags: Bools) -> Bools:
    """Steps next to a flagged one."""
    near = np.zeros_like(flags)
    near[1:] |= flags[:-1]
    near[:-1] |= flags[1:]
    return near


def backfills(values: Floats, expected: Floats, sigma: Floats, low: list[tuple[int, int]]) -> list[Fault]:
    """A surplus right after a stretch of missing or low reports that makes up for what they lacked."""
    found = []
    for start, end in low:
        lacking = float(np.sum(np.nan_to_num(expected[start : end + 1]) - np.nan_to_num(values[start : end + 1])))
        for at in range(end + 1, min(end + 3, len(values))):
            surplus = values[at] - expected[at]
            if not np.isfinite(surplus) or lacking <= 0:
                continue
            if surplus > 3 * sigma[at] and BACKFILL_LOW * lacking <= surplus <= BACKFILL_HIGH * lacking:
                found.append(Fault("backfilled_report", at, at))
                break
    return found


def unit_ratio(values: Floats, expected: Floats, sigma: Floats) -> float | None:
    """The power of ten by which a stretch differs from what was expected, None when it does not or noise could."""
    if not ((values > 0) & (expected > sigma)).all():
        return None
    logs = np.log10(values) - np.log10(expected)
    middle = float(np.median(logs))
    power = round(middle)
    noise = float(np.median(sigma / expected))
    tolerance = TEN_TOLERANCE if abs(power) == 1 else UNIT_TOLERANCE
    near = abs(middle - power) <= tolerance and np.abs(logs - power).max() <= 3 * tolerance and noise <= UNIT_NOISE
    return 10.0**power if power != 0 and near else None


def corrections(values: Floats, seen: Bools) -> list[Fault]:
    """Negative values in a series that is never negative by nature."""
    return [Fault("negative_correction", a, b) for a, b in runs(seen & (values < 0))]
