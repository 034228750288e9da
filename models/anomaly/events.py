"""From strange points to events: stretches with one cause, a kind, a severity and a sentence.

Decisions: an event stays open until its series is back in band, with short pauses bridged. Its id is made of the
series' name, the kind and the first period, so a re-run on the same or a longer series finds the same event wherever
the series stands in its batch. Faults of the data are named before anything else: what a clerk can explain is not
offered as news of the world.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from models.anomaly import quality
from models.anomaly.quality import Fault, runs
from models.anomaly.reasons import Facts, reason
from models.anomaly.rows import Bools, Floats
from models.calendar import Axis
from models.values import Event, EventKind

DATA_FAULTS = frozenset({"missing_report", "backfilled_report", "unit_change", "negative_correction"})
NEAR_SHIFT = 2
SILENCE_LEVEL = 0.01
CERTAIN = 1e-15


@dataclass(frozen=True, slots=True)
class Sheet:
    """One judged series; arrays have shape (n,), `values` is 0 where not `seen`.

    `p` is the p-value on the asked side, `upward` the side of the deviation, `alarms` the points below the level.
    `shifts` holds (first step, size in robust deviations) of lasting changes.
    """

    name: str
    axis: Axis
    season: int
    values: Floats
    seen: Bools
    expected: Floats
    sigma: Floats
    lower: Floats
    upper: Floats
    p: Floats
    upward: Bools
    alarms: Bools
    positive: bool
    counts: bool
    shifts: Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """An event before it is worded."""

    kind: EventKind
    start: int
    end: int
    upward: bool
    ratio: float = 1.0


def find_events(sheet: Sheet, direction: Literal["both", "up", "down"]) -> list[Event]:
    """All events of a series by their start."""
    faults = _data_faults(sheet)
    taken = np.zeros(len(sheet.values), bool)
    for fault in faults:
        taken[fault.start : fault.end + 1] = True
    alarmed = _alarm_stretches(sheet, sheet.alarms & ~taken, faults)
    lasting = _lasting(sheet, alarmed, taken)
    found = [Stretch(fault.kind, fault.start, fault.end, False) for fault in faults] + lasting
    wanted = [each for each in found if direction == "both" or each.upward == (direction == "up")]
    return [word(sheet, each) for each in sorted(wanted, key=lambda each: (each.start, each.kind))]


def _data_faults(sheet: Sheet) -> list[Fault]:
    """Missing reports and corrections; a gap that touches a silence is part of it."""
    silent = [
        fault
        for fault in quality.silences(sheet.values, sheet.seen, sheet.counts)
        if fault.end - fault.start >= 2 or sheet.p[fault.start : fault.end + 1].min() <= SILENCE_LEVEL
    ]
    covered = np.zeros(len(sheet.values), bool)
    for fault in silent:
        covered[fault.start : fault.end + 1] = True
    empty = [fault for fault in quality.gaps(sheet.seen) if not covered[fault.start]]
    negative = quality.corrections(sheet.values, sheet.seen) if sheet.positive else []
    return silent + empty + negative


def _alarm_stretches(sheet: Sheet, alarms: Bools, faults: Sequence[Fault]) -> list[Stretch]:
    """Runs of alarms of one side, with short pauses bridged, each with its kind."""
    pause = max(1, sheet.season // 12)
    found: list[Stretch] = []
    for side in (False, True):
        merged: list[tuple[int, int]] = []
        for start, end in runs(alarms & (sheet.upward == side)):
            if merged and start - merged[-1][1] - 1 <= pause and not faults_between(faults, merged[-1][1], start):
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((start, end))
        found += [_kind(sheet, start, end, side) for start, end in merged]
    low = [(each.start, each.end) for each in found if not each.upward]
    low += [(fault.start, fault.end) for fault in faults if fault.kind == "missing_report"]
    partial = _partial(sheet, low)
    found = [replace(each, kind="missing_report") if (each.start, each.end) in partial else each for each in found]
    late = {fault.start for fault in quality.backfills(sheet.values, sheet.expected, sheet.sigma, low)}
    return [replace(each, kind="backfilled_report") if _is_late(each, late) else each for each in found]


def _partial(sheet: Sheet, low: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """Low stretches that are years of incomplete reporting."""
    if not low or not sheet.positive:
        return set()
    years = sheet.axis.year_of(0, len(sheet.values))
    faults = quality.partial_years(sheet.values, sheet.expected, sheet.sigma, years, low)
    return {(fault.start, fault.end) for fault in faults}


def faults_between(faults: Sequence[Fault], first: int, last: int) -> bool:
    """Whether a data fault lies between two steps."""
    return any(first < fault.start and fault.end < last for fault in faults)


def _is_late(each: Stretch, late: set[int]) -> bool:
    return each.upward and each.start in late and each.end - each.start <= 1 and each.kind == "spike"


def _kind(sheet: Sheet, start: int, end: int, upward: bool) -> Stretch:
    """A run of alarms as a change of unit, or else a spike or dip."""
    cut = slice(start, end + 1)
    heard = sheet.seen[cut]
    ratio = quality.unit_ratio(sheet.values[cut][heard], sheet.expected[cut][heard], sheet.sigma[cut][heard])
    if ratio is not None:
        return Stretch("unit_change", start, end, upward, ratio)
    return Stretch("spike" if upward else "dip", start, end, upward)


def _lasting(sheet: Sheet, found: list[Stretch], taken: Bools) -> list[Stretch]:
    """Join lasting changes of level with the runs of alarms that begin there."""
    rest = list(found)
    for at, size in sheet.shifts:
        if taken[max(0, at - 1) : at + 2].any() or _explained(rest, at):
            continue
        upward = size > 0
        joined = [each for each in rest if abs(each.start - at) <= NEAR_SHIFT and each.upward == upward]
        if any(each.kind == "unit_change" and each.end - each.start < NEAR_SHIFT for each in joined):
            continue
        end = max([at, *(each.end for each in joined)])
        ratio = _level_ratio(sheet, at)
        rest = [each for each in rest if each not in joined]
        rest.append(Stretch("unit_change" if ratio else "level_shift", at, end, upward, ratio or 1.0))
    return rest


def _explained(found: Sequence[Stretch], at: int) -> bool:
    """Whether a change of level is the beginning or the end of missing reports."""
    return any(
        each.kind == "missing_report" and min(abs(each.start - at), abs(each.end + 1 - at)) <= NEAR_SHIFT
        for each in found
    )


def _level_ratio(sheet: Sheet, at: int) -> float | None:
    """The power of ten between the levels after and before a step, None when it is none."""
    before, after = levels(sheet, at)
    noise = float(np.median(sheet.sigma[max(0, at - 12) : at + 12]))
    if min(before, after) <= 0:
        return None
    usual = min(before, after) if after > before else max(before, after)
    return quality.unit_ratio(np.array([after]), np.array([before]), np.array([min(noise, 0.1 * usual)]))


def levels(sheet: Sheet, at: int) -> tuple[float, float]:
    """Medians of up to a season (at least twelve steps) before and after a step."""
    reach = max(12, sheet.season)
    before = sheet.values[max(0, at - reach) : at][sheet.seen[max(0, at - reach) : at]]
    after = sheet.values[at : at + reach][sheet.seen[at : at + reach]]
    return float(np.median(before)) if len(before) else 0.0, float(np.median(after)) if len(after) else 0.0


def word(sheet: Sheet, each: Stretch) -> Event:
    """The finished event."""
    cut = slice(each.start, each.end + 1)
    heard = sheet.seen[cut]
    peak = each.start + int(np.argmin(np.where(heard, sheet.p[cut], 2.0)))
    expected, actual = _figures(sheet, each, peak)
    p_value = _p_value(sheet, each, peak)
    facts = Facts(
        each.kind,
        each.start,
        each.end,
        expected,
        actual,
        _known(sheet.lower[peak]),
        _known(sheet.upper[peak]),
        each.ratio,
    )
    return Event(
        id=event_id(sheet.name, each.kind, sheet.axis.periods(each.start, 1)[0]), start=each.start, end=each.end,
        kind=each.kind, direction="up" if each.upward else "down", severity=_severity(sheet, each, peak, p_value),
        expected=expected, actual=actual, p_value=p_value, likely=_likely(sheet, each),
        reason=reason(facts, sheet.axis), open=each.end == len(sheet.values) - 1,
    )  # fmt: skip


def event_id(name: str, kind: str, period: str) -> str:
    """A stable id: of what the event is, not of where it stood in a batch."""
    return "ev_" + hashlib.sha256("\0".join((name, kind, period)).encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _figures(sheet: Sheet, each: Stretch, peak: int) -> tuple[float | None, float | None]:
    """What was usual and what was reported: at the peak, as levels around a shift, or on average over a silence."""
    if each.kind == "level_shift" or (each.kind == "unit_change" and each.end == each.start and not sheet.alarms[peak]):
        return levels(sheet, each.start)
    if each.kind == "missing_report":
        usual = sheet.expected[each.start : each.end + 1]
        heard = sheet.seen[each.start : each.end + 1]
        values = sheet.values[each.start : each.end + 1]
        typical = usual[np.isfinite(usual)]
        before, _ = levels(sheet, each.start)
        return float(np.median(typical)) if len(typical) else before, float(
            values[heard].mean()
        ) if heard.any() else None
    return _known(sheet.expected[peak]), float(sheet.values[peak])


def _p_value(sheet: Sheet, each: Stretch, peak: int) -> float:
    """The smallest p-value of the stretch; of a silence without figures, how often the series is silent."""
    if each.kind == "missing_report" and not sheet.seen[each.start : each.end + 1].any():
        return float(((~sheet.seen).sum() + 1) / (len(sheet.seen) + 1))
    if each.kind == "level_shift" or each.kind == "unit_change":
        near = dict(sheet.shifts).get(each.start)
        shift = CERTAIN if near is None else max(CERTAIN, float(np.exp(-0.5 * min(abs(near), 8.0) ** 2)))
        return float(sheet.p[peak]) if near is None else min(float(sheet.p[peak]), shift)
    return float(sheet.p[peak])


def _severity(sheet: Sheet, each: Stretch, peak: int, p_value: float) -> int:
    """1 to 5: one step each for being rare, very rare, far out, and lasting."""
    size = abs(sheet.values[peak] - sheet.expected[peak]) / sheet.sigma[peak] if sheet.seen[peak] else 0.0
    length = each.end - each.start + 1
    points = (p_value < 1e-3, p_value < 1e-6, bool(size > 8), length >= 3 or each.kind == "level_shift")
    return 1 + sum(points)


def _likely(sheet: Sheet, each: Stretch) -> Literal["world", "data", "both"]:
    """Whether the world or the data is the likely cause; a lone jump may be either."""
    if each.kind in DATA_FAULTS:
        return "data"
    return "world" if each.end - each.start >= 1 and each.kind == "spike" else "both"


def mark(flags: Bools, events: Sequence[Event], seen: Bools) -> Bools:
    """Points with an alarm, and the observed points of data faults and shifts."""
    marked = flags.copy()
    for event in events:
        if event.kind in DATA_FAULTS:
            marked[event.start : event.end + 1] = True
        elif event.kind == "level_shift":
            marked[event.start] = True
    return marked & seen
