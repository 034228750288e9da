"""From the times a caller sent to a regular axis.

Decision: every time is snapped to the step of the calendar it belongs to (its month, its week counted from the
first, …). What that hides is told: times out of order, several in one step (the last one stands), steps without a
value (missing), times off the grid. A sum or a mean of several values in one step would be a guess about the measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from models.calendar import DEKAD, MONTHS, SECONDS, Axis, Frequency, parse_instant
from models.errors import InvalidInputError
from models.values import Floats, Warned

MAX_STRETCH = 20
"""A grid longer than this many steps a value (and 1,000 more) is taken for a wrong frequency."""

UNORDERED = Warned(
    "unordered_timestamps",
    "Mốc thời gian không theo thứ tự, đã được sắp xếp.",
    "Times were out of order and were sorted.",
)
DUPLICATED = Warned(
    "duplicate_timestamps",
    "Một số kỳ có nhiều giá trị; giá trị cuối được dùng.",
    "Some periods have several values; the last one is used.",
)
GAPS = Warned(
    "missing_periods",
    "Một số kỳ không có giá trị, được coi là thiếu.",
    "Some periods have no value and are treated as missing.",
)
IRREGULAR = Warned(
    "irregular_timestamps",
    "Mốc thời gian không đều; mỗi mốc được đưa về kỳ gần nhất.",
    "Times are irregular; each was moved to its nearest step.",
)
WRONG_STEP = Warned(
    "frequency_mismatch",
    "Mốc thời gian không khớp tần suất; các giá trị được coi là liên tiếp.",
    "Times do not match the frequency; the values are taken as consecutive.",
)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Values on a regular axis; `index` maps each value as sent to its step."""

    axis: Axis
    values: Floats
    index: npt.NDArray[np.int64]
    warnings: tuple[Warned, ...]


def arrange(timestamps: Sequence[str], values: Floats, frequency: str, pointer: str = "") -> Timeline:
    """Put values at given times on a regular axis, NaN where a step has none.

    Raises InvalidInputError when lengths differ, a time is malformed or the frequency unknown.
    """
    step = Frequency.parse(frequency, pointer + "/frequency")
    if len(timestamps) != len(values) or not len(values):
        raise InvalidInputError.at(
            pointer + "/timestamps",
            "Số mốc thời gian phải bằng số giá trị.",
            "There must be as many timestamps as values.",
            code="bad-timestamps",
        )
    moments = [parse_instant(text, f"{pointer}/timestamps/{i}") for i, text in enumerate(timestamps)]
    step, axis, index, exact = _locate(step, moments)
    warnings = [] if exact else [IRREGULAR]
    length = int(index.max()) + 1
    if length > MAX_STRETCH * len(values) + 1000:
        return Timeline(axis, values.copy(), np.arange(len(values)), (WRONG_STEP,))
    if (np.diff(index) < 0).any():
        warnings.append(UNORDERED)
    if len(np.unique(index)) < len(index):
        warnings.append(DUPLICATED)
    grid = np.full(length, np.nan)
    grid[index] = values  # of several in one step the last assignment stands
    if len(np.unique(index)) < length:
        warnings.append(GAPS)
    return Timeline(axis, grid, index, tuple(warnings))


def _locate(step: Frequency, moments: list[datetime]) -> tuple[Frequency, Axis, npt.NDArray[np.int64], bool]:
    """The axis that starts at the first time, each time's step on it, and whether all lie on the grid."""
    times = np.array(moments, dtype="datetime64[s]")
    first = moments[int(times.argmin())]
    if step.unit in MONTHS:
        months = times.astype("datetime64[M]").astype(np.int64)
        width = MONTHS[step.unit] * step.every
        index = (months - months.min()) // width
        exact = bool(((months - months.min()) % width == 0).all())
        return step, Axis.of(step, first), index, exact
    if step.unit == "D" and step.every == 10 and _are_dekads(moments):
        step = replace(step, unit=DEKAD, every=1)
        months = times.astype("datetime64[M]").astype(np.int64)
        ordinals = months * 3 + np.array([(m.day - 1) // 10 for m in moments])
        return step, Axis.of(step, first), ordinals - ordinals.min(), True
    if step.unit in ("W", "D"):
        times = times.astype("datetime64[D]").astype("datetime64[s]")
    offsets = (times - times.min()).astype(np.int64)
    width = SECONDS[step.unit] * step.every
    index = np.floor_divide(offsets + width // 2, width)
    return step, Axis.of(step, first), index, bool((offsets % width == 0).all())


def _are_dekads(moments: list[datetime]) -> bool:
    """Days 1, 11 and 21 over more than one month: the ten-day periods of reports, not steps of ten days."""
    return {m.day for m in moments} <= {1, 11, 21} and len({(m.year, m.month) for m in moments}) > 1
