"""One judged series before its events are worded, and what an event is until then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.anomaly.bends import Bend
from models.anomaly.rows import Bools, Floats
from models.anomaly.seasons import Turn
from models.calendar import Axis
from models.values import EventKind, Measure

DATA_FAULTS = frozenset({"missing_report", "backfilled_report", "unit_change", "negative_correction"})


@dataclass(frozen=True, slots=True)
class Sheet:
    """One judged series; arrays have shape (n,), `values` is 0 where not `seen`.

    `p` is the p-value on the asked side, `upward` the side of the deviation, `alarms` the points below the level,
    `silent` where an otherwise loud series reports nothing, `began` where something begins. `shifts` holds (first step,
    size in robust deviations) of lasting changes of level, `bends` those of trend, `turn` that of the season.
    `values` + `offset` is what was sent.
    """

    name: str
    axis: Axis
    season: int
    measure: Measure | None
    values: Floats
    offset: Floats
    seen: Bools
    expected: Floats
    sigma: Floats
    lower: Floats
    upper: Floats
    p: Floats
    upward: Bools
    alarms: Bools
    silent: Bools
    began: Bools
    positive: bool
    counts: bool
    is_count: bool
    shifts: Sequence[tuple[int, float]] = ()
    bends: Sequence[Bend] = ()
    turn: Turn | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """An event before it is worded; `slopes` of a change of trend, `peaks` of one of the season, before and after.

    `p` is the p-value of a lasting change that was found as such.
    """

    kind: EventKind
    start: int
    end: int
    upward: bool
    ratio: float = 1.0
    slopes: tuple[float, float] | None = None
    peaks: tuple[int, int] | None = None
    p: float | None = None


def levels(sheet: Sheet, at: int) -> tuple[float, float]:
    """Medians of up to a season (at least twelve steps) before and after a step."""
    reach = max(12, sheet.season)
    before = sheet.values[max(0, at - reach) : at][sheet.seen[max(0, at - reach) : at]]
    after = sheet.values[at : at + reach][sheet.seen[at : at + reach]]
    return float(np.median(before)) if len(before) else 0.0, float(np.median(after)) if len(after) else 0.0


def spread_of(sheet: Sheet, at: int) -> float:
    """The usual deviation around a step."""
    return float(np.median(sheet.sigma[max(0, at - 12) : at + 12]))
