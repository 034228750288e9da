"""Figures cumulative from January (`ytd`) as flows, and back.

A January reset is arithmetic, not news; a decrease within the year is a correction of what was reported before.
"""

from __future__ import annotations

import numpy as np

from models.anomaly.rows import Floats
from models.calendar import Axis


def to_flows(values: Floats, axis: Axis) -> tuple[Floats, Floats]:
    """Flows of each step and what had been reached in the year before it; both NaN where unknown, shape (n,).

    After missing steps the rise is shared equally among the steps it covers.
    """
    flows, before = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    years = axis.year_of(0, len(values))
    total, last, year = 0.0, -1, None
    for at, value in enumerate(values.tolist()):
        if years[at] != year:
            begins = at > 0 or _opens_year(axis)
            year, total, last = years[at], 0.0 if begins else np.nan, at - 1
        if np.isnan(value):
            continue
        if not np.isnan(total):
            flows[at], before[at] = (value - total) / (at - last), value - (value - total) / (at - last)
        total, last = value, at
    return flows, before


def _opens_year(axis: Axis) -> bool:
    """Whether the axis' first step is the first of its year."""
    if axis.frequency.unit in ("Y", "Q", "M"):
        return int(axis.start[5:7]) == 1
    return bool(axis.year_of(-1, 1)[0] != axis.year_of(0, 1)[0])
