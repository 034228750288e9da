"""From strange points to events: stretches with one cause, a kind, a severity and a sentence.

Decisions: an event stays open until its series is back in band, with short pauses bridged. Its id is made of the
series' name, the side it lies on and the first period, so a re-run on the same or a longer series finds the same event
wherever the series stands in its batch, also when a spike has meanwhile turned out to be an outbreak or a new level.
Faults of the data are named before anything else: what a clerk can explain is not offered as news of the world.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from models.anomaly import quality
from models.anomaly.bends import Bend, reach_of
from models.anomaly.figures import figures, likely, p_value, severity
from models.anomaly.quality import Fault, runs
from models.anomaly.reasons import Facts, checks, reason
from models.anomaly.rows import Bools
from models.anomaly.sheet import DATA_FAULTS, Sheet, Stretch, levels, spread_of
from models.values import Event

NEAR_SHIFT = 2
SILENCE_LEVEL = 0.01
LONG_EPISODE = 3
"""An episode longer than this part of the lines beside a bend explains the bend: a hump goes up and comes down."""
SIDES = {"spike": "up", "outbreak": "up", "dip": "down", "missing_report": "down", "negative_correction": "down"}


def find_events(sheet: Sheet, direction: Literal["both", "up", "down"]) -> list[Event]:
    """All events of a series by their start."""
    faults = _data_faults(sheet)
    taken = np.zeros(len(sheet.values), bool)
    for fault in faults:
        taken[fault.start : fault.end + 1] = True
    alarmed = _alarm_stretches(sheet, sheet.alarms & ~taken, faults)
    lasting = _lasting(sheet, alarmed, taken)
    found = [Stretch(fault.kind, fault.start, fault.end, False) for fault in faults] + lasting
    found += _bent(sheet, found) + _turned(sheet)
    wanted = [each for each in found if direction == "both" or each.upward == (direction == "up")]
    events = [word(sheet, each) for each in sorted(wanted, key=lambda each: (each.start, each.kind))]
    return _distinct(events, sheet.name)


def _distinct(events: Sequence[Event], name: str) -> list[Event]:
    """Two events that share side and first period are told apart by their kind."""
    found: list[Event] = []
    known: set[str] = set()
    for event in events:
        own = event.id if event.id not in known else event_id(f"{name}\0{event.kind}", event.kind, event.id)
        known.add(own)
        found.append(event if own == event.id else replace(event, id=own))
    return found


def _bent(sheet: Sheet, found: Sequence[Stretch]) -> list[Stretch]:
    """Changes of trend that no episode, shift or fault beside them explains."""
    reach = reach_of(len(sheet.values), sheet.season)
    kept = []
    for bend in sheet.bends:
        beside = [each for each in found if each.start <= bend.at + reach and each.end >= bend.at - reach]
        if any(each.kind in ("level_shift", "unit_change") or _is_long(each, reach) for each in beside):
            continue
        kept.append(_bend_stretch(sheet, bend, reach))
    return kept


def _is_long(each: Stretch, reach: int) -> bool:
    return (each.end - each.start + 1) * LONG_EPISODE * 2 > reach


def _bend_stretch(sheet: Sheet, bend: Bend, reach: int) -> Stretch:
    """The stretch of a bend: its first step, with the change a step before and after in the caller's units.

    Slopes are between means of whole seasons, so that the season does not pose as a trend.
    """
    block = sheet.season if 1 < sheet.season <= reach // 2 else reach // 2
    blocks = [
        sheet.values[first : first + block][sheet.seen[first : first + block]].mean()
        if sheet.seen[first : first + block].any()
        else 0.0
        for first in (bend.at - reach, bend.at - block, bend.at, bend.at + reach - block)
    ]
    slopes = float((blocks[1] - blocks[0]) / (reach - block)), float((blocks[3] - blocks[2]) / (reach - block))
    sure = max(1e-15, float(np.exp(-0.5 * min(bend.sure, 8.0) ** 2)))
    return Stretch("trend_change", bend.at, bend.at, bend.after > bend.before, slopes=slopes, p=sure)


def _turned(sheet: Sheet) -> list[Stretch]:
    """The lasting change of the season, over its first cycle."""
    turn = sheet.turn
    if turn is None:
        return []
    last = min(len(sheet.values), turn.at + sheet.season) - 1
    return [Stretch("season_change", turn.at, last, True, peaks=(turn.peak_before, turn.peak_after), p=turn.p)]


def _data_faults(sheet: Sheet) -> list[Fault]:
    """Missing reports and corrections; a gap that touches a silence is part of it."""
    silent = [
        Fault("missing_report", start, end)
        for start, end in runs(sheet.silent)
        if end - start >= 2 or sheet.p[start : end + 1].min() <= SILENCE_LEVEL
    ]
    covered = np.zeros(len(sheet.values), bool)
    for fault in silent:
        covered[fault.start : fault.end + 1] = True
    empty = [fault for fault in quality.gaps(sheet.seen) if not covered[fault.start]]
    fallen = sheet.positive or sheet.measure == "ytd"
    negative = quality.corrections(sheet.values, sheet.seen) if fallen else []
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
    if _growth_for_index(sheet, start, end):
        return Stretch("unit_change", start, end, upward, 0.0)
    if upward and sheet.is_count and end > start and sheet.began[cut].any():
        return Stretch("outbreak", start, end, upward)
    return Stretch("spike" if upward else "dip", start, end, upward)


def _growth_for_index(sheet: Sheet, start: int, end: int) -> bool:
    """Whether an index (100 = no change) was written as its change: 15 for 115."""
    if sheet.measure not in ("index_prev", "index_same_period"):
        return False
    values, usual = sheet.values[start : end + 1], sheet.expected[start : end + 1]
    near = np.abs(values + 100 - usual) <= np.maximum(3 * sheet.sigma[start : end + 1], 5.0)
    return bool((near & (np.abs(values) < 50)).all())


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
    noise = spread_of(sheet, at)
    if min(before, after) <= 0:
        return None
    usual = min(before, after) if after > before else max(before, after)
    return quality.unit_ratio(np.array([after]), np.array([before]), np.array([min(noise, 0.1 * usual)]))


def word(sheet: Sheet, each: Stretch) -> Event:
    """The finished event."""
    cut = slice(each.start, each.end + 1)
    heard = sheet.seen[cut]
    peak = each.start + int(np.argmin(np.where(heard, sheet.p[cut], 2.0)))
    expected, actual = figures(sheet, each, peak)
    p = p_value(sheet, each, peak)
    facts = Facts(
        each.kind, each.start, each.end, expected, actual, _known(sheet.lower[peak]), _known(sheet.upper[peak]),
        each.ratio, sheet.measure, each.slopes, each.peaks, each.end == len(sheet.values) - 1,
    )  # fmt: skip
    sent = _as_sent(sheet, each, peak, expected, actual)
    return Event(
        id=event_id(sheet.name, each.kind, sheet.axis.periods(each.start, 1)[0], upward=each.upward),
        start=each.start, end=each.end, kind=each.kind, direction="up" if each.upward else "down",
        severity=severity(sheet, each, peak, p), expected=sent[0], actual=sent[1], p_value=p,
        likely=likely(sheet, each), reason=reason(facts, sheet.axis), open=facts.open, checks=checks(facts),
        as_modelled=(expected, actual) if sheet.measure == "ytd" else None,
    )  # fmt: skip


def event_id(name: str, kind: str, period: str, *, upward: bool = True) -> str:
    """A stable id: of what the event is, not of where it stood in a batch or what it turned out to be later."""
    side = kind if kind.endswith("_change") and kind != "unit_change" else SIDES.get(kind, "up" if upward else "down")
    return "ev_" + hashlib.sha256("\0".join((name, side, period)).encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _as_sent(
    sheet: Sheet, each: Stretch, peak: int, expected: float | None, actual: float | None
) -> tuple[float | None, float | None]:
    """Figures of one step turned back into what was sent (cumulative); averages of several steps stay flows."""
    if sheet.measure != "ytd" or each.kind not in ("spike", "dip", "outbreak", "negative_correction", "unit_change"):
        return expected, actual
    reached = float(sheet.offset[peak])
    if not np.isfinite(reached):
        return expected, actual
    return (None if expected is None else expected + reached, None if actual is None else actual + reached)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def mark(flags: Bools, events: Sequence[Event], seen: Bools) -> Bools:
    """Points with an alarm, and the observed points of data faults and shifts."""
    marked = flags.copy()
    for event in events:
        if event.kind in DATA_FAULTS:
            marked[event.start : event.end + 1] = True
        elif event.kind == "level_shift":
            marked[event.start] = True
    return marked & seen
