"""Time axes: frequencies, calendar arithmetic and the names of periods.

Dates are calendar arithmetic (month ends do not drift), up to the year 9999. Times without a zone are
Asia/Ho_Chi_Minh; a month sent as `2024-12-31T17:00:00Z` is January 2025.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frequency:
    """A step of a regular axis: `unit` is one of Y, Q, M, W, D, H, min; `every` counts units; `season` is the
    usual number of steps in a season (12 for months, 1 for years)."""

    code: str
    unit: str
    every: int
    season: int


@dataclass(frozen=True, slots=True)
class Axis:
    """A regular axis: the local start of the first step in ISO 8601 and the frequency."""

    frequency: Frequency
    start: str
